/** What happens in the middle of a TCP transfer: new weights, a crashed worker, a path much slower than its share. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import type { DataplaneEvent } from '../../src/dataplane/status.ts';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import { SESSION, planPaths } from '../../src/lab/plan.ts';

async function withLab(
  options: { weights: string; workers: number; seconds: number },
  use: (lab: NamespaceLab) => Promise<void>,
): Promise<void> {
  const lab = await NamespaceLab.start({
    paths: planPaths({ paths: [], weights: options.weights, encapsulation: 'udp-gre', family: '4' }),
    duration: options.seconds,
    workers: options.workers,
    static: true,
    memory: false,
  });
  try {
    await use(lab);
  } finally {
    await lab.stop();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('weights changed again and again lose nothing, and the new ratio holds exactly', async () => {
  await withLab({ weights: '1:1', workers: 2, seconds: 2 }, async (lab) => {
    const transfer = lab.tcp('uplink');
    for (const weight of [3, 7, 1, 100, 2]) {
      await pause(200);
      lab.mag.dataplane.setWeights(SESSION, new Map([[1, weight]]));
    }
    await pause(300);
    const before = lab.mag.dataplane.session(SESSION).paths.map((path) => path.txPackets);
    const result = await transfer;
    const after = lab.mag.dataplane.session(SESSION).paths.map((path) => path.txPackets);
    expect(result.sha256Match).toBe(true);
    const sent = after.map((packets, i) => packets - before[i]!);
    expect(Math.abs(sent[0]! - 2 * sent[1]!)).toBeLessThan(200);
    expect(lab.lma.dataplane.session(SESSION).resequencer.duplicates).toBe(0);
    expect(lab.mag.dataplane.status().drops).toEqual({});
  });
});

test.each([0, 1])(
  'worker %i of the receiver crashes: it is restarted and the transfer goes on',
  async (victim) => {
    await withLab({ weights: '1:1', workers: 2, seconds: 2 }, async (lab) => {
      const events: DataplaneEvent[] = [];
      lab.lma.dataplane.on('event', (event) => events.push(event));
      const { memory } = lab.lma.dataplane;
      const total = lab.lma.dataplane.status().buffers.total;
      const transfer = lab.tcp('uplink');
      await pause(500);
      // A timer bit set far outside the memory: the next look at it traps.
      const region = memory.workerRegion(victim) / 4;
      memory.u32[region + L.WORKER_TIMERS / 4] = 0xffff_0000;
      memory.u32[region + L.WORKER_TIMER_COUNT / 4] = 1;
      const result = await transfer;
      expect(result.sha256Match).toBe(true);
      expect(result.bytes).toBeGreaterThan(0);
      expect(events).toContainEqual(expect.objectContaining({ event: 'workerFailed', worker: victim }));
      expect(events).toContainEqual({ event: 'workerRestarted', worker: victim });
      const status = lab.lma.dataplane.status();
      expect(status.workers[victim]!.restarts).toBe(1);
      // No buffer went with the worker: all but what two workers may have in hand are back.
      expect(status.buffers.free).toBeGreaterThan(total - 2 * (L.FREE_MAX + 2 * L.BATCH + L.POOL_CHAIN));
    });
  },
);

test('a path much slower than its share loses and delays packets, but what arrives is right', async () => {
  await withLab({ weights: '1:1', workers: 1, seconds: 2 }, async (lab) => {
    const shaped = spawnSync(
      'tc',
      [
        '-n',
        lab.topology.mag,
        ...'qdisc add dev wan2 root tbf rate 20mbit burst 16kb latency 30ms'.split(' '),
      ],
      { encoding: 'utf8' },
    );
    expect(shaped.stderr).toBe('');
    const result = await lab.tcp('uplink');
    expect(result.sha256Match).toBe(true);
    const { resequencer } = lab.lma.dataplane.session(SESSION);
    expect(resequencer.reordered).toBeGreaterThan(0);
    expect(resequencer.duplicates).toBe(0);
    expect(resequencer.held).toBe(0);
  });
});
