/** The test and the intervals of rankings. */
import { expect, it } from 'vitest';
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
