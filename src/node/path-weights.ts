/**
 * Weights of a session's paths from what the signaling and the operator say, in the order of docs/wan-metrics.md: the operator's word
 * at run time, an explicit weight, rates, a rule by interface label, a rule by access technology, 1. Each end works out its own
 * direction: the MAG from uplink rates, the LMA from downlink rates.
 */
import type { TunnelPath } from '../pmipv6/tunnel-session.ts';

export interface WeightRules {
  /** By If-Label 0..255. */
  readonly labels: ReadonlyMap<number, number>;
  /** By access technology type. */
  readonly technologies: ReadonlyMap<number, number>;
}

/** Where the weights of a session come from. */
export type WeightSource = 'operator' | 'signaled weight' | 'rates' | 'labels' | 'technologies' | 'equal';

export interface PathWeights {
  readonly source: WeightSource;
  readonly weights: ReadonlyMap<number, number>;
}

/** The schedule of rates repeats after at most so many packets; shares are then off by less than half a packet in that many. */
const LONGEST_PERIOD = 64;
const LARGEST_WEIGHT = 65_535;

/**
 * Weights by BID. A source counts only if it speaks of every path, as ratios of unlike things mean nothing; the operator's word alone
 * may speak of some and leave the others as they are.
 */
export function weighPaths(
  paths: readonly TunnelPath[],
  direction: 'uplink' | 'downlink',
  rules: WeightRules,
  operator: ReadonlyMap<number, number> = new Map(),
): PathWeights {
  const signaled = weighBySignaling(paths, direction, rules);
  if (!paths.some(({ bid }) => operator.has(bid))) return signaled;
  const weights = new Map(
    paths.map(({ bid }) => [bid, operator.get(bid) ?? signaled.weights.get(bid)!] as const),
  );
  // Paths that the operator closed may be all that is left.
  return isUsable([...weights.values()]) ? { source: 'operator', weights } : signaled;
}

function weighBySignaling(
  paths: readonly TunnelPath[],
  direction: 'uplink' | 'downlink',
  rules: WeightRules,
): PathWeights {
  const from = (source: WeightSource, of: (path: TunnelPath) => number | undefined): PathWeights | null => {
    const values = paths.map(of);
    if (!values.every((value) => value !== undefined) || !isUsable(values)) return null;
    const small =
      source === 'rates'
        ? smallRatio(values)
        : values.map((value) => Math.min(Math.round(value), LARGEST_WEIGHT));
    return { source, weights: new Map(paths.map(({ bid }, i) => [bid, small[i]!] as const)) };
  };
  return (
    from('signaled weight', ({ metrics }) => metrics.weight) ??
    from('rates', ({ metrics }) => (direction === 'uplink' ? metrics.uplinkRate : metrics.downlinkRate)) ??
    from('labels', ({ label }) => (label === null ? undefined : rules.labels.get(label))) ??
    from('technologies', ({ technology }) => rules.technologies.get(technology)) ??
    from('equal', () => 1)!
  );
}

/** Something has to be sent on. */
function isUsable(weights: readonly number[]): boolean {
  return weights.some((weight) => weight > 0);
}

/**
 * The smallest integers whose ratio comes as near to that of `rates` as any with a sum of at most LONGEST_PERIOD does, within half a
 * percent: 50 and 20 Mbit/s are 5:2. A path with a rate gets at least 1.
 */
export function smallRatio(rates: readonly number[]): number[] {
  const sum = rates.reduce((total, rate) => total + rate, 0);
  const used = rates.filter((rate) => rate > 0).length;
  let best = rates.map((rate) => (rate > 0 ? 1 : 0)) as number[];
  let bestError = errorOf(best, rates, sum);
  for (let period = used; period <= Math.max(LONGEST_PERIOD, used); period++) {
    const weights = apportion(rates, sum, period);
    const error = errorOf(weights, rates, sum);
    if (error < bestError - GOOD_ENOUGH) {
      best = weights;
      bestError = error;
    }
  }
  return best;
}

/** A longer period has to be better by so much of the whole to be worth it. */
const GOOD_ENOUGH = 0.005;

/** `period` shared out by largest remainder, at least 1 to every path with a rate. */
function apportion(rates: readonly number[], sum: number, period: number): number[] {
  const exact = rates.map((rate) => (rate / sum) * period);
  const weights = exact.map((share, i) => (rates[i]! > 0 ? Math.max(1, Math.floor(share)) : 0));
  let left = period - weights.reduce((total, weight) => total + weight, 0);
  const byRemainder = exact
    .map((share, i) => ({ i, remainder: share - weights[i]! }))
    .filter(({ i }) => rates[i]! > 0)
    .sort((a, b) => b.remainder - a.remainder);
  for (const { i } of byRemainder) {
    if (left <= 0) break;
    weights[i]! += 1;
    left -= 1;
  }
  return weights;
}

/** The largest difference between the share that a path gets and that of its rate. */
function errorOf(weights: readonly number[], rates: readonly number[], sum: number): number {
  const total = weights.reduce((all, weight) => all + weight, 0);
  return Math.max(...weights.map((weight, i) => Math.abs(weight / total - rates[i]! / sum)));
}
