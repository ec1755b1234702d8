/** The test and the intervals of rankings. */
import { expect, it } from 'vitest';
import type { CompareResult } from '../../src/compare/job.ts';
import { rank } from '../../src/compare/ranking.ts';
import { Random } from '../../src/sim/random.ts';
import { holm, meanInterval, ratioInterval, signFlipTest } from '../../src/compare/statistics.ts';

it('sign flips: exact p of small samples', () => {
  expect(signFlipTest([1, 1, 1, 1, 1, 1])).toBe(2 / 64);
  expect(signFlipTest([1, 2, 3])).toBe(2 / 8);
  expect(signFlipTest([1, -1])).toBe(1);
  expect(signFlipTest([])).toBe(1);
});

it('sign flips: drawn for large samples, near the exact value', () => {
  const differences = Array.from({ length: 13 }, (_, i) => (i < 10 ? 1 : -1));
  // 10 or more of 13 equal signs, both sides: 2 (286 + 78 + 13 + 1) / 8192.
  expect(signFlipTest(differences)).toBeCloseTo(0.0923, 1);
  expect(signFlipTest(differences)).toBe(signFlipTest(differences));
});

it("Student's interval", () => {
  expect(meanInterval([4]).half).toBeNull();
  const { mean, half } = meanInterval([1, 2, 3]);
  expect(mean).toBe(2);
  expect(half).toBeCloseTo(4.303 / Math.sqrt(3), 6);
});

it("Student's interval of many values", () => {
  // t of 31, 39 and 99 degrees of freedom.
  for (const [n, quantile] of [
    [32, 2.0395],
    [40, 2.0227],
    [100, 1.9842],
  ] as const) {
    const values = Array.from({ length: n }, (_, i) => i);
    const deviation = Math.sqrt((n * (n + 1)) / 12);
    expect(meanInterval(values).half).toBeCloseTo((quantile * deviation) / Math.sqrt(n), 3);
  }
});

it('interval of a ratio: the critical values of Mann and Whitney', () => {
  // Ratios are 1.05 ** i, each once: how many are cut off shows in the ends.
  const powers = (count: number, step: number): number[] =>
    Array.from({ length: count }, (_, i) => 1.05 ** (i * step));
  const skipped = (n: number, m: number): number => {
    const [low] = ratioInterval(powers(n, 1), powers(m, n))!;
    return Math.round(Math.log(low + 1) / Math.log(1.05)) + n * (m - 1) + 1;
  };
  // Tables of U at the two-sided 5 % level, plus one.
  expect([
    skipped(4, 4),
    skipped(5, 5),
    skipped(6, 6),
    skipped(8, 8),
    skipped(6, 10),
    skipped(20, 20),
  ]).toEqual([1, 3, 6, 14, 12, 128]);
  expect(ratioInterval([1, 2, 3], [1, 2, 3])).toBeNull();
  expect(ratioInterval([1, 2, 3, 0], [1, 2, 3, 4])).toBeNull();
});

it('interval of a ratio: holds the true one nineteen times of twenty', () => {
  const random = new Random(7, 'ratios');
  let held = 0;
  for (let trial = 0; trial < 1000; trial++) {
    const draw = (): number => Math.exp(random.exponential(1));
    const a = Array.from({ length: 7 }, () => 3 * draw());
    const [low, high] = ratioInterval(a, Array.from({ length: 9 }, draw))!;
    if (low <= 2 && 2 <= high) held++;
  }
  expect(held).toBeGreaterThan(930);
  expect(held).toBeLessThan(980);
});

/** What a ranking looks at. */
function result(scheduler: string, seed: number, goodput: number, completion: number): CompareResult {
  const delay = { count: 1, p50: 10 + seed, p99: 20 };
  const metrics = { goodput, delay, completion: { count: completion ? 1 : 0, p50: completion } };
  return { scheduler, scenario: 's', seed, parameters: {}, digests: {}, metrics } as unknown as CompareResult;
}

it('ranks alike in whichever order runs ended', () => {
  const results = [3e6, 1.1e6, 2.3e6, 7e6, 1 / 3].flatMap((goodput, i) => [
    result('a', i + 1, goodput, 0),
    result('b', i + 1, goodput / 7, 0),
  ]);
  expect(rank(results.toReversed())).toEqual(rank(results));
  expect(rank(results)[0]!.standings.map(({ scheduler, p }) => [scheduler, p])).toEqual([
    ['a', 1],
    ['b', 1 / 16],
  ]);
});

it('says that seeds are too few where none could tell anything', () => {
  const results = (seeds: number) =>
    Array.from({ length: seeds }, (_, i) => [
      result('a', i + 1, 9e6 + i, 0),
      result('b', i + 1, 1e6, 0),
    ]).flat();
  expect(rank(results(5))[0]!.standings[1]).toMatchObject({ verdict: 'too few seeds', p: 1 / 16 });
  expect(rank(results(6))[0]!.standings[1]).toMatchObject({ verdict: 'worse', p: 1 / 32 });
});

it('corrects p for the number of comparisons: seeds that suffice for one do not for seven', () => {
  expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
  expect(holm([0.6, 0.7])).toEqual([1, 1]);
  expect(holm([])).toEqual([]);
  const results = (seeds: number, others: number) =>
    Array.from({ length: seeds }, (_, seed) => [
      result('best', seed, 9e6 + seed, 0),
      ...Array.from({ length: others }, (_, i) => result(`other${i}`, seed, 1e6 + i, 0)),
    ]).flat();
  const verdict = (seeds: number, others: number) => rank(results(seeds, others))[0]!.standings[1]!.verdict;
  expect([verdict(6, 1), verdict(6, 7), verdict(8, 7), verdict(9, 7)]).toEqual([
    'worse',
    'too few seeds',
    'too few seeds',
    'worse',
  ]);
});

it('says by how much a scheduler is behind the best, seed by seed', () => {
  // The scatter that both share is no uncertainty of the difference.
  const results = [10e6, 20e6, 30e6].flatMap((goodput, seed) => [
    result('a', seed, goodput, 0),
    result('b', seed, goodput - 2e6, 0),
  ]);
  const [best, second] = rank(results)[0]!.standings;
  expect(best!.behind).toBeNull();
  expect(second!.behind).toEqual({ mean: -10, half: 0 });
  expect(second!.goodput.half).toBeGreaterThan(20);
  const [, nothing] = rank([result('a', 1, 0, 0), result('b', 1, 0, 0)])[0]!.standings;
  expect(nothing!.behind).toBeNull();
});

it('times are those of runs that have some', () => {
  const [standing] = rank([result('a', 1, 1e6, 40), result('a', 2, 1e6, 0)])[0]!.standings;
  expect(standing).toMatchObject({ completion50: 40, delay50: 11.5 });
  expect(rank([result('a', 1, 1e6, 0)])[0]!.standings[0]!.completion50).toBeNull();
});
