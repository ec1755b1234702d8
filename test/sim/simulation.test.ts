/** Whole runs on the real hot path: determinism, conservation, resequencing, failures. */
import { expect, it } from 'vitest';
import { SCHEDULERS } from '../../src/dataplane/distribution-spec.ts';
import type { SimResult } from '../../src/sim/result.ts';
import { simulate, testLink, testSpec } from './support.ts';

const CONSTANT = { model: 'constant', rate: 40e6, packet: 1400 } as const;
const LOSSY = { loss: { model: 'random', probability: 0.02 } } as const;

/** Nothing appears and nothing disappears. */
function expectConserved({ conservation }: SimResult, copies = false): void {
  const { sent, senderDrops, transmitted, lost, queueDrops, downDrops, receiverDrops, delivered, underway } =
    conservation;
  expect(underway).toBe(0);
  expect(delivered + lost + queueDrops + downDrops + receiverDrops).toBe(transmitted);
  if (copies) expect(transmitted + senderDrops).toBeGreaterThan(sent);
  else expect(transmitted + senderDrops).toBe(sent);
}

it('the same seed gives the same result to the bit, another seed another one', () => {
  const spec = testSpec(
    [testLink(30, 10, { ...LOSSY, jitter: 1e3 }), testLink(30, 20)],
    [
      { ...CONSTANT, model: 'poisson' },
      { model: 'tcp', congestion: 'cubic', octets: null },
    ],
  );
  const run = (seed: number): string => JSON.stringify(simulate(spec, { scheduler: 'random' }, seed));
  expect(run(3)).toBe(run(3));
  expect(run(3)).not.toBe(run(4));
});

it('seeds differ in where schedules stand and in how flows are hashed', () => {
  const links = [testLink(50, 5), testLink(50, 5), testLink(50, 5)];
  const one = testSpec(links, [{ model: 'recorded', times: [0], sizes: [100] }], { duration: 0.1e9 });
  const seeds = Array.from({ length: 30 }, (_, i) => i + 1);
  for (const scheduler of ['weighted', 'flow-hash'] as const) {
    const taken = seeds.map((seed) =>
      simulate(one, { scheduler }, seed).directions.downlink.paths.findIndex(({ packets }) => packets === 1),
    );
    for (const path of [0, 1, 2]) expect(taken.filter((other) => other === path).length).toBeGreaterThan(3);
  }
});

it.each(SCHEDULERS.filter((name) => name !== 'custom'))('%s: every packet is accounted for', (scheduler) => {
  const spec = testSpec(
    [testLink(30, 5, LOSSY), testLink(12, 25), testLink(20, 12, { limit: 6000 })],
    [
      { ...CONSTANT, direction: 'uplink' },
      { model: 'tcp', congestion: 'reno', octets: null, flows: 3 },
      { model: 'on-off', rate: 10e6, packet: 200, on: 50e6, off: 50e6 },
    ],
    {
      duration: 1e9,
      events: [
        { at: 0.2e9, bid: 2, change: 'down' },
        { at: 0.7e9, bid: 2, change: 'up' },
      ],
      detection: 0.1e9,
    },
  );
  expectConserved(simulate(spec, { scheduler }), scheduler === 'redundant');
});

it('2:1 by weight is exact, and paths of different delay come out in order', () => {
  const base = testSpec([testLink(50, 5), testLink(50, 30)], [CONSTANT]);
  const spec = { ...base, paths: base.paths.map((path, i) => ({ ...path, weight: 2 - i })) };
  const result = simulate(spec);
  const { paths, shareDeviation } = result.directions.downlink;
  expect(paths[0]!.packets / paths[1]!.packets).toBeCloseTo(2, 2);
  expect(shareDeviation).toBeLessThan(2);
  expect(result.reorderedBefore).toBeGreaterThan(0.2);
  expect(result.reorderedAfter).toBeLessThan(0.01);
  expect(result.lossRatio).toBe(0);
  expectConserved(result);
});

it('a dead path costs packets until it is detected, then none', () => {
  const spec = testSpec([testLink(60, 5), testLink(60, 5)], [CONSTANT], {
    duration: 3e9,
    events: [{ at: 1e9, bid: 1, change: 'down' }],
  });
  const result = simulate(spec);
  const packetsASecond = CONSTANT.rate / (CONSTANT.packet * 8);
  expect(result.conservation.downDrops / (packetsASecond * 0.5 * 0.5)).toBeCloseTo(1, 1);
  expect(result.directions.downlink.series.shares[0]!.at(-1)).toBe(0);
  expectConserved(result);
});

it('what finds no path is dropped by the sender, before any link', () => {
  const spec = testSpec([testLink(60, 5)], [CONSTANT], {
    events: [
      { at: 0.5e9, bid: 1, change: 'weight', weight: 0 },
      { at: 1.5e9, bid: 1, change: 'weight', weight: 1 },
    ],
  });
  const result = simulate(spec);
  const { directions, conservation } = result;
  expect(conservation.senderDrops / conservation.sent).toBeCloseTo(0.5, 2);
  expect(conservation.receiverDrops).toBe(0);
  expect(directions.downlink.drops).toEqual({ 'no-path': conservation.senderDrops });
  expect(directions.uplink.drops).toEqual({});
  expectConserved(result);
});

it('second copies are no goodput, no negative loss and no load, whether the far end tells them or not', () => {
  const spec = testSpec(
    [testLink(5, 5, { duplicate: 0.5 }), testLink(60, 5, { duplicate: 0.5 })],
    [CONSTANT],
  );
  const payload = (CONSTANT.rate * (CONSTANT.packet - 28)) / CONSTANT.packet;
  for (const scheduler of ['flow-hash', 'redundant'] as const) {
    const { goodput, lossRatio, reorderedAfter, directions, flows } = simulate(spec, { scheduler });
    expect(lossRatio, scheduler).toBe(0);
    expect(reorderedAfter, scheduler).toBe(0);
    expect(goodput / payload, scheduler).toBeCloseTo(1, 2);
    expect(flows[0]!.stream.delivered, scheduler).toBe(flows[0]!.stream.sent);
    expect(directions.downlink.delayAfter.count, scheduler).toBe(flows[0]!.stream.sent);
    for (const { utilisation } of directions.downlink.paths) expect(utilisation).toBeLessThanOrEqual(1);
  }
});

it('redundant copies hide the loss of one path', () => {
  const spec = testSpec([testLink(60, 5, LOSSY), testLink(60, 8)], [CONSTANT]);
  const result = simulate(spec, { scheduler: 'redundant' });
  expect(result.lossRatio).toBe(0);
  expect(result.conservation.lost).toBeGreaterThan(50);
});

it('recorded traffic keeps its times and sizes', () => {
  const spec = testSpec(
    [testLink(60, 5)],
    [{ model: 'recorded', times: [0, 5e6, 5e6, 700e6], sizes: [100, 1400, 28, 300] }],
  );
  const { flows } = simulate(spec);
  expect(flows[0]!.stream).toMatchObject({ sent: 4, received: 4 });
  expect((flows[0]!.goodput * 2) / 8).toBeCloseTo(100 + 1400 + 28 + 300 - 4 * 28);
});

it('what links could have carried counts by the rate that they had', () => {
  const change = { rate: 1e6 };
  const spec = testSpec([testLink(10, 10, { limit: 3000 })], [{ ...CONSTANT, rate: 20e6 }], {
    events: [
      { at: 0.5e9, bid: 1, change: 'link', uplink: change, downlink: change },
      // After the end, while the last packets are on their way.
      { at: 2.001e9, bid: 1, change: 'link', uplink: { rate: 100e6 }, downlink: { rate: 100e6 } },
    ],
  });
  const { efficiency, directions, goodput } = simulate(spec);
  expect(efficiency).toBe((goodput * 2) / (0.5 * 10e6 + 1.5 * 1e6));
  expect(directions.downlink.paths[0]!.utilisation).toBeGreaterThan(0.9);
  expect(directions.downlink.paths[0]!.utilisation).toBeLessThanOrEqual(1);
});

it('equalDelay: what comes over the short path takes as long as over the long one', () => {
  const spec = testSpec([testLink(50, 5), testLink(50, 30)], [CONSTANT]);
  const { delayAfter: before } = simulate(spec).directions.downlink;
  expect(before.min).toBeLessThan(6);
  const equal = { ...spec, equalDelay: ['downlink' as const] };
  const { downlink } = simulate(equal).directions;
  // Serialisation differs by a fraction of a millisecond.
  expect(downlink.delayAfter.min).toBeGreaterThan(29);
  expect(downlink.delayAfter.p99).toBeLessThan(32);
  expect(downlink.paths[1]!.share).toBeCloseTo(0.5, 2);
  // EDPF knows it: a queue of any length on the short path is reason enough to take the long one.
  const share = (of: typeof spec): number => {
    const traffic = of.traffic.map((source) => ({
      ...source,
      model: 'poisson' as const,
      rate: 40e6,
      packet: 1400,
    }));
    return simulate({ ...of, traffic }, { scheduler: 'edpf' }).directions.downlink.paths[1]!.share;
  };
  expect(share(spec)).toBe(0);
  expect(share(equal)).toBeGreaterThan(0.2);
});

it('equalDelay does not hold for a path that is longer by more than maxWait, nor for one that is down', () => {
  const far = testSpec([testLink(50, 5), testLink(50, 130)], [CONSTANT]);
  const { delayAfter } = simulate({ ...far, equalDelay: ['downlink'] }).directions.downlink;
  expect(delayAfter.min).toBeLessThan(6);
  const dying = testSpec([testLink(50, 5), testLink(50, 30)], [CONSTANT], {
    duration: 4e9,
    equalDelay: ['downlink'],
    events: [{ at: 1e9, bid: 2, change: 'down' }],
  });
  expect(simulate(dying).directions.downlink.delayAfter.p50).toBeLessThan(6);
});

it('late packets that the resequencer drops are lost to the application', () => {
  const spec = testSpec([testLink(30, 1), testLink(30, 200)], [CONSTANT], {
    resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 10_000, late: 'drop', provenLoss: true },
  });
  const { lossRatio, flows, conservation, directions, reorderedAfter } = simulate(spec);
  const { sent, received, delivered } = flows[0]!.stream;
  expect(received).toBe(sent);
  expect(delivered).toBe(sent - directions.downlink.drops['late']!);
  expect(delivered).toBe(conservation.delivered);
  expect(lossRatio).toBe((sent - delivered) / sent);
  expect(lossRatio).toBeGreaterThan(0.4);
  expect(reorderedAfter).toBe(0);
});

it('shares are compared with the weights of the moment', () => {
  const spec = testSpec([testLink(50, 5), testLink(50, 5)], [CONSTANT], {
    events: [{ at: 1e9, bid: 1, change: 'weight', weight: 3 }],
  });
  const { shareDeviation, paths } = simulate(spec).directions.downlink;
  expect(shareDeviation).toBeLessThan(3);
  for (const { share, weightShare } of paths) expect(weightShare).toBeCloseTo(share, 3);
  expect(paths[0]!.weightShare).toBeCloseTo((1 / 2 + 3 / 4) / 2, 2);
});

it('a path that comes back is eased in', () => {
  const spec = testSpec([testLink(60, 5), testLink(60, 5)], [CONSTANT], {
    duration: 10e9,
    events: [
      { at: 1e9, bid: 1, change: 'down' },
      { at: 3e9, bid: 1, change: 'up' },
    ],
  });
  const { shares } = simulate(spec).directions.downlink.series;
  // Known to be back at 3.5 s, then 1/16 of its weight, twice as much every 750 ms.
  const shareAt = (second: number): number => shares[0]![Math.floor(second * 10)]!;
  expect([3.3, 3.8, 4.6, 5.3, 6.1, 7].map(shareAt)).toEqual(
    [0, 1 / 17, 1 / 9, 1 / 5, 1 / 3, 1 / 2].map((share) => expect.closeTo(share, 1)),
  );
});

it('has buffers for whatever the window holds, though it makes them by and by', () => {
  const spec = testSpec([testLink(400, 1), testLink(400, 99)], [{ ...CONSTANT, rate: 700e6 }], {
    duration: 0.5e9,
  });
  const result = simulate(spec);
  expect(Math.max(...result.directions.downlink.series.held)).toBeGreaterThan(2000);
  expect(result.conservation.delivered).toBe(result.conservation.sent);
});
