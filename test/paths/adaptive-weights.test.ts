/** Weights that follow what paths carry, and the guard, under virtual time on modelled links. */
import { describe, expect, test } from 'vitest';
import { AdaptiveWeights } from '../../src/paths/adaptive-weights.ts';
import { Guard } from '../../src/paths/guard.ts';
import type { MonitoredPath } from '../../src/paths/path-monitor.ts';
import { TwoEnds } from '../support/two-ends.ts';

const POLICY_US = 600_000;

/** Offers `packets` of 1250 octets a millisecond (10 Mbit/s each) by the weights that come out, for `seconds`. */
function adapt(
  two: TwoEnds,
  weights: Map<number, number>,
  packets: number,
  seconds: number,
): { shares: Map<number, number>; changes: number } {
  const adaptive = new AdaptiveWeights(weights);
  const credit = new Map<number, number>();
  let current: ReadonlyMap<number, number> = weights;
  let changes = 0;
  let next = two.now;
  two.run(seconds * 1e6, () => {
    const sum = [...current.values()].reduce((total, weight) => total + weight, 0);
    for (let i = 0; i < packets; i++) {
      for (const [bid, weight] of current) {
        credit.set(bid, (credit.get(bid) ?? 0) + weight / sum);
      }
      const [bid] = [...credit].reduce((best, entry) => (entry[1] > best[1] ? entry : best));
      credit.set(bid, credit.get(bid)! - 1);
      two.data(0, bid, 1250);
    }
    if (two.now < next) return;
    next = two.now + POLICY_US;
    const changed = adaptive.update(two.paths(0));
    if (changed) {
      current = changed;
      changes++;
    }
  });
  const sum = [...current.values()].reduce((total, weight) => total + weight, 0);
  return { shares: new Map([...current].map(([bid, weight]) => [bid, weight / sum])), changes };
}

describe('adaptive weights', () => {
  test.each([
    [1, 20, 10, 2 / 3],
    [1, 50, 10, 5 / 6],
    [5, 20, 10, 2 / 3],
  ])(
    'weights %i:1 on %i and %i Mbit/s, overloaded: the shares become those of the rates',
    (weight, fast, slow, share) => {
      const two = new TwoEnds([1, 2]);
      two.both(1, { rate: fast * 1e6 });
      two.both(2, { rate: slow * 1e6 });
      two.run(1e6);
      const { shares } = adapt(
        two,
        new Map([
          [1, weight],
          [2, 1],
        ]),
        Math.ceil(((fast + slow) * 1.3) / 10),
        12,
      );
      expect(shares.get(1)!).toBeGreaterThan(share - 0.06);
      expect(shares.get(1)!).toBeLessThan(share + 0.06);
    },
  );

  test('shares that are right already stay, however long and hard the load', () => {
    const two = new TwoEnds([1, 2]);
    two.both(1, { rate: 20e6 });
    two.both(2, { rate: 10e6 });
    two.run(1e6);
    const right = new Map([
      [1, 2],
      [2, 1],
    ]);
    expect(adapt(two, right, 4, 20).changes).toBe(0);
    expect(adapt(two, right, 3, 20).changes).toBeLessThanOrEqual(2);
  });

  test('nothing is full: nothing changes', () => {
    const two = new TwoEnds([1, 2]);
    two.run(1e6);
    expect(
      adapt(
        two,
        new Map([
          [1, 3],
          [2, 2],
        ]),
        2,
        10,
      ).changes,
    ).toBe(0);
  });

  test('a path that is down gets nothing, and is eased in when it is back', () => {
    const two = new TwoEnds([1, 2]);
    two.run(1e6);
    two.both(2, { alive: false });
    two.run(1e6);
    const adaptive = new AdaptiveWeights(
      new Map([
        [1, 1],
        [2, 1],
      ]),
    );
    expect(adaptive.update(two.paths(0))).toEqual(
      new Map([
        [1, 1],
        [2, 0],
      ]),
    );
    two.both(2, { alive: true });
    two.run(2e6);
    const back = adaptive.update(two.paths(0))!;
    expect(back.get(2)).toBeGreaterThan(0);
  });
});

function path(bid: number, rate: number, capacity: number | null, full = true): MonitoredPath {
  const direction = { rawDelayUs: 0, queueUs: 0, jitterUs: 0, loss: 0, rate, capacity, full, busy: true };
  return {
    session: 'mn1',
    bid,
    state: 'up',
    reason: '',
    rttUs: 1,
    minRttUs: 1,
    probesSent: 0,
    probesAnswered: 0,
    confirmedPackets: 0,
    unconfirmedPackets: 0,
    stateChanges: 0,
    delayBehindUs: 0,
    sending: direction,
    receiving: direction,
  };
}

describe('guard', () => {
  const worse = [path(1, 20e6, 100e6), path(2, 2e6, 2e6)];
  const better = [path(1, 90e6, 100e6), path(2, 30e6, 30e6)];

  test('all together below the best one for three seconds: that one alone, and another try later', () => {
    const guard = new Guard();
    const modes: string[] = [];
    for (let s = 0; s <= 40; s++) modes.push(guard.update(worse, s * 1e6).mode);
    expect(modes.indexOf('single')).toBe(3);
    expect(modes.lastIndexOf('single') - modes.indexOf('single')).toBeGreaterThan(28);
    expect(modes.slice(33, 36)).toContain('spread');
  });

  test('the time until the next try doubles while it fails; a long time of success makes up for it', () => {
    const guard = new Guard();
    /** When single paths began, and how long each was kept, in seconds. */
    const singles: [start: number, length: number][] = [];
    const follow = (paths: typeof worse, from: number, to: number): void => {
      for (let s = from; s <= to; s++) {
        if (guard.update(paths, s * 1e6).mode === 'spread') continue;
        const last = singles.at(-1);
        if (last && last[0] + last[1] === s) last[1]++;
        else singles.push([s, 1]);
      }
    };
    follow(worse, 0, 250);
    const lengths = singles.splice(0).map(([, length]) => length);
    expect(lengths.slice(0, 3)).toEqual([30, 60, 120]);
    follow(better, 251, 2000);
    singles.splice(0);
    follow(worse, 2001, 2035);
    expect(singles).toEqual([[2004, 30]]);
  });

  test('more than the best alone, or little to send: over all of them', () => {
    const guard = new Guard();
    for (let s = 0; s <= 20; s++) expect(guard.update(better, s * 1e6).mode).toBe('spread');
    const idle = [path(1, 1e6, 100e6, false), path(2, 1e6, null, false)];
    for (let s = 0; s <= 20; s++) expect(guard.update(idle, s * 1e6).mode).toBe('spread');
  });

  test('the one it fell back to goes down: over the others at once', () => {
    const guard = new Guard();
    for (let s = 0; s <= 5; s++) guard.update(worse, s * 1e6);
    expect(guard.update(worse, 6e6)).toEqual({ mode: 'single', bid: 1 });
    const dead = [{ ...worse[0]!, state: 'down' as const }, worse[1]!];
    expect(guard.update(dead, 7e6).mode).toBe('spread');
  });
});
