/**
 * The resequencer against what it promises, whatever arrives: each packet at most once, in order unless late, none held
 * longer than the maximum wait, every number accounted for.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { MAX_WAIT, collectUntil, numberOf, numbered, pair, startAt } from '../support/numbered-packets.ts';

/** One worker alone writes shared words in another way than several (assembly/memory/shared.ts). */
const workers = fc.constantFrom(1, 2);

interface Arrival {
  readonly index: number;
  readonly at: number;
}

/** Any permutation, loss, duplication and timing of `count` packets. */
const arrivals = (count: number): fc.Arbitrary<Arrival[]> =>
  fc
    .array(
      fc.record({ index: fc.nat(count - 1), delay: fc.nat(60_000), keep: fc.nat(9), copies: fc.nat(9) }),
      {
        minLength: 1,
        maxLength: count * 2,
      },
    )
    .map((list) =>
      list
        .filter(({ keep }) => keep > 0)
        .flatMap(({ index, delay, copies }) => {
          const one = { index, at: index * 200 + delay };
          return copies === 0 ? [one, { index, at: one.at + 3 }] : [one];
        })
        .sort((a, b) => a.at - b.at),
    );

describe('arbitrary arrivals', () => {
  for (const origin of [0n, 0xffff_ffe0n, 0x7fff_fff0n]) {
    for (const provenLoss of [false, true]) {
      test(`from sequence number ${origin}, provenLoss ${provenLoss}`, () => {
        fc.assert(
          fc.property(arrivals(150), workers, (plan, count) => {
            const { mag, lma } = pair({ provenLoss });
            lma.memory.setControl(L.CONTROL_WORKER_COUNT, count);
            startAt(mag, origin);
            const sent = numbered(mag, 0, 150);
            const start = lma.now;
            const out: { number: number; at: number }[] = [];
            const collect = (packets: Uint8Array[]): void => {
              for (const packet of packets) out.push({ number: numberOf(packet), at: lma.now });
            };
            for (const { index, at } of plan) {
              collectUntil(lma, start + at, collect);
              collect(lma.decapsulate(sent[index]!.endpoint, [sent[index]!.bytes]));
            }
            collectUntil(lma, lma.now + 10 * MAX_WAIT, collect);

            const numbers = out.map(({ number }) => number);
            const first = new Map<number, number>();
            for (const { index, at } of plan) if (!first.has(index)) first.set(index, start + at);
            const { late, duplicates, restarts, held, inOrder, reordered } = lma.resequencer();
            // A restart forgets what the former sender had delivered; a stray from beyond the window counts as late.
            const twice = numbers.length - new Set(numbers).size;
            if (!restarts) expect(twice, 'delivered twice').toBeLessThanOrEqual(late);
            const dropped = lma.drops['sequence-jump'] ?? 0;
            const windowFull = lma.drops['window-full'] ?? 0;
            expect(windowFull).toBe(0);
            expect(held).toBe(0);
            // Every arrival is delivered, a duplicate, or dropped for a counted reason.
            expect(numbers.length + duplicates + dropped).toBe(plan.length);
            expect(inOrder + reordered + late).toBe(numbers.length);
            const seen = new Set<number>();
            for (const { number, at } of out) {
              // A copy may be delivered long after the first one, as a stray or after a restart.
              if (dropped || restarts || seen.has(number)) continue;
              seen.add(number);
              expect(at - first.get(number)!, `packet ${number} was held too long`).toBeLessThanOrEqual(
                MAX_WAIT,
              );
            }
            // Without the late ones the rest is in order.
            const misplaced = numbers.length - longestIncreasing(numbers);
            if (!restarts) expect(misplaced, 'out of order beyond the late ones').toBeLessThanOrEqual(late);
          }),
          { numRuns: 150, endOnFailure: true },
        );
      });
    }
  }
});

/** Length of the longest increasing subsequence. */
function longestIncreasing(numbers: readonly number[]): number {
  const tails: number[] = [];
  for (const number of numbers) {
    const place = tails.findIndex((tail) => tail >= number);
    tails[place < 0 ? tails.length : place] = number;
  }
  return tails.length;
}
