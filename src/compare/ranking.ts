/** Results of a scenario, scheduler by scheduler, best goodput first, each against the best. */
import type { SimResult } from '../sim/result.ts';
import type { Quantiles } from '../sim/metrics/distribution.ts';
import { type CompareResult, type Parameters, cellKey } from './job.ts';
import { type Interval, holm, meanInterval, signFlipTest } from './statistics.ts';

export interface Standing {
  readonly scheduler: string;
  readonly parameters: Parameters;
  readonly results: readonly CompareResult[];
  /** Mbit/s. */
  readonly goodput: Interval;
  readonly efficiency: number;
  /** Milliseconds; null if nothing arrived. */
  readonly delay50: number | null;
  readonly delay99: number | null;
  /** Percent. */
  readonly reorderedBefore: number;
  readonly reorderedAfter: number;
  readonly loss: number;
  readonly retransmits: number;
  /** Milliseconds, of the runs in which transfers ended; null if none did. */
  readonly completion50: number | null;
  /** Goodput less the best's with the same seed, per cent of the best's mean; null for the best itself, without a seed in common, or if nothing got through. */
  readonly behind: Interval | null;
  /** That the two are alike, corrected for all comparisons of the scenario; 1 for the best itself. */
  readonly p: number;
  readonly verdict: 'best' | 'worse' | 'not told apart' | 'too few seeds';
}

export interface Ranking {
  readonly scenario: string;
  readonly standings: readonly Standing[];
}

const SIGNIFICANT = 0.05;

/** A ranking of each scenario, in the order in which the scenarios come. */
export function rank(results: readonly CompareResult[]): Ranking[] {
  const scenarios = Map.groupBy(results, ({ scenario }) => scenario);
  return [...scenarios].map(([scenario, of]) => {
    // By seed, so that sums of fractions are the same to the bit in whichever order runs ended.
    const groups = Map.groupBy(
      of.toSorted((a, b) => a.seed - b.seed),
      cellKey,
    );
    const sorted = [...groups.values()].sort((a, b) => meanGoodput(b) - meanGoodput(a));
    const best = sorted[0]!;
    const differences = sorted.slice(1).map((group) => differencesOf(group, best));
    const p = holm(differences.map(signFlipTest));
    return {
      scenario,
      standings: sorted.map((group, i) =>
        i ? against(group, best, differences[i - 1]!, p[i - 1]!, differences.length) : bestOf(group),
      ),
    };
  });
}

function bestOf(group: readonly CompareResult[]): Standing {
  return { ...figures(group), behind: null, p: 1, verdict: 'best' };
}

function against(
  group: readonly CompareResult[],
  best: readonly CompareResult[],
  differences: readonly number[],
  p: number,
  comparisons: number,
): Standing {
  const share = 100 / meanGoodput(best);
  const behind =
    differences.length && Number.isFinite(share)
      ? meanInterval(differences.map((difference) => difference * share))
      : null;
  const tooFew = differences.length < fewestSeeds(comparisons);
  const verdict = tooFew ? 'too few seeds' : p <= SIGNIFICANT ? 'worse' : 'not told apart';
  return { ...figures(group), behind, p, verdict };
}

/** Of goodput, seed by seed. */
function differencesOf(group: readonly CompareResult[], best: readonly CompareResult[]): number[] {
  return group.flatMap(({ seed, metrics }) => {
    const other = best.find((result) => result.seed === seed);
    return other ? [metrics.goodput - other.metrics.goodput] : [];
  });
}

/** Even if all differences have one sign, p cannot be below 2^(1-n) for each of the comparisons. */
export function fewestSeeds(comparisons: number): number {
  return Math.ceil(1 + Math.log2(comparisons / SIGNIFICANT));
}

/** For tables. */
export function verdictText({ verdict, p, behind }: Standing): string {
  if (verdict === 'best') return verdict;
  return `${behind ? `${intervalText(behind, 1)} %, ` : ''}${verdict} (p = ${p.toFixed(3)})`;
}

/** Mean and half the interval, if there is one. */
export function intervalText({ mean, half }: Interval, digits: number): string {
  return mean.toFixed(digits) + (half === null ? '' : ` ± ${half.toFixed(digits)}`);
}

function meanGoodput(results: readonly CompareResult[]): number {
  return meanInterval(results.map(({ metrics }) => metrics.goodput)).mean;
}

function figures(group: readonly CompareResult[]): Omit<Standing, 'behind' | 'p' | 'verdict'> {
  const mean = (pick: (metrics: SimResult) => number): number =>
    meanInterval(group.map(({ metrics }) => pick(metrics))).mean;
  const meanTime = (pick: (metrics: SimResult) => Quantiles, quantile: 'p50' | 'p99'): number | null => {
    const times = group.map(({ metrics }) => pick(metrics)).filter(({ count }) => count > 0);
    return times.length ? meanInterval(times.map((time) => time[quantile])).mean : null;
  };
  return {
    scheduler: group[0]!.scheduler,
    parameters: group[0]!.parameters,
    results: group,
    goodput: meanInterval(group.map(({ metrics }) => metrics.goodput / 1e6)),
    efficiency: mean(({ efficiency }) => efficiency),
    delay50: meanTime(({ delay }) => delay, 'p50'),
    delay99: meanTime(({ delay }) => delay, 'p99'),
    reorderedBefore: 100 * mean(({ reorderedBefore }) => reorderedBefore),
    reorderedAfter: 100 * mean(({ reorderedAfter }) => reorderedAfter),
    loss: 100 * mean(({ lossRatio }) => lossRatio),
    retransmits: mean(({ retransmits }) => retransmits),
    completion50: meanTime(({ completion }) => completion, 'p50'),
  };
}
