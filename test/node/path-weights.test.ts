/** Weights of paths: the order of their sources, and small ratios that are near to rates. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { weighPaths } from '../../src/node/path-weights.ts';
import { smallRatio } from '../../src/paths/small-ratio.ts';
import type { TunnelPath, WanMetrics } from '../../src/pmipv6/tunnel-session.ts';

function path(bid: number, metrics: WanMetrics = {}, label: number | null = bid, technology = 4): TunnelPath {
  const end = { address: `192.0.2.${bid}`, port: null };
  return { bid, local: end, remote: end, encapsulation: 'gre', technology, label, metrics, interface: null };
}

const NO_RULES = { labels: new Map(), technologies: new Map() };
const RULES = {
  labels: new Map([
    [1, 7],
    [2, 1],
  ]),
  technologies: new Map([[4, 3]]),
};
const weights = (...args: Parameters<typeof weighPaths>): [string, number[]] => {
  const { source, weights } = weighPaths(...args);
  return [source, [...weights.values()]];
};

describe('the order of sources', () => {
  const rates = [
    { uplinkRate: 50e6, downlinkRate: 10e6 },
    { uplinkRate: 20e6, downlinkRate: 90e6 },
  ] as const;
  const explicit = [
    { ...rates[0], weight: 4 },
    { ...rates[1], weight: 9 },
  ] as const;

  test('operator, signaled weight, rates, labels, technologies, equal', () => {
    const told = [path(1, explicit[0]), path(2, explicit[1])];
    expect(weights(told, 'uplink', RULES, new Map([[2, 5]]))).toEqual(['operator', [4, 5]]);
    expect(weights(told, 'uplink', RULES)).toEqual(['signaled weight', [4, 9]]);
    const rated = [path(1, rates[0]), path(2, rates[1])];
    expect(weights(rated, 'uplink', RULES)).toEqual(['rates', [5, 2]]);
    expect(weights(rated, 'downlink', RULES)).toEqual(['rates', [1, 9]]);
    expect(weights([path(1), path(2)], 'uplink', RULES)).toEqual(['labels', [7, 1]]);
    expect(weights([path(1, {}, 3), path(2, {}, 2)], 'uplink', RULES)).toEqual(['technologies', [3, 3]]);
    expect(weights([path(1, {}, null, 8), path(2)], 'uplink', RULES)).toEqual(['equal', [1, 1]]);
    expect(weights([path(1)], 'uplink', NO_RULES)).toEqual(['equal', [1]]);
  });

  test('a source that knows only some paths, or would close them all, does not count', () => {
    expect(weights([path(1, explicit[0]), path(2)], 'uplink', NO_RULES)[0]).toBe('equal');
    expect(weights([path(1, { weight: 0 }), path(2, { weight: 0 })], 'uplink', NO_RULES)[0]).toBe('equal');
    const closed = new Map([
      [1, 0],
      [2, 0],
    ]);
    expect(weights([path(1), path(2)], 'uplink', RULES, closed)).toEqual(['labels', [7, 1]]);
  });
});

test('small ratios: exact where there is a small one', () => {
  expect(smallRatio([100e6, 100e6])).toEqual([1, 1]);
  expect(smallRatio([50e6, 20e6])).toEqual([5, 2]);
  expect(smallRatio([30e6, 20e6, 10e6])).toEqual([3, 2, 1]);
  expect(smallRatio([1e9, 0])).toEqual([1, 0]);
});

test('small ratios: every path with a rate is used, the period is short, shares are near', () => {
  const rates = fc.array(fc.integer({ min: 1000, max: 10_000_000 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(rates, (list) => {
      const ratio = smallRatio(list);
      const sum = ratio.reduce((a, b) => a + b, 0);
      const total = list.reduce((a, b) => a + b, 0);
      expect(Math.min(...ratio)).toBeGreaterThanOrEqual(1);
      expect(sum).toBeLessThanOrEqual(64);
      // At least one packet in 64 to each of the slow ones, which the fast ones lack.
      list.forEach((rate, i) => {
        expect(Math.abs(ratio[i]! / sum - rate / total)).toBeLessThan(list.length / 64 + 0.005);
      });
    }),
    { examples: [[[1000, 243997, 23241, 1000]]], numRuns: 500 },
  );
});
