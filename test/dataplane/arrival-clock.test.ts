/** When probes arrived, by clocks that are made up. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArrivalClock } from '../../src/dataplane/arrival-clock.ts';

const EPOCH_US = 1.8e15;

/** A clock at `now`, and stamps of the kernel by its CLOCK_REALTIME. */
function clockAt(now: number) {
  const state = { now, ahead: EPOCH_US };
  const clock = new ArrivalClock({
    monotonic: () => state.now,
    realtime: () => state.now + state.ahead,
  });
  return { state, clock, stamp: (at: number) => at + state.ahead };
}

test('what was read late has arrived when the kernel says', () => {
  const { clock, state, stamp } = clockAt(5e6);
  clock.look();
  expect(clock.arrival({ readUs: 5e6, stampUs: stamp(5e6 - 30_000) })).toBe(5e6 - 30_000);
  state.now += 1e5;
  clock.look();
  expect(clock.arrival({ readUs: state.now, stampUs: stamp(state.now - 12) })).toBe(state.now - 12);
});

test('without a stamp, or with one that cannot be, it has arrived when it was read', () => {
  const { clock, stamp } = clockAt(5e6);
  expect(clock.arrival({ readUs: 5e6, stampUs: stamp(4.9e6) })).toBe(5e6);
  clock.look();
  for (const stampUs of [0, stamp(5e6 + 1000), stamp(0)])
    expect(clock.arrival({ readUs: 5e6, stampUs })).toBe(5e6);
});

test('CLOCK_REALTIME is set: stamps of before are not believed, later ones are; the slewing of NTP is no step', () => {
  fc.assert(
    fc.property(fc.integer({ min: -4e9, max: 4e9 }), fc.integer({ min: 0, max: 250_000 }), (step, late) => {
      const { clock, state, stamp } = clockAt(5e6);
      clock.look();
      state.now += 250_000;
      const before = stamp(state.now - late);
      state.ahead += step;
      clock.look();
      const arrival = clock.arrival({ readUs: state.now, stampUs: before });
      // What is not taken for a step is less than what a queue is.
      expect(Math.abs(arrival - (state.now - late))).toBeLessThanOrEqual(Math.max(late, 1000));
      expect(arrival).toBeLessThanOrEqual(state.now);
      state.now += 250_000;
      state.ahead += 125;
      clock.look();
      expect(clock.arrival({ readUs: state.now, stampUs: stamp(state.now - late) })).toBe(state.now - late);
    }),
  );
});
