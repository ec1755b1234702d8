/** How long what comes over each path is held so that all seem equally long. */
import { expect, test } from 'vitest';
import { equalDelayBehind, holdTimes } from '../../src/paths/equal-delay.ts';
import { TwoEnds } from '../support/two-ends.ts';

const holds = (two: TwoEnds, boundUs = 100_000): Record<number, number> =>
  Object.fromEntries(holdTimes(two.paths(1), boundUs));

test('the difference to the longest path of the receiving direction, although the clocks of the ends differ', () => {
  const two = new TwoEnds([1, 2, 3]);
  two.links[0].get(2)!.delayUs = 50_000;
  two.links[0].get(3)!.delayUs = 25_000;
  // The other direction is another matter.
  two.links[1].get(1)!.delayUs = 80_000;
  two.run(3e6);
  const { 1: short, 2: long, 3: middle } = holds(two);
  expect(short! / 40_000).toBeCloseTo(1, 1);
  expect(long).toBeLessThan(500);
  expect(middle! / 25_000).toBeCloseTo(1, 1);
});

test('queues change nothing', () => {
  const two = new TwoEnds([1, 2]);
  two.links[0].get(2)!.delayUs = 50_000;
  two.links[0].get(1)!.rate = 1e7;
  two.run(3e6);
  const before = holds(two);
  // 20 ms of queue, and then as much as the path carries.
  for (let i = 0; i < 20; i++) two.data(0, 1, 1250);
  two.run(1e6, () => {
    two.data(0, 1, 1250);
    two.data(0, 2, 1250);
  });
  expect(two.paths(1)[0]!.receiving.full).toBe(true);
  expect(holds(two)[1]! / before[1]!).toBeCloseTo(1, 1);
});

test('the sending end takes a path within the bound for as long as the longest one, another for what it is', () => {
  const two = new TwoEnds([1, 2, 3]);
  two.links[0].get(2)!.delayUs = 50_000;
  two.links[0].get(3)!.delayUs = 300_000;
  two.run(3e6);
  const paths = two.paths(0);
  const seems = paths.map(({ delayBehindUs }) => equalDelayBehind(paths, 100_000, delayBehindUs!) / 10_000);
  expect(seems.map(Math.round)).toEqual([4, 4, 29]);
});

test('neither a path that is too far behind nor one that is down counts', () => {
  const two = new TwoEnds([1, 2, 3]);
  two.links[0].get(2)!.delayUs = 50_000;
  two.links[0].get(3)!.delayUs = 300_000;
  two.run(3e6);
  expect(holds(two)[1]! / 40_000).toBeCloseTo(1, 1);
  expect(holds(two)[3]).toBe(0);
  two.both(2, { alive: false });
  two.run(2e6);
  expect(holds(two)).toEqual({ 1: 0, 2: 0, 3: 0 });
});
