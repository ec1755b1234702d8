/**
 * The scenarios of bench/policy in a real lab, where states and counts decide, not speed: which numbers the far end had to give up and why,
 * what probes say of the paths, how many datagrams of a flow are missing.
 */
import { expect, test } from 'vitest';
import type { DataplaneEvent, PathHealthStatus } from '../../src/dataplane/status.ts';
import { iperf3 } from '../../src/lab/iperf3.ts';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import type { PingResult } from '../../src/lab/ping.ts';
import { type LabOptions, SESSION, planPaths } from '../../src/lab/plan.ts';
import { startTraffic } from '../../src/lab/traffic.ts';
import { HEALTH_DEFAULTS } from '../../src/paths/path-health.ts';

async function withLab(
  paths: readonly string[],
  options: Partial<LabOptions>,
  use: (lab: NamespaceLab, events: DataplaneEvent[]) => Promise<void>,
): Promise<void> {
  const lab = await NamespaceLab.start({
    paths: planPaths({ paths, weights: paths.map(() => 1).join(':'), encapsulation: 'udp-gre', family: '4' }),
    duration: 2,
    workers: 1,
    memory: false,
    static: true,
    health: HEALTH_DEFAULTS,
    ...options,
  });
  const events: DataplaneEvent[] = [];
  for (const end of [lab.mag, lab.lma]) end.dataplane.on('event', (event) => events.push(event));
  try {
    await until(() =>
      measured(lab).every(({ state, probesAnswered }) => state === 'up' && probesAnswered > 5),
    );
    events.length = 0;
    await use(lab, events);
  } finally {
    await lab.stop();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `done`, for 10 s at most; what follows decides. */
async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !done(); i++) await pause(100);
}

function measured(lab: NamespaceLab): PathHealthStatus[] {
  return lab.mag.pathWatch!.paths(SESSION);
}

function received(lab: NamespaceLab) {
  return lab.lma.dataplane.session(SESSION).resequencer;
}

function stateChanges(events: readonly DataplaneEvent[]): readonly DataplaneEvent[] {
  return events.filter(({ event }) => event === 'pathState');
}

/** Datagrams of 200 octets at an even pace; how many came. */
async function datagrams(lab: NamespaceLab, count: number, perSecond: number, port: number): Promise<number> {
  const ends = lab.ends('uplink');
  const host = ends.destination;
  const sink = startTraffic<{ received: number }>({ kind: 'udp-sink', namespace: ends.to, host, port });
  await sink.ready;
  const { source, from: namespace } = ends;
  await startTraffic({ kind: 'udp-source', namespace, host, port, source, count, perSecond, size: 200 })
    .result;
  sink.finish(300);
  return (await sink.result).received;
}

test('EDPF without configured rates: both paths are used, and what they carry becomes known', async () => {
  await withLab(['a,delay=5ms', 'b,delay=25ms'], { scheduler: 'edpf' }, async (lab) => {
    const { emulator } = lab.topology.wan;
    // Unknown to both ends.
    for (const [link, rate] of [40e6, 20e6].entries()) {
      emulator!.change(link, 'uplink', { rate, limit: 1 << 20 });
    }
    // Fills queues, and every kernel has it.
    const transfer = iperf3(lab.ends('uplink'), 4, 1, { congestion: 'reno' });
    await until(() => measured(lab).every(({ sending }) => sending.capacity !== null));
    const result = await transfer;
    expect(result!.bytes).toBeGreaterThan(0);
    expect(measured(lab).map(({ sending }) => sending.capacity)).not.toContain(null);
    for (const { txPackets } of lab.mag.dataplane.session(SESSION).paths)
      expect(txPackets).toBeGreaterThan(50);
    expect(received(lab).lostWindow).toBe(0);
  });
});

test('paths made equally long: every echo takes the long way round, and nothing is late or given up', async () => {
  await withLab(
    ['a,rate=50mbit,delay=5ms', 'b,rate=25mbit,delay=40ms'],
    { equalDelay: ['mag', 'lma'] },
    async (lab) => {
      // Both ends have told the hot path.
      await pause(500);
      const { from, source, destination } = lab.ends('uplink');
      const task = {
        kind: 'ping',
        namespace: from,
        host: destination,
        source,
        count: 20,
        intervalMs: 5,
      } as const;
      const echoes = await startTraffic<PingResult>(task).result;
      expect(echoes.received).toBe(20);
      expect(Math.min(...echoes.rttMs)).toBeGreaterThan(78);
      expect((await lab.tcp('uplink')).sha256Match).toBe(true);
      const { late, lostTimeout, reordered, inOrder } = received(lab);
      expect(late + lostTimeout).toBeLessThan((reordered + inOrder) / 20);
    },
  );
});

test('datagrams of many flows, 1 % loss on one path: losses are proven, not waited for', async () => {
  await withLab(['a,rate=50mbit,delay=5ms', 'b,rate=50mbit,delay=15ms'], {}, async (lab) => {
    const { emulator } = lab.topology.wan;
    // The session has to learn first how late packets are.
    await datagrams(lab, 600, 1000, 5230);
    const before = received(lab);
    emulator!.change(lab.topology.wan.linkOf(1), 'uplink', { loss: { model: 'random', probability: 0.01 } });
    const flows = 20;
    const counts = await Promise.all(
      Array.from({ length: flows }, (_, flow) => datagrams(lab, 200, 100, 5231 + flow)),
    );
    const missing = flows * 200 - counts.reduce((sum, count) => sum + count, 0);
    const { lost } = emulator!.counters(lab.topology.wan.linkOf(1), 'uplink');
    expect(missing).toBeGreaterThan(3);
    expect(missing).toBeLessThanOrEqual(lost);
    const { lostProven, lostTimeout } = received(lab);
    expect(lostProven - before.lostProven).toBeGreaterThan((lostTimeout - before.lostTimeout) * 4);
  });
});

test('a path dies silently: of a flow of datagrams only what was on its way to it for less than a second is missing', async () => {
  await withLab(['a,rate=20mbit,delay=5ms', 'b,rate=20mbit,delay=5ms'], {}, async (lab, events) => {
    const flow = datagrams(lab, 150, 50, 5260);
    await pause(1000);
    for (const direction of ['uplink', 'downlink'] as const) {
      const loss = { model: 'random', probability: 1 } as const;
      lab.topology.wan.emulator!.change(lab.topology.wan.linkOf(1), direction, { loss });
    }
    // Half of 50 a second, until the path is left out; a busy machine may take its time.
    expect(await flow).toBeGreaterThanOrEqual(150 - 25);
    expect(stateChanges(events)).toContainEqual(expect.objectContaining({ bid: 2, to: 'down' }));
  });
});

test.each([1, 8])(
  '%i streams from idle to full, unequal rates: no path changes its state',
  async (streams) => {
    await withLab(['a,rate=40mbit,delay=10ms', 'b,rate=20mbit,delay=10ms'], {}, async (lab, events) => {
      const result = await iperf3(lab.ends('uplink'), 5, streams);
      expect(result!.bytes).toBeGreaterThan(0);
      expect(stateChanges(events)).toEqual([]);
      expect(measured(lab).map(({ state }) => state)).toEqual(['up', 'up']);
    });
  },
);
