/** What two monitors find out about modelled links between them, under virtual time. */
import { describe, expect, test } from 'vitest';
import { HEALTH_DEFAULTS, type HealthConfig } from '../../src/paths/path-health.ts';
import { PathMonitor } from '../../src/paths/path-monitor.ts';
import { TwoEnds } from '../support/two-ends.ts';

describe('measuring', () => {
  test('round trip, and how far a path is behind, although the clocks of the ends differ', () => {
    const two = new TwoEnds([1, 2]);
    two.both(1, { delayUs: 10_000 });
    two.links[0].get(2)!.delayUs = 40_000;
    two.links[1].get(2)!.delayUs = 20_000;
    two.run(3e6);
    const [first, second] = two.paths(0);
    expect(first!.rttUs).toBeCloseTo(20_020, -2);
    expect(second!.rttUs).toBeCloseTo(60_020, -2);
    expect(first!.delayBehindUs).toBe(0);
    expect(second!.delayBehindUs).toBeCloseTo(30_000, -2);
    expect(two.paths(1)[1]!.delayBehindUs).toBeCloseTo(10_000, -2);
    expect(second!.probesAnswered).toBeGreaterThanOrEqual(second!.probesSent - 2);
  });

  test('loss of each direction from the data, not from the probes', () => {
    const two = new TwoEnds([1]);
    two.links[0].get(1)!.loss = 0.02;
    two.run(10e6, () => {
      two.data(0, 1, 1000);
      two.data(1, 1, 1000);
    });
    const [path] = two.paths(0);
    expect(path!.sending.loss).toBeGreaterThan(0.008);
    expect(path!.sending.loss).toBeLessThan(0.035);
    expect(path!.receiving.loss).toBeLessThan(0.005);
    expect(two.paths(1)[0]!.receiving.loss).toBeGreaterThan(0.008);
  });

  test('rate of the data that arrive; capacity once there is a queue', () => {
    const two = new TwoEnds([1]);
    two.both(1, { rate: 2e7 });
    two.run(3e6, () => two.data(0, 1, 1250));
    let [path] = two.paths(0);
    expect(path!.sending.rate / 1e7).toBeCloseTo(1, 1);
    expect(path!.sending).toMatchObject({ capacity: null, full: false, busy: true });
    two.run(3e6, () => {
      for (let i = 0; i < 3; i++) two.data(0, 1, 1250);
    });
    [path] = two.paths(0);
    expect(path!.sending.full).toBe(true);
    expect(path!.sending.capacity! / 2e7).toBeCloseTo(1, 1);
    expect(path!.receiving.full).toBe(false);
  });

  test('capacity is that of the path although the load comes in bursts and rests, and follows the path down and up', () => {
    const two = new TwoEnds([1]);
    two.both(1, { rate: 2e7, queueOctets: 300_000 });
    let ms = 0;
    // 300 ms of twice the rate, then 300 ms of next to nothing: half of the time there is no queue.
    const bursts = (): void => {
      const count = ms++ % 600 < 300 ? 4 : ms % 10 === 0 ? 1 : 0;
      for (let i = 0; i < count; i++) two.data(0, 1, 1250);
    };
    const capacity = (): number => two.paths(0)[0]!.sending.capacity! / 1e7;
    two.run(6e6, bursts);
    expect(capacity()).toBeCloseTo(2, 1);
    two.both(1, { rate: 1e7 });
    two.run(6e6, bursts);
    expect(capacity()).toBeCloseTo(1, 1);
    two.both(1, { rate: 3e7 });
    two.run(6e6, bursts);
    expect(capacity()).toBeGreaterThan(2.5);
    expect(capacity()).toBeLessThan(3.1);
  });

  test.each([
    ['that carries less than it could', 1, 2],
    ['in both directions', 2, 2],
    ['whose load changes little', 1, 3],
  ])('a path %s becomes 50 ms longer: that is no queue, and what it carries stays known', (_, ways, most) => {
    const two = new TwoEnds([1]);
    two.both(1, { rate: 4e7, queueOctets: 200_000 });
    let ms = 0;
    const offer = (least: number, most: number) => (): void => {
      // Seconds of different load.
      const packets = Math.floor(ms++ / 1000) % 2 ? most : least;
      for (let i = 0; i < packets; i++) two.data(0, 1, 1250);
    };
    two.run(5e6, offer(5, 5));
    expect(two.paths(0)[0]!.sending.capacity! / 4e7).toBeCloseTo(1, 1);
    two.run(2e6, offer(1, most));
    for (const links of two.links.slice(0, ways)) links.get(1)!.delayUs = 60_000;
    two.run(6e6, offer(1, most));
    const [path] = two.paths(0);
    expect(path!.sending.full).toBe(false);
    expect(path!.sending.capacity! / 4e7).toBeCloseTo(1, 1);
    expect(path!.sending.queueUs).toBeLessThan(3000);
    expect(path!.minRttUs! / 1000).toBeCloseTo(20 + ways * 50, 0);
    // A queue on it is one.
    two.run(4e6, offer(5, 5));
    expect(two.paths(0)[0]!.sending.full).toBe(true);
    expect(two.paths(0)[0]!.sending.capacity! / 4e7).toBeCloseTo(1, 1);
  });

  test('delays that come and go are no queue as long as they are shorter than the gaps between three packets', () => {
    const two = new TwoEnds([1]);
    two.run(3e6);
    let ms = 0;
    two.run(10e6, () => {
      if (ms++ % 8 === 0) two.data(0, 1, 1250);
      // Whoever forwards is late for most of the time.
      two.both(1, { delayUs: ms % 700 < 600 ? 25_000 : 10_000 });
    });
    expect(two.paths(0)[0]!.sending).toMatchObject({ capacity: null, full: false, busy: true });
  });

  test('threads that send late are no queues', () => {
    const two = new TwoEnds([1]);
    two.both(1, { rate: 4e7 });
    two.run(3e6);
    for (const end of two.ends) end.lateUs = 40_000;
    two.run(10e6, () => two.data(0, 1, 1250));
    const [path] = two.paths(0);
    expect(path!.sending).toMatchObject({ capacity: null, full: false });
    expect(path!.sending.queueUs).toBeLessThan(1000);
    expect(path!.receiving.queueUs).toBeLessThan(1000);
    expect(path!.rttUs! / 1000).toBeCloseTo(20, 0);
    expect(two.ends[0].monitor.malformed).toBe(0);
  });

  test('a path that becomes longer while nothing flows is known to be so', () => {
    const two = new TwoEnds([1, 2]);
    two.run(3e6);
    two.both(2, { delayUs: 60_000 });
    two.run(4e6);
    expect(two.paths(0)[1]!.delayBehindUs! / 1000).toBeCloseTo(50, 0);
    expect(two.paths(0)[1]!.minRttUs! / 1000).toBeCloseTo(120, 0);
  });

  test('a queue that stands as long as it can for half a minute is one', () => {
    const two = new TwoEnds([1]);
    two.both(1, { rate: 2e7, queueOctets: 100_000 });
    two.run(3e6);
    two.run(25e6, () => {
      for (let i = 0; i < 3; i++) two.data(0, 1, 1250);
    });
    expect(two.paths(0)[0]!.sending.full).toBe(true);
    expect(two.paths(0)[0]!.sending.queueUs / 1000).toBeCloseTo(40, -1);
    expect(two.paths(0)[0]!.sending.capacity! / 2e7).toBeCloseTo(1, 1);
  });

  test('a path that was down comes back longer', () => {
    const two = new TwoEnds([1, 2]);
    two.run(3e6);
    two.both(2, { alive: false });
    two.run(2e6);
    two.both(2, { alive: true, delayUs: 60_000 });
    two.run(1.5e6);
    expect(two.paths(0)[1]).toMatchObject({ state: 'up' });
    expect(two.paths(0)[1]!.delayBehindUs! / 1000).toBeCloseTo(50, 0);
  });

  test('the queue that a probe has found is told, for the models of the schedulers', () => {
    const two = new TwoEnds([1]);
    two.both(1, { rate: 1e7, queueOctets: 1e6 });
    two.run(2e6);
    expect(two.ends[0].queues.get(1)).toBeLessThan(100);
    // 40 ms of the rate.
    for (let i = 0; i < 40; i++) two.data(0, 1, 1250);
    two.ends[0].monitor.probeNow({ session: 'mn1', bid: 1 }, two.now + two.ends[0].clockUs);
    two.run(90_000);
    expect(two.ends[0].queues.get(1)! / 40_000).toBeCloseTo(1, 0);
  });
});

describe('sizes', () => {
  const load = (two: TwoEnds) => (): void => two.data(0, 1, 500);

  test.each([0, 0.02])('what gets through a black hole is found, with %d of all lost by chance', (loss) => {
    const two = new TwoEnds([1, 2]);
    two.both(1, { loss });
    two.run(10e6, load(two));
    expect(two.ends[0].mtus).toEqual([]);
    two.both(1, { mtu: 1400 });
    two.run(30e6, load(two));
    const found = two.ends[0].mtus.at(-1)!;
    expect(found).toBeLessThanOrEqual(1400);
    expect(found).toBeGreaterThan(1380);
    // Who sends nothing does not ask, and answers are no data.
    expect(two.ends[1].mtus).toEqual([]);
    expect(two.ends[0].monitor.malformed).toBe(0);
    expect(two.paths(0).map(({ state }) => state)).toEqual(['up', 'up']);
  });

  test('neither a path that dies nor one that loses much has a black hole', () => {
    const two = new TwoEnds([1]);
    two.run(10e6, load(two));
    two.both(1, { alive: false });
    two.run(20e6, load(two));
    two.both(1, { alive: true, loss: 0.3 });
    two.run(20e6, load(two));
    expect(two.ends[0].mtus).toEqual([]);
  });
});

describe('states', () => {
  test('a path that goes silent under load is down within three intervals and a little; the other stays up', () => {
    const two = new TwoEnds([1, 2]);
    const load = (): void => {
      for (const bid of [1, 2]) two.data(0, bid, 1000);
    };
    two.run(5e6, load);
    expect(two.paths(0).map(({ state }) => state)).toEqual(['up', 'up']);
    two.both(2, { alive: false });
    const died = two.now;
    two.run(2e6, load);
    const down = two.ends[0].log.filter(({ to }) => to === 'down');
    expect(down.map(({ bid }) => bid)).toEqual([2]);
    expect(down[0]!.at - died).toBeLessThan(400_000);
    two.both(2, { alive: true });
    two.run(3e6, load);
    expect(two.paths(0).map(({ state }) => state)).toEqual(['up', 'up']);
  });

  test('what goes into a dying path is bounded by the time that takes, and counted', () => {
    const two = new TwoEnds([1, 2]);
    const load = (): void => {
      for (const bid of [1, 2]) two.data(0, bid, 1000);
    };
    two.run(5e6, load);
    two.both(2, { alive: false });
    const before = two.ends[0].counts.get(2)!.txPackets;
    // Nothing more is given to it once it is down.
    const isDown = (): boolean => two.paths(0)[1]!.state === 'down';
    two.run(2e6, () => {
      two.data(0, 1, 1000);
      if (!isDown()) two.data(0, 2, 1000);
    });
    const sent = two.ends[0].counts.get(2)!.txPackets;
    const { monitor } = two.ends[0];
    const unconfirmed = monitor.leaveOut({ session: 'mn1', bid: 2 }, sent);
    // All that were lost, and what had gone unconfirmed before: a probe interval and a round trip at 1000 packets a second.
    expect(unconfirmed).toBeGreaterThanOrEqual(sent - before);
    expect(unconfirmed).toBeLessThan(sent - before + 150);
    expect(unconfirmed).toBeLessThan(550);
    expect(two.paths(0)[1]).toMatchObject({ unconfirmedPackets: unconfirmed, stateChanges: 2 });
    expect(two.paths(0)[0]).toMatchObject({ unconfirmedPackets: 0, stateChanges: 1 });
  });

  test('one direction dead is noticed by the end that sends into it', () => {
    const two = new TwoEnds([1]);
    two.run(2e6);
    two.links[0].get(1)!.alive = false;
    two.run(5e6);
    expect(two.paths(0)[0]!.state).toBe('down');
  });

  test.each([1, 2, 3, 4, 5])('seed %i: 60 s of steady load, 1 percent loss, no change of state', (seed) => {
    const two = new TwoEnds([1, 2], {}, seed);
    two.both(1, { loss: 0.01 });
    two.both(2, { loss: 0.01, delayUs: 40_000 });
    two.run(60e6, () => {
      for (const bid of [1, 2]) two.data(0, bid, 500);
    });
    for (const { log } of two.ends) {
      expect(log.filter(({ from }) => from !== 'unmeasured')).toEqual([]);
    }
  });

  test('much loss degrades a path, and its end brings it back', () => {
    const two = new TwoEnds([1, 2]);
    const load = (): void => two.data(0, 2, 500);
    two.run(2e6, load);
    two.both(2, { loss: 0.1 });
    two.run(5e6, load);
    expect(two.paths(0)[1]).toMatchObject({ state: 'degraded', reason: expect.stringContaining('loses') });
    two.both(2, { loss: 0 });
    two.run(8e6, load);
    expect(two.paths(0)[1]!.state).toBe('up');
  });

  test('a path too far behind is degraded', () => {
    const two = new TwoEnds([1, 2]);
    two.both(2, { delayUs: 300_000 });
    two.run(3e6);
    expect(two.paths(0)[1]!.state).toBe('degraded');
    expect(two.paths(0)[0]!.state).toBe('up');
  });

  test('a far end that never answers leaves the path unmeasured, and is asked less often', () => {
    const two = new TwoEnds([1]);
    two.both(1, { alive: false });
    two.run(60e6);
    expect(two.paths(0)[0]).toMatchObject({ state: 'unmeasured', rttUs: null, probesAnswered: 0 });
    expect(two.paths(0)[0]!.probesSent).toBeLessThan(130);
  });

  test('an interface that goes down takes its path at once', () => {
    const two = new TwoEnds([1]);
    two.run(1e6);
    const path = { session: 'mn1', bid: 1 };
    const { monitor } = two.ends[0];
    expect(monitor.setLink(path, false)).toMatchObject([{ effect: 'state', from: 'up', to: 'down' }]);
    two.run(2e6);
    expect(two.paths(0)[0]!.state).toBe('down');
    monitor.setLink(path, true);
    two.run(2e6);
    expect(two.paths(0)[0]!.state).toBe('up');
  });
});

test('what is no probe, or answers nothing that was asked, is counted and changes nothing', () => {
  const monitor = new PathMonitor();
  const path = { session: 'mn1', bid: 1 };
  monitor.setPaths([path], 0);
  const counts = { txPackets: 0, txOctets: 0, rxPackets: 0, rxOctets: 0 };
  const hostile = { ...path, arrivalUs: 5, packets: 0, octets: 0 };
  expect(monitor.receive({ ...hostile, message: new Uint8Array(64) }, 5, () => counts)).toEqual([]);
  const message = new Uint8Array(64);
  message.set([1, 1, 1]);
  expect(monitor.receive({ ...hostile, message }, 5, () => counts)).toEqual([]);
  expect(monitor.malformed).toBe(2);
  expect(monitor.session('mn1')[0]!.state).toBe('unmeasured');
});

test('a thousand paths are not probed at once, nor more than 2000 times a second in all', () => {
  const monitor = new PathMonitor();
  const paths = Array.from({ length: 1000 }, (_, i) => ({ session: `mn${i >> 1}`, bid: 1 + (i & 1) }));
  monitor.setPaths(paths, 0);
  const counts = { txPackets: 0, txOctets: 0, rxPackets: 0, rxOctets: 0 };
  const sent = Array.from(
    { length: 200 },
    (_, i) => monitor.tick(i * 10_000, () => counts).filter(({ effect }) => effect === 'send').length,
  );
  expect(Math.max(...sent)).toBeLessThan(60);
  expect(sent.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(4100);
});

test('paths of a session are probed at once, up to sixteen; a path that joins keeps step; in between nothing is wanted', () => {
  const monitor = new PathMonitor();
  const counts = { txPackets: 0, txOctets: 0, rxPackets: 0, rxOctets: 0 };
  const paths = (count: number) => Array.from({ length: count }, (_, i) => ({ session: 'mn1', bid: i + 1 }));
  /** When probes were sent, and on how many paths; ticks come when they are wanted. */
  const sentUntil = (until: number): [number, number][] => {
    const sent: [number, number][] = [];
    while (monitor.nextTickUs < until) {
      const at = monitor.nextTickUs;
      const probes = monitor.tick(at, () => counts).filter(({ effect }) => effect === 'send');
      if (probes.length) sent.push([at, probes.length]);
    }
    return sent;
  };
  monitor.setPaths(paths(8), 0);
  expect(sentUntil(250_000)).toEqual([0, 100_000, 200_000].map((at) => [at, 8]));
  monitor.setPaths(paths(9), 250_000);
  expect(sentUntil(470_000)).toEqual([300_000, 400_000].map((at) => [at, 9]));
  monitor.setPaths(paths(20), 470_000);
  const more = sentUntil(670_000);
  expect(more.map(([, count]) => count)).toEqual([16, 4, 16, 4]);
});

describe('each session as it says', () => {
  const counts = { txPackets: 0, txOctets: 0, rxPackets: 0, rxOctets: 0 };
  const slow = { session: 'mn1', bid: 1 };
  const quick = { session: 'mn2', bid: 1, config: { ...HEALTH_DEFAULTS, intervalUs: 20_000 } };

  /** Probes sent by session within a second, ticks every 5 ms; at least 50 have been sent to each before it is asked rarely. */
  function sentWithin(monitor: PathMonitor, fromUs: number): Record<string, number> {
    const sent: Record<string, number> = { mn1: 0, mn2: 0 };
    for (let at = fromUs; at < fromUs + 1e6; at += 5000) {
      for (const effect of monitor.tick(at, () => counts)) {
        if (effect.effect === 'send') sent[effect.session]!++;
      }
    }
    return sent;
  }

  test('an interval of its own, which may change while it runs', () => {
    const monitor = new PathMonitor();
    monitor.setPaths([slow, quick], 0);
    const first = sentWithin(monitor, 0);
    expect(first['mn1']).toBeGreaterThanOrEqual(9);
    expect(first['mn1']).toBeLessThanOrEqual(11);
    expect(first['mn2']).toBeGreaterThanOrEqual(45);
    expect(first['mn2']).toBeLessThanOrEqual(51);
    monitor.setPaths(
      [
        { ...slow, config: quick.config },
        { ...quick, config: HEALTH_DEFAULTS },
      ],
      1e6,
    );
    const then = sentWithin(monitor, 1e6);
    expect(then['mn1']).toBeGreaterThanOrEqual(38);
    expect(then['mn2']).toBeLessThanOrEqual(11);
  });

  test('many quick ones are stretched like all others', () => {
    const monitor = new PathMonitor();
    const config = { ...HEALTH_DEFAULTS, intervalUs: 10_000 };
    monitor.setPaths(
      Array.from({ length: 100 }, (_, i) => ({ session: i < 50 ? 'mn1' : 'mn2', bid: i + 1, config })),
      0,
    );
    const sent = sentWithin(monitor, 0);
    expect(sent['mn1']! + sent['mn2']!).toBeLessThanOrEqual(2100);
    expect(sent['mn1']! + sent['mn2']!).toBeGreaterThan(1500);
  });

  test('a path that is watched with more patience from now on stays up for longer', () => {
    const patient = { ...HEALTH_DEFAULTS, silent: 15 };
    const silenceOf = (config: HealthConfig | null): number => {
      const two = new TwoEnds([1, 2]);
      two.run(3e6);
      if (config) {
        const paths = [1, 2].map((bid) => ({ session: 'mn1', bid, config }));
        two.ends[0].monitor.setPaths(paths, two.now + 5e9);
      }
      expect(two.paths(0).map(({ state }) => state)).toEqual(['up', 'up']);
      two.both(2, { alive: false });
      const died = two.now;
      two.run(4e6);
      return two.ends[0].log.find(({ to }) => to === 'down')!.at - died;
    };
    expect(silenceOf(null)).toBeLessThan(450_000);
    expect(silenceOf(patient)).toBeGreaterThan(1_300_000);
    expect(silenceOf(patient)).toBeLessThan(1_700_000);
  });
});

test('the far end numbers its packets anew: told once, with the number that it has come to', () => {
  const [here, there] = [new PathMonitor(), new PathMonitor()];
  const counts = { txPackets: 0, txOctets: 0, rxPackets: 0, rxOctets: 0 };
  const path = { session: 'mn1', bid: 1 };
  for (const monitor of [here, there]) monitor.setPaths([path], 0);
  let now = 0;
  const heard = (sinceUs: number, next: number, own = 1): unknown[] => {
    now += 1e6;
    return there
      .tick(
        now,
        () => counts,
        () => ({ sinceUs, next }),
      )
      .flatMap((effect) => (effect.effect === 'send' ? [effect.message] : []))
      .flatMap((message) =>
        here.receive(
          { ...path, message, arrivalUs: now, packets: 0, octets: 0 },
          now,
          () => counts,
          () => ({ sinceUs: own, next: 0 }),
        ),
      )
      .filter(({ effect }) => effect === 'renumbered');
  };
  expect(heard(5, 100)).toEqual([]);
  expect(heard(5, 3000)).toEqual([]);
  expect(heard(77, 2)).toEqual([{ ...path, effect: 'renumbered', next: 2 }]);
  expect(heard(77, 9)).toEqual([]);
  // Both have begun anew.
  expect(heard(78, 0, 2)).toEqual([]);
  expect(heard(79, 0, 2)).toHaveLength(1);
});
