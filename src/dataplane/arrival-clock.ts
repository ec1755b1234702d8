/**
 * When a packet arrived: a thread that was not scheduled reads late, but the kernel stamps what it receives (SO_TIMESTAMPNS, socket(7)), by a
 * clock that people and NTP set. What cannot be believed is taken to have arrived when it was read. Used by probe-port.ts.
 */
import { realtimeMicroseconds } from '../net/libc.ts';
import { monotonicMicroseconds } from './clock.ts';

export interface Clocks {
  /** Microseconds of CLOCK_MONOTONIC and CLOCK_REALTIME. */
  readonly monotonic: () => number;
  readonly realtime: () => number;
}

const HOST_CLOCKS: Clocks = { monotonic: monotonicMicroseconds, realtime: realtimeMicroseconds };

/** A look at both clocks that took longer was interrupted. */
const LOOK_US = 20;
const LOOKS = 5;
/** More than NTP slews (500 in a million, adjtimex(2)) and than a look may be wrong by: the clock was set. */
const SLEW = 1e-3;
const STEP_US = 200;
/** Nobody reads so late. */
const MOST_LATE_US = 3e6;

export class ArrivalClock {
  readonly #clocks: Clocks;
  /** What CLOCK_REALTIME is ahead of CLOCK_MONOTONIC, and when that was seen. */
  #ahead: { readonly us: number; readonly at: number } | null = null;
  #steady = false;

  constructor(clocks: Clocks = HOST_CLOCKS) {
    this.#clocks = clocks;
  }

  /** To be called before arrival() is asked about what has come since the last call. */
  look(): void {
    const before = this.#ahead;
    const now = this.#compare();
    this.#ahead = now;
    this.#steady = before === null || Math.abs(now.us - before.us) <= STEP_US + (now.at - before.at) * SLEW;
  }

  /** Microseconds of CLOCK_MONOTONIC when what was read at `readUs` arrived; `stampUs`: the kernel's stamp, 0 without. */
  arrival({ readUs, stampUs }: { readonly readUs: number; readonly stampUs: number }): number {
    if (!stampUs || !this.#ahead || !this.#steady) return readUs;
    const arrival = Math.floor(stampUs - this.#ahead.us);
    return arrival <= readUs && arrival >= readUs - MOST_LATE_US ? arrival : readUs;
  }

  #compare(): { us: number; at: number } {
    let best = { us: 0, at: 0, took: Infinity };
    for (let i = 0; i < LOOKS && best.took > LOOK_US; i++) {
      const from = this.#clocks.monotonic();
      const real = this.#clocks.realtime();
      const to = this.#clocks.monotonic();
      if (to - from < best.took) best = { us: real - (from + to) / 2, at: to, took: to - from };
    }
    return best;
  }
}
