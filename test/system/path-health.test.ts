/** Paths of a real lab as probes see them: measured, silent in mid-transfer and back, far too slow, wrong weights. States and counts decide. */
import { expect, test } from 'vitest';
import type { DataplaneEvent, PathHealthStatus } from '../../src/dataplane/status.ts';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import { SESSION, planPaths } from '../../src/lab/plan.ts';
import { HEALTH_DEFAULTS } from '../../src/paths/path-health.ts';

async function withLab(
  paths: readonly string[],
  seconds: number,
  use: (lab: NamespaceLab, events: DataplaneEvent[]) => Promise<void>,
  weights = '1:1',
  encapsulation = 'udp-gre',
  family = '4',
): Promise<void> {
  const lab = await NamespaceLab.start({
    paths: planPaths({ paths, weights, encapsulation, family }),
    duration: seconds,
    workers: 1,
    memory: false,
    static: true,
    health: HEALTH_DEFAULTS,
  });
  const events: DataplaneEvent[] = [];
  lab.mag.dataplane.on('event', (event) => events.push(event));
  try {
    await use(lab, events);
  } finally {
    await lab.stop();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function measured(lab: NamespaceLab): PathHealthStatus[] {
  return lab.mag.pathWatch!.paths(SESSION);
}

function states(lab: NamespaceLab): string {
  return measured(lab)
    .map(({ state }) => state)
    .join(' ');
}

/** Waits until `done`, for 20 s at most: whether it has come to that. */
async function until(done: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200; i++) {
    if (done()) return true;
    await pause(100);
  }
  return done();
}

test.each([
  ['udp-gre', '4'],
  ['udp-gre', '6'],
  ['gre', '4'],
  ['gre', '6'],
  ['gre-in-udp', '4'],
  ['ipip', '4'],
  ['ipip', '6'],
  ['udp', '4'],
])(
  '%s over IPv%s: paths are measured from both ends, by probes that are no drops',
  async (encapsulation, family) => {
    await withLab(
      ['near,delay=5ms', 'far,delay=30ms'],
      1,
      async (lab) => {
        const answering = (paths: readonly PathHealthStatus[]) =>
          paths.every(({ state, probesAnswered }) => state === 'up' && probesAnswered > 10);
        expect(await until(() => answering(lab.lma.pathWatch!.paths(SESSION)))).toBe(true);
        // A machine that stalls may make the near path seem long, or call it degraded, for a while.
        const apart = () => measured(lab)[1]!.delayBehindUs! > 5000;
        expect(await until(() => answering(measured(lab)) && apart())).toBe(true);
        const [near, far] = measured(lab);
        // At least twice the delay of the link, whatever the machine does.
        expect(near!.minRttUs).toBeGreaterThanOrEqual(9_900);
        expect(far!.minRttUs).toBeGreaterThanOrEqual(59_900);
        expect(lab.drops()).toEqual({});
        // Answers that come too late are among them, of more than 40.
        expect(lab.mag.pathWatch!.malformed + lab.lma.pathWatch!.malformed).toBeLessThan(20);
      },
      '1:1',
      encapsulation,
      family,
    );
  },
);

test.each([
  ['udp-gre', 6],
  ['ipip', 4],
])(
  '%s: a path that dies silently in mid-transfer is left out, the transfer goes on, and it is taken in again',
  async (encapsulation, seconds) => {
    await withLab(
      ['a,rate=50mbit,delay=5ms', 'b,rate=50mbit,delay=5ms'],
      seconds,
      async (lab, events) => {
        await until(() => states(lab) === 'up up');
        events.length = 0;
        const transfer = lab.tcp('uplink');
        await pause(1500);
        const { emulator } = lab.topology.wan;
        const loss = (probability: number): void => {
          for (const direction of ['uplink', 'downlink'] as const) {
            emulator!.change(lab.topology.wan.linkOf(1), direction, {
              loss: { model: 'random', probability },
            });
          }
        };
        loss(1);
        await until(() => events.some(({ event }) => event === 'pathState'));
        expect(events.filter(({ event }) => event === 'pathState')).toMatchObject([
          { bid: 2, from: 'up', to: 'down', reason: expect.stringContaining('silent') },
        ]);
        const { unconfirmed } = events.find((event) => event.event === 'pathState')!;
        expect(unconfirmed).toBeGreaterThan(0);
        expect(measured(lab)[1]).toMatchObject({ unconfirmedPackets: unconfirmed, weight: 0 });
        // Nothing more is given to it.
        await pause(100);
        const sent = lab.mag.dataplane.session(SESSION).paths[1]!.txPackets;
        await pause(500);
        expect(lab.mag.dataplane.session(SESSION).paths[1]!.txPackets).toBe(sent);
        loss(0);
        await until(() => measured(lab)[1]!.state === 'up');
        await until(() => measured(lab)[1]!.weight === measured(lab)[0]!.weight);
        expect(events.flatMap((event) => (event.event === 'pathEased' ? [event.share] : []))).toEqual([
          1 / 16,
          1 / 8,
          1 / 4,
          1 / 2,
          1,
        ]);
        expect((await transfer).sha256Match).toBe(true);
        expect(lab.mag.dataplane.session(SESSION).paths[1]!.txPackets).toBeGreaterThan(sent);
        expect(lab.mag.dataplane.session(SESSION).paths.map(({ state }) => state)).toEqual(['up', 'up']);
      },
      '1:1',
      encapsulation,
    );
  },
);

test('a far too slow and lossy path is degraded, and with adaptive weights nothing more is sent over it', async () => {
  await withLab(['good,rate=50mbit,delay=5ms', 'poor,rate=2mbit,delay=300ms,loss=5%'], 3, async (lab) => {
    lab.mag.pathWatch!.setAdaptive(SESSION, true);
    await until(() => states(lab) === 'up degraded');
    await until(() => lab.mag.dataplane.session(SESSION).paths[1]!.weight === 0);
    const before = lab.mag.dataplane.session(SESSION).paths[1]!.txPackets;
    expect((await lab.tcp('uplink')).sha256Match).toBe(true);
    expect(measured(lab).map(({ state }) => state)).toEqual(['up', 'degraded']);
    expect(lab.mag.dataplane.session(SESSION).paths[1]!.txPackets).toBe(before);
  });
});

test('wrong weights: the share of the slow path falls to what it carries', async () => {
  await withLab(['fast,rate=40mbit,delay=5ms', 'slow,rate=8mbit,delay=5ms'], 16, async (lab) => {
    lab.mag.pathWatch!.setAdaptive(SESSION, true);
    await until(() => states(lab) === 'up up');
    const transfer = lab.tcp('uplink');
    const shareOfSlow = (): number => {
      const [fast, slow] = lab.mag.dataplane.session(SESSION).paths.map(({ weight }) => weight);
      return slow! / (fast! + slow!);
    };
    expect(shareOfSlow()).toBe(0.5);
    await until(() => shareOfSlow() < 0.3);
    expect(shareOfSlow(), JSON.stringify(measured(lab))).toBeLessThan(0.3);
    expect((await transfer).sha256Match).toBe(true);
    // By hand: from then on the measurements leave them alone.
    lab.mag.dataplane.setWeights(
      SESSION,
      new Map([
        [1, 1],
        [2, 1],
      ]),
    );
    expect(lab.mag.pathWatch!.isAdaptive(SESSION)).toBe(false);
  });
});

test('a path whose delay grows beyond the longest wait in mid-transfer: the far end waits for it', async () => {
  await withLab(['a,rate=40mbit,delay=5ms', 'b,rate=40mbit,delay=5ms'], 4, async (lab) => {
    await until(() => states(lab) === 'up up');
    const received = () => lab.lma.dataplane.session(SESSION);
    const transfer = lab.tcp('uplink');
    for (let delay = 5000; delay <= 140_000; delay += 3000) {
      lab.topology.wan.emulator!.change(lab.topology.wan.linkOf(1), 'uplink', { delay });
      await pause(50);
    }
    await until(() => received().wait.minUs > 110_000);
    expect((await transfer).sha256Match).toBe(true);
    // From here on every second packet comes later than `maxWait`, and none of them is given up.
    const before = received().resequencer;
    expect((await lab.tcp('uplink')).sha256Match).toBe(true);
    const after = received().resequencer;
    const reordered = after.reordered - before.reordered;
    // How many there are is TCP's business: it may leave slow start early, since the delay of its first packets steps (HyStart).
    expect(reordered).toBeGreaterThan(100);
    // But for what a busy machine itself holds up.
    expect(after.lostTimeout - before.lostTimeout).toBeLessThan(reordered / 4);
  });
});
