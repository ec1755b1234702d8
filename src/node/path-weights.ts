/**
 * Weights of a session's paths from what the signaling and the operator say, in the order of docs/wan-metrics.md: the operator's word
 * at run time, an explicit weight, rates, a rule by interface label, a rule by access technology, 1. Each end works out its own
 * direction: the MAG from uplink rates, the LMA from downlink rates.
 */
import { smallRatio } from '../paths/small-ratio.ts';
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

const LARGEST_WEIGHT = 65_535;

/**
 * Weights by BID. A source counts only if it speaks of every path, as ratios of unlike things mean nothing; the operator's word alone
 * may speak of some and leave the others as they are. Paths that only receive have no part in it, and weight 0.
 */
export function weighPaths(
  paths: readonly TunnelPath[],
  direction: 'uplink' | 'downlink',
  rules: WeightRules,
  operator: ReadonlyMap<number, number> = new Map(),
): PathWeights {
  const used = paths.filter(({ receiveOnly }) => !receiveOnly);
  const { source, weights } = weighUsed(used, direction, rules, operator);
  const all = paths.map(({ bid, receiveOnly }) => [bid, receiveOnly ? 0 : weights.get(bid)!] as const);
  return { source, weights: new Map(all) };
}

function weighUsed(
  paths: readonly TunnelPath[],
  direction: 'uplink' | 'downlink',
  rules: WeightRules,
  operator: ReadonlyMap<number, number>,
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
