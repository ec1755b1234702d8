/** The heap of appointments against a list that is searched: actors make, move and cancel their own and each other's. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventLoop } from '../../src/sim/event-loop.ts';

const ACTORS = 6;

/** At most one appointment an actor; of the same instant the actor with the lowest number is first. */
class SlowLoop {
  now = 0;
  readonly due = Array<number>(ACTORS).fill(Infinity);

  at(actor: number, time: number): void {
    this.due[actor] = Math.max(time, this.now);
  }

  /** Number of the next actor to run, whose appointment is then over; -1 if there is none up to `end`. */
  next(end: number): number {
    const time = Math.min(...this.due);
    if (time > end || time === Infinity) return -1;
    this.now = time;
    const actor = this.due.indexOf(time);
    this.due[actor] = Infinity;
    return actor;
  }
}

/** What an actor does when it runs: appointments for itself and others, some of them in the past, some cancelled. */
const action = fc.array(
  fc.record({
    actor: fc.nat({ max: ACTORS - 1 }),
    after: fc.oneof(fc.integer({ min: -3, max: 12 }), fc.constant(Infinity)),
  }),
  { maxLength: 3 },
);

it('runs actors as a list would, whatever they do with appointments while they run', () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 60 }), (actions) => {
      const slow = new SlowLoop();
      const fast = new EventLoop();
      const ran: string[] = [];
      const expected: string[] = [];
      for (let i = 0; i < ACTORS; i++) {
        fast.register((now) => {
          ran.push(`${i} at ${now}`);
          expect(fast.due(i)).toBe(Infinity);
          for (const { actor, after } of actions[ran.length] ?? []) fast.at(actor, now + after);
        });
      }
      for (const { actor, after } of actions[0]!) {
        fast.at(actor, after);
        slow.at(actor, after);
      }
      const half = 20;
      fast.run(half);
      expect(fast.now).toBe(half);
      fast.run(Infinity);
      for (const end of [half, Infinity]) {
        for (let actor = slow.next(end); actor >= 0; actor = slow.next(end)) {
          expected.push(`${actor} at ${slow.now}`);
          for (const { actor: other, after } of actions[expected.length] ?? [])
            slow.at(other, slow.now + after);
        }
        slow.now = end;
      }
      expect(ran).toEqual(expected);
      expect(fast.events).toBe(ran.length);
    }),
    { numRuns: 500 },
  );
});

it('has room for many actors', () => {
  const loop = new EventLoop();
  const ran: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const number = loop.register(() => void ran.push(i));
    loop.at(number, 1000 - i);
  }
  loop.run(Infinity);
  expect(ran).toEqual(Array.from({ length: 1000 }, (_, i) => 999 - i));
});
