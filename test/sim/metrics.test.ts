/** The examples of RFC 4737 and RFC 5236, and the properties that the metrics must have. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bufferDensity, reorderDensity } from '../../src/sim/metrics/density.ts';
import { jainIndex, quantiles, sortAscending } from '../../src/sim/metrics/distribution.ts';
import { findReordered, summariseReordering } from '../../src/sim/metrics/reordering.ts';
import { ShareDeviation } from '../../src/sim/metrics/share-deviation.ts';

it('RFC 4737 §7.1: one late packet', () => {
  const numbers = [1, 2, 3, 5, 6, 7, 8, 4, 9, 10];
  const times = [68, 88, 108, 148, 168, 188, 208, 210, 228, 248];
  const sizes = Array<number>(11).fill(100);
  expect(findReordered(numbers, times, sizes)).toEqual([
    { position: 7, number: 4, extent: 4, lateTime: 62, byteOffset: 400, degree: 4 },
  ]);
  const summary = summariseReordering(numbers, times, sizes);
  expect(summary).toMatchObject({
    received: 10,
    reordered: 1,
    ratio: 0.1,
    maxExtent: 4,
    threeReordered: 0.1,
  });
});

it('RFC 5236: displacement and density of the third example', () => {
  const numbers = [1, 4, 3, 5, 3, 8, 7, 6].map((number) => number - 1);
  expect(reorderDensity(numbers, 8)).toEqual(
    [
      [-2, 1],
      [-1, 1],
      [0, 3],
      [1, 1],
      [2, 1],
    ].map(([value, count]) => ({ value, share: count! / 7 })),
  );
});

it('RFC 5236: buffer occupancy of 1 2 4 5 3', () => {
  expect(bufferDensity([0, 1, 3, 4, 2], 5)).toEqual([
    { value: 0, share: 3 / 5 },
    { value: 1, share: 1 / 5 },
    { value: 2, share: 1 / 5 },
  ]);
});

it('by hand: 0 2 1 5 4 6 of seven packets, number 3 is lost', () => {
  const numbers = [0, 2, 1, 5, 4, 6];
  // Receive indices skip the lost one: 0 1 2 4 5 6.
  expect(reorderDensity(numbers, 7)).toEqual([
    { value: -1, share: 2 / 6 },
    { value: 0, share: 2 / 6 },
    { value: 1, share: 2 / 6 },
  ]);
  // Held after each arrival: 0 1 0 1 0 0.
  expect(bufferDensity(numbers, 7)).toEqual([
    { value: 0, share: 4 / 6 },
    { value: 1, share: 2 / 6 },
  ]);
  // Overtaken from positions 1 and 3 on; 4 packets in order before, between and behind 2 reordered ones.
  expect(summariseReordering(numbers, [0, 1, 2, 3, 4, 5], Array<number>(7).fill(100))).toEqual({
    received: 6,
    reordered: 2,
    ratio: 2 / 6,
    meanExtent: 1,
    maxExtent: 1,
    meanLateTime: 1,
    maxLateTime: 1,
    maxByteOffset: 100,
    threeReordered: 0,
    meanGap: 2,
    meanFreeRun: 4 / 3,
  });
});

it('RFC 5236: what comes too late is lost, and displaces nothing behind it', () => {
  // Number 0 comes when three others have, which is one more than DT = 2 allows.
  const late = [1, 2, 3, 0, 4, 5];
  expect(reorderDensity(late, 6, 2)).toEqual([{ value: 0, share: 1 }]);
  // A buffer of two gives it up when the third comes, and lets all three go.
  expect(bufferDensity(late, 6, 2)).toEqual([
    { value: 0, share: 3 / 5 },
    { value: 1, share: 1 / 5 },
    { value: 2, share: 1 / 5 },
  ]);
  // One place earlier it is late by two, and two others are early.
  const inTime = [1, 2, 0, 3, 4, 5];
  expect(reorderDensity(inTime, 6, 2)).toEqual([
    { value: -1, share: 2 / 6 },
    { value: 0, share: 3 / 6 },
    { value: 2, share: 1 / 6 },
  ]);
  expect(bufferDensity(inTime, 6, 2)).toEqual([
    { value: 0, share: 4 / 6 },
    { value: 1, share: 1 / 6 },
    { value: 2, share: 1 / 6 },
  ]);
});

it('agrees with the definitions, word by word, on any order of arrival', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(Array.from({ length: 30 }, (_, i) => i)), (numbers) => {
      const times = numbers.map((_, i) => i * 3);
      const sizes = Array.from({ length: 30 }, (_, number) => number + 1);
      const found = findReordered(numbers, times, sizes);
      const reordered = numbers.flatMap((number, i) => {
        const first = numbers.findIndex((other, j) => j < i && other > number);
        if (first < 0) return [];
        const above = numbers.slice(first, i).filter((other) => other > number);
        let degree = 0;
        while (degree < i && numbers[i - 1 - degree]! > number) degree++;
        return [
          {
            position: i,
            number,
            extent: i - first,
            lateTime: (i - first) * 3,
            byteOffset: above.reduce((sum, other) => sum + other + 1, 0),
            degree,
          },
        ];
      });
      expect(found).toEqual(reordered);
    }),
  );
});

it('displacements of a permutation add up to nothing', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(
        Array.from({ length: 20 }, (_, i) => i),
        { minLength: 20, maxLength: 20 },
      ),
      (numbers) => {
        const sum = reorderDensity(numbers, 20).reduce((total, { value, share }) => total + value * share, 0);
        expect(sum).toBeCloseTo(0);
      },
    ),
  );
});

it('share deviation is the largest over any run of packets', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 40 }), (picks) => {
      const shares = [0.5, 0.3, 0.2];
      const sharesThen = [0.2, 0.2, 0.6];
      const changed = picks.length >> 1;
      const deviation = new ShareDeviation(shares);
      picks.forEach((path, i) => {
        if (i === changed) deviation.setShares(sharesThen);
        deviation.count(path);
      });
      let largest = 0;
      for (let from = 0; from < picks.length; from++) {
        for (let to = from + 1; to <= picks.length; to++) {
          shares.forEach((share, path) => {
            const got = picks.slice(from, to).filter((pick) => pick === path).length;
            const early = Math.max(0, Math.min(to, changed) - from);
            const due = share * early + sharesThen[path]! * (to - from - early);
            largest = Math.max(largest, Math.abs(got - due));
          });
        }
      }
      expect(deviation.largest).toBeCloseTo(largest, 9);
    }),
  );
});

it('quantiles by nearest rank, fairness of Jain', () => {
  expect(quantiles([5, 1, 2, 3, 4])).toEqual({ count: 5, mean: 3, min: 1, p50: 3, p90: 5, p99: 5, max: 5 });
  expect(jainIndex([1, 1, 1, 1])).toBe(1);
  expect(jainIndex([1, 0, 0, 0])).toBe(0.25);
});

it('sorts long samples as comparing does, whatever numbers they are', () => {
  let word = 1;
  const random = (): number => {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    return word;
  };
  for (const draw of [
    () => 5_000_000 + (random() >>> 20),
    () => random(),
    () => 7,
    () => random() * 3,
    () => random() / 7 - 1e6,
  ]) {
    const sample = Float64Array.from({ length: 5000 }, draw);
    expect(sortAscending(sample.slice())).toEqual(sample.slice().sort());
  }
});
