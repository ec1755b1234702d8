/** A path that comes back, under virtual time: its share of the packets grows step by step, and is exact again at the end. */
import { expect, test } from 'vitest';
import type { SchedulerName } from '../../src/dataplane/distribution-spec.ts';
import { EaseIn } from '../../src/paths/ease-in.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { testPath, testSession } from '../support/session.ts';

const PATH = { session: 'mn1', bid: 2 };
const CONFIG = { easeUs: 4e6, easeFrom: 1 / 16 };

/** How many of `count` packets path 2 gets; flows differ in their source. */
function sharesOf(node: BenchNode, count: number): number {
  const packets = Array.from({ length: count }, (_, i) =>
    innerPacket({ family: 4, source: `192.0.2.${1 + (i % 250)}`, payload: new Uint8Array(8) }),
  );
  return node.encapsulate(packets).sent.filter(({ endpoint }) => endpoint === 1).length;
}

/** Lets path 2 come back and the time pass in steps of 100 ms; the packets of 480 that it gets at each. */
function comeBack(node: BenchNode): number[] {
  const ease = new EaseIn();
  node.sessions.setPathState('mn1', 2, 'down', 'measured');
  expect(sharesOf(node, 480)).toBe(0);
  const apply = (divisor: number): void => node.sessions.setPathDivisor('mn1', 2, divisor);
  apply(ease.begin(PATH, CONFIG, 0)!.divisor);
  node.sessions.setPathState('mn1', 2, 'up', 'measured');
  const shares: number[] = [];
  for (let now = 0; now <= 5e6; now += 100_000) {
    for (const { divisor } of ease.due(now)) apply(divisor);
    shares.push(sharesOf(node, 480));
  }
  return shares;
}

test.each([
  ['3:2', [3, 2], 192],
  ['1:1', [1, 1], 240],
  ['1:5', [1, 5], 400],
] as const)('%s: never more than before, more in each step, exact again at the end', (_, weights, whole) => {
  const paths = weights.map((weight, i) => testPath(i + 1, { weight }));
  const node = new BenchNode('mag').add(testSession({ paths }));
  expect(sharesOf(node, 480)).toBe(whole);
  const shares = comeBack(node);
  expect(shares[0]).toBeGreaterThan(0);
  expect(shares[0]!).toBeLessThan(whole / 3);
  const steps = [0, 1, 2, 3, 4].map((step) => shares[step * 10]!);
  steps.slice(1).forEach((share, i) => expect(share).toBeGreaterThan(steps[i]! + 2));
  // Within a step the 480 packets are no whole number of periods.
  shares.slice(0, 40).forEach((share, i) => {
    expect(Math.abs(share - steps[Math.floor(i / 10)]!)).toBeLessThanOrEqual(2);
  });
  expect(shares.slice(40)).toEqual(Array(11).fill(whole));
  expect(node.sessions.status('mn1').schedule).toHaveLength(weights[0] + weights[1]);
});

test('large weights in a small ratio', () => {
  const paths = [60_000, 45_000, 60_000].map((weight, i) => testPath(i + 1, { weight }));
  const node = new BenchNode('mag').add(testSession({ paths }));
  node.sessions.setPathDivisor('mn1', 2, 16);
  expect([...node.sessions.weightsInUse('mn1').values()]).toEqual([64, 3, 64]);
});

test.each<SchedulerName>(['equal', 'deficit', 'random', 'flow-hash'])('%s eases in as well', (scheduler) => {
  const node = new BenchNode('mag').add(testSession({ distribution: { scheduler } }));
  const whole = sharesOf(node, 480);
  const shares = comeBack(node);
  expect(shares[0]!).toBeLessThan(whole / 2);
  expect(shares.at(-1)!).toBeGreaterThan(whole * 0.8);
  expect(shares.at(-1)!).toBeLessThan(whole * 1.2);
});

test('a rule with weights of its own eases in as well, a rule for one path does not', () => {
  const selectors = [{ family: 4 as const }];
  const rule = (bids: readonly number[]) => ({
    priority: 1,
    name: 'all',
    selectors,
    action: { action: 'paths' as const, bids },
  });
  const node = new BenchNode('mag').add(testSession({ flows: [rule([1, 2])] }));
  const shares = comeBack(node);
  expect(shares[0]!).toBeLessThan(60);
  expect(shares.at(-1)).toBe(240);
  const single = new BenchNode('mag').add(testSession({ flows: [rule([2])] }));
  single.sessions.setPathDivisor('mn1', 2, 16);
  expect(sharesOf(single, 100)).toBe(100);
});

test('weights too large for a longer schedule are eased as far as it goes', () => {
  const paths = [testPath(1, { weight: 40_001 }), testPath(2, { weight: 20_000 })];
  const node = new BenchNode('mag').add(testSession({ paths }));
  node.sessions.setPathDivisor('mn1', 2, 16);
  expect(node.sessions.weightsInUse('mn1')).toEqual(
    new Map([
      [1, 40_001],
      [2, 1250],
    ]),
  );
});

test('it ends when the path goes again or there is nothing to ease', () => {
  const ease = new EaseIn();
  expect(ease.begin(PATH, { easeUs: 0, easeFrom: 1 / 16 }, 0)).toBeNull();
  expect(ease.begin(PATH, { easeUs: 1e6, easeFrom: 1 }, 0)).toBeNull();
  expect(ease.due(1e9)).toEqual([]);
  expect(ease.begin(PATH, CONFIG, 0)).toEqual({ ...PATH, divisor: 16 });
  ease.end(PATH);
  expect(ease.due(1e9)).toEqual([]);
  // A long pause of ours: straight to the end, once.
  ease.begin(PATH, CONFIG, 0);
  expect(ease.due(1e9)).toEqual([{ ...PATH, divisor: 1 }]);
  expect(ease.due(2e9)).toEqual([]);
});
