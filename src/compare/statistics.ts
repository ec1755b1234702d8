/**
 * Whether one scheduler is better than another: results of the same seed are paired, because traffic and links drew the same numbers
 * in both, and the mean difference is tested by sign flips (Fisher's randomisation test: exact up to 12 seeds, beyond that 4096
 * seeded draws). Confidence intervals of means are Student's. Simulated and real runs are not paired, for losses are drawn anew:
 * how many times as large one is goes by ranks (Mann and Whitney 1947; Hodges and Lehmann 1963), whatever the distribution.
 */
import { Random } from '../sim/random.ts';

const EXACT_UP_TO = 12;
const DRAWS = 4096;
/** Two-sided 95 % quantiles of Student's t for 1, 2, 3 ... degrees of freedom. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

export interface Interval {
  readonly mean: number;
  /** Half the width of the 95 % interval; null with one value, which tells of no scatter. */
  readonly half: number | null;
}

/** Mean and Student's 95 % interval of independent values. */
export function meanInterval(values: readonly number[]): Interval {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(n, 1);
  if (n < 2) return { mean, half: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, half: student(n - 1) * Math.sqrt(variance / n) };
}

/** Beyond the table by the expansion of Cornish and Fisher, which is right to four digits there. */
function student(freedom: number): number {
  const z = 1.959964;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  return STUDENT[freedom - 1] ?? z + first / freedom + second / freedom ** 2;
}

/**
 * Two-sided p of the hypothesis that paired `differences` are as likely to have either sign. With n seeds it cannot be below
 * 2^(1-n): six seeds are the fewest that can show anything at the 5 % level.
 */
export function signFlipTest(differences: readonly number[]): number {
  const n = differences.length;
  const observed = Math.abs(differences.reduce((sum, value) => sum + value, 0));
  if (!n || observed === 0) return 1;
  // Sums that differ by rounding only are equal.
  const limit = observed * (1 - 1e-9);
  if (n <= EXACT_UP_TO) {
    let extreme = 0;
    for (let signs = 0; signs < 2 ** n; signs++) {
      const sum = differences.reduce((total, value, i) => total + (signs & (1 << i) ? value : -value), 0);
      if (Math.abs(sum) >= limit) extreme++;
    }
    return extreme / 2 ** n;
  }
  const random = new Random(1, 'sign flips');
  let extreme = 1;
  for (let draw = 0; draw < DRAWS; draw++) {
    const sum = differences.reduce((total, value) => total + (random.word() & 1 ? value : -value), 0);
    if (Math.abs(sum) >= limit) extreme++;
  }
  return extreme / (DRAWS + 1);
}

/**
 * Holm's correction (1979): p of each of several tests, such that one of all that are true is rejected by chance in no more than the level says,
 * however they depend on each other.
 */
export function holm(values: readonly number[]): number[] {
  const ascending = values.map((p, i) => ({ p, i })).sort((a, b) => a.p - b.p);
  const corrected = Array<number>(values.length);
  let least = 0;
  ascending.forEach(({ p, i }, rank) => {
    least = Math.max(least, Math.min(1, (values.length - rank) * p));
    corrected[i] = least;
  });
  return corrected;
}

/**
 * The 95 % interval of the factor by which values like `a` exceed values like `b`, less one: two-sided, by inverting the rank-sum test. Null where the
 * samples are too small for one (below four and four), or a value is not positive.
 */
export function ratioInterval(a: readonly number[], b: readonly number[]): readonly [number, number] | null {
  const skipped = rankSumTail(a.length, b.length);
  if (!skipped || ![...a, ...b].every((value) => value > 0)) return null;
  const ratios = a.flatMap((value) => b.map((other) => value / other)).sort((x, y) => x - y);
  return [ratios[skipped - 1]! - 1, ratios.at(-skipped)! - 1];
}

/** The largest k for which P(U < k) is at most 2.5 %, U being the statistic of Mann and Whitney for samples of n and m that are alike. */
function rankSumTail(n: number, m: number): number {
  // Ways to draw any number of the n + m ranks, by how many are drawn and by their U: each rank is either drawn or not.
  const most = n * m;
  const ways = Array.from({ length: n + 1 }, () => new Float64Array(most + 1));
  ways[0]![0] = 1;
  for (let rank = 0; rank < n + m; rank++) {
    for (let drawn = Math.min(n, rank + 1); drawn > 0; drawn--) {
      const below = rank - (drawn - 1);
      if (below > m) continue;
      for (let u = most; u >= below; u--) ways[drawn]![u]! += ways[drawn - 1]![u - below]!;
    }
  }
  const total = ways[n]!.reduce((sum, count) => sum + count, 0);
  let tail = 0;
  let k = 0;
  while (k <= most && (tail + ways[n]![k]!) / total <= ONE_SIDED) tail += ways[n]![k++]!;
  return k;
}

const ONE_SIDED = 0.025;
