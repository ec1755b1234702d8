/** The test and the intervals of rankings. */
import { expect, it } from 'vitest';
import type { CompareResult } from '../../src/compare/job.ts';
import { rank } from '../../src/compare/ranking.ts';
import { meanInterval, signFlipTest } from '../../src/compare/statistics.ts';

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
  expect(meanInterval([4]).half).toBe(0);
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

it('times are those of runs that have some', () => {
  const [standing] = rank([result('a', 1, 1e6, 40), result('a', 2, 1e6, 0)])[0]!.standings;
  expect(standing).toMatchObject({ completion50: 40, delay50: 11.5 });
  expect(rank([result('a', 1, 1e6, 0)])[0]!.standings[0]!.completion50).toBeNull();
});
