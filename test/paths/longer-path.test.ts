/** Whether a path has become longer, or has a queue: by samples that are made up. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LongerPath } from '../../src/paths/longer-path.ts';

const INTERVAL_US = 100_000;

/** Probes of `seconds` at which delay (milliseconds above the smallest, 10) and rate (Mbit/s) are what the functions say; the new smallest delay. */
function watch(
  seconds: number,
  delayMs: (second: number, probe: number) => number,
  rate: (second: number) => number,
): number | null {
  const longer = new LongerPath();
  let octets = 0;
  for (let probe = 0; probe < seconds * 10; probe++) {
    const second = Math.floor(probe / 10);
    octets += (rate(second) * 1e6 * INTERVAL_US) / 8e6;
    const above = delayMs(second, probe) * 1000;
    const found = longer.add(10_000 + above, above, octets, probe * INTERVAL_US);
    if (found !== null) return found;
  }
  return null;
}

test('the same delay under another load is the path; under the same load it may be a queue', () => {
  const changing = (second: number): number => (second % 2 ? 8 : 4);
  expect(watch(4, () => 50, changing)).toBe(60_000);
  expect(
    watch(
      20,
      () => 50,
      () => 8,
    ),
  ).toBeNull();
  expect(
    watch(
      4,
      () => 50,
      () => 0,
    ),
  ).toBe(60_000);
});

test('a queue that changes with the load is a queue', () => {
  const load = (second: number): number => 10 - (second % 5);
  expect(watch(20, (second) => load(second) * 5, load)).toBeNull();
});

test('what only adds to the delay does not hide that the path is longer, nor by how much', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 5, max: 200 }),
      fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 9, maxLength: 9 }),
      (longer, jitter) => {
        // One probe in ten meets none.
        const delay = (_: number, probe: number): number => longer + (probe % 10 ? jitter[probe % 9]! : 0);
        expect(watch(6, delay, (second) => (second % 2 ? 8 : 4))).toBe(10_000 + longer * 1000);
      },
    ),
  );
});

test('no queue of a path of constant rate that is always full is taken for length, whatever its least delays', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 4, max: 300 }), { minLength: 20, maxLength: 20 }), (queues) => {
      expect(
        watch(
          20,
          (second) => queues[second]!,
          () => 20,
        ),
      ).toBeNull();
    }),
  );
});
