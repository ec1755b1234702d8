/** Sessions that rest: probed less often while nothing gets lost, awake at once when data flow, and no path is judged by its rest. */
import { expect, test } from 'vitest';
import { TwoEnds } from '../support/two-ends.ts';

const SIDES = [0, 1] as const;

/** Probes that end 0 sends on its first path within `us`. */
function probesWithin(two: TwoEnds, us: number, each?: () => void): number {
  const before = two.paths(0)[0]!.probesSent;
  two.run(us, each);
  return two.paths(0)[0]!.probesSent - before;
}

function rested(config = {}): TwoEnds {
  const two = new TwoEnds([1, 2], config);
  two.run(10e6);
  expect(two.paths(0).map(({ state }) => state)).toEqual(['up', 'up']);
  return two;
}

/** Microseconds after `since` at which end `side` took path 2 down. */
function downAfter(two: TwoEnds, side: 0 | 1, since: number): number {
  return two.ends[side].log.find(({ bid, to }) => bid === 2 && to === 'down')!.at - since;
}

test('idle and healthy: every 250 ms; with data in either direction: every 100 ms', () => {
  const two = new TwoEnds([1, 2]);
  expect(probesWithin(two, 3e6)).toBeGreaterThanOrEqual(29);
  two.run(5e6);
  expect(probesWithin(two, 6e6)).toBeLessThanOrEqual(26);
  for (const side of SIDES) {
    const sent = probesWithin(two, 2e6, () => two.data(side, 2, 1000));
    expect(sent).toBeGreaterThanOrEqual(18);
    two.run(7e6);
    expect(probesWithin(two, 3e6)).toBeLessThanOrEqual(14);
  }
  expect(two.ends.flatMap(({ log }) => log.filter(({ to }) => to !== 'up'))).toEqual([]);
});

test('at rest the follower probes when it is asked, and neither end more often than configured', () => {
  const two = new TwoEnds([1, 2]);
  // Out of step: the follower's turn comes half an interval later.
  two.ends[1].monitor.setPaths([], two.ends[1].clockUs);
  two.run(125_000);
  const paths = [1, 2].map((bid) => ({ session: 'mn1', bid }));
  two.ends[1].monitor.setPaths(paths, two.now + two.ends[1].clockUs);
  two.run(10e6);
  const sentBy = (side: 0 | 1): number => two.paths(side)[0]!.probesSent;
  const before = SIDES.map(sentBy);
  // One way takes 10 ms: the follower asks so long after it was asked.
  const times: { at: number; side: 0 | 1 }[] = [];
  let seen = before;
  two.run(3e6, () => {
    const now = SIDES.map(sentBy);
    for (const side of SIDES) if (now[side] !== seen[side]) times.push({ at: two.now, side });
    seen = now;
  });
  for (const side of SIDES) expect(seen[side]! - before[side]!).toBeLessThanOrEqual(13);
  const own = times.filter(({ side }) => side === 0);
  const followed = times.filter(({ side }) => side === 1);
  expect(followed.length).toBeGreaterThanOrEqual(11);
  for (const { at } of followed) {
    expect(own.some((one) => at - one.at >= 9000 && at - one.at <= 12_000)).toBe(true);
  }
});

test('an idle interval that is not longer changes nothing', () => {
  expect(probesWithin(rested({ idleIntervalUs: 50_000 }), 3e6)).toBeGreaterThanOrEqual(29);
});

test('a session with a path that is not up does not rest', () => {
  const two = rested();
  two.both(2, { alive: false });
  two.run(2e6);
  expect(two.paths(0).map(({ state }) => state)).toEqual(['up', 'down']);
  expect(probesWithin(two, 3e6)).toBeGreaterThanOrEqual(29);
});

test('a path that dies at rest is down after three of the longer intervals', () => {
  const two = rested();
  two.both(2, { alive: false });
  const died = two.now;
  two.run(3e6);
  for (const side of SIDES) {
    expect(downAfter(two, side, died)).toBeGreaterThan(450_000);
    expect(downAfter(two, side, died)).toBeLessThan(1_100_000);
  }
});

test('data that begin on a path that has died at rest: down after the shorter intervals, from the next probe on', () => {
  for (let phase = 0; phase < 600_000; phase += 50_000) {
    const two = rested();
    two.both(2, { alive: false });
    two.run(phase);
    const began = two.now;
    two.run(2e6, () => {
      for (const bid of [1, 2]) two.data(0, bid, 1000);
    });
    expect(downAfter(two, 0, began)).toBeLessThan(700_000);
    expect(two.paths(0)[0]!.state).toBe('up');
  }
});
