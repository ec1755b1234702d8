import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadlines } from '../../src/pmipv6/deadlines.ts';

function heapOf(deadlines: object): unknown[] {
  return (deadlines as { heap: unknown[] }).heap;
}

describe('Deadlines', () => {
  it('an item whose deadline moves on with every refresh has one entry, however often it is watched', () => {
    const at = { value: 100 };
    const deadlines = new Deadlines<typeof at>(({ value }) => value);
    for (let now = 0; now < 10_000; now += 50) {
      at.value = now + 100;
      deadlines.watch(at);
      expect(deadlines.take(now)).toBeUndefined();
    }
    expect(deadlines.size).toBe(1);
    expect(heapOf(deadlines)).toHaveLength(1);
  });

  it('items that were forgotten long before they were due are not held until then', () => {
    const due = new Map<number, number>();
    const deadlines = new Deadlines<number>((item) => due.get(item) ?? null);
    for (let item = 0; item < 10_000; item++) {
      due.set(item, item + 1_000_000);
      deadlines.watch(item);
      // The first one is due before all others, and stays.
      if (item > 10) deadlines.forget(item - 10);
    }
    expect(deadlines.size).toBe(11);
    expect(heapOf(deadlines).length).toBeLessThan(200);
    expect(deadlines.take(1_000_000)).toBe(0);
    for (let item = 9990; item < 10_000; item++) expect(deadlines.take(item + 1_000_000)).toBe(item);
    expect(deadlines.next()).toBe(null);
  });

  it('as a slow twin: everything due comes out, nothing early, nothing twice', () => {
    const step = fc.record({ item: fc.nat(4), at: fc.option(fc.nat(50)), pass: fc.nat(10) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const due: (number | null)[] = [null, null, null, null, null];
        const deadlines = new Deadlines<number>((item) => due[item]!);
        let now = 0;
        for (const { item, at, pass } of steps) {
          due[item] = at === null ? null : now + at;
          deadlines.watch(item);
          now += pass;
          const taken: number[] = [];
          for (let one = deadlines.take(now); one !== undefined; one = deadlines.take(now)) {
            taken.push(one);
            due[one] = null;
          }
          expect(due.every((time) => time === null || time > now)).toBe(true);
          expect(new Set(taken).size).toBe(taken.length);
        }
      }),
    );
  });
});
