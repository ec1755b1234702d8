/** The link emulator between real namespaces: what it counts is what the tunnel sees. Speed decides nothing here. */
import { expect, test } from 'vitest';
import { LINK_DEFAULTS } from '../../src/emulator/model/link.ts';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import { SESSION, planPaths } from '../../src/lab/plan.ts';
import { waitFor } from '../support/daemon.ts';

async function withLab(paths: string[], use: (lab: NamespaceLab) => Promise<void>): Promise<void> {
  const lab = await NamespaceLab.start({
    paths: planPaths({ paths, weights: paths.map(() => 1).join(':'), encapsulation: 'udp-gre', family: '4' }),
    duration: 1,
    workers: 1,
    memory: false,
    static: true,
    seed: 5,
  });
  try {
    await use(lab);
  } finally {
    await lab.stop();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('a path that loses 5 %: the resequencer declares lost exactly what the emulator took', async () => {
  await withLab(['a,loss=5%,rate=40mbit,delay=2ms', 'b,rate=40mbit,delay=2ms'], async (lab) => {
    const emulator = lab.topology.wan.emulator!;
    const result = await lab.tcp('uplink');
    expect(result.sha256Match).toBe(true);
    await pause(500);
    const lost = emulator.counters(0, 'uplink').lost;
    expect(lost).toBeGreaterThan(5);
    expect(emulator.counters(1, 'uplink').lost).toBe(0);
    const { resequencer } = lab.lma.dataplane.session(SESSION);
    // ARP and the like may be among the lost; late packets were declared lost before they came.
    const declared =
      resequencer.lostProven + resequencer.lostTimeout + resequencer.lostWindow - resequencer.late;
    const refused = emulator.counters(0, 'uplink').queueFull + emulator.counters(1, 'uplink').queueFull;
    expect(Math.abs(declared - lost - refused)).toBeLessThanOrEqual(5);
    expect(resequencer.duplicates).toBe(0);
  });
});

test('a path 20 ms longer than the other: everything is put back in order', async () => {
  await withLab(['a,delay=2ms,rate=50mbit', 'b,delay=22ms,rate=50mbit'], async (lab) => {
    const result = await lab.tcp('uplink');
    expect(result.sha256Match).toBe(true);
    const { resequencer } = lab.lma.dataplane.session(SESSION);
    expect(resequencer.reordered).toBeGreaterThan(50);
    expect(resequencer.duplicates).toBe(0);
    expect(resequencer.late).toBeLessThan(resequencer.reordered / 10);
  });
});

test('frames that arrive twice are delivered once', async () => {
  await withLab(['a,duplicate=20%,rate=40mbit', 'b,rate=40mbit'], async (lab) => {
    const result = await lab.tcp('uplink');
    expect(result.sha256Match).toBe(true);
    await pause(300);
    const { doubled } = lab.topology.wan.emulator!.counters(0, 'uplink');
    expect(doubled).toBeGreaterThan(20);
    const { duplicates } = lab.lma.dataplane.session(SESSION).resequencer;
    // Hosts greet a new link with some frames of their own, and those may be doubled too.
    expect(duplicates).toBeLessThanOrEqual(doubled);
    expect(duplicates).toBeGreaterThanOrEqual(doubled - 8);
  });
});

test('links change while they run: a path goes silent and comes back, the transfer survives', async () => {
  await withLab(['a,rate=40mbit,delay=5ms', 'b,rate=40mbit,delay=5ms'], async (lab) => {
    const emulator = lab.topology.wan.emulator!;
    const counters = () => emulator.counters(1, 'uplink');
    const before = counters().sent;
    const transfer = lab.tcp('uplink');
    await waitFor(() => counters().sent > before + 100);
    emulator.change(1, 'uplink', { loss: { model: 'random', probability: 1 } });
    await waitFor(() => counters().lost > 0);
    const silent = counters();
    emulator.change(1, 'uplink', { loss: LINK_DEFAULTS.loss });
    expect((await transfer).sha256Match).toBe(true);
    expect(counters().sent).toBeGreaterThan(silent.sent);
  });
});
