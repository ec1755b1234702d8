/**
 * Delay of one direction of a path, or of a round trip, from samples: smoothed, smallest of late, how much of it is queue, and jitter
 * (RFC 3550 §6.4.1). One-way samples are differences of two clocks: only their differences mean anything. Pure.
 */

/** The smallest of this long is the delay of the empty path: long enough to see it empty, short enough to follow a new route. */
const BASE_WINDOW_US = 30e6;

/** So many samples are remembered one by one. */
const REMEMBERED = 16;
/** Deviations that a delay seldom exceeds its mean by (RFC 6298 §2.3). */
const DEVIATIONS = 4;

export class DelayMeter {
  readonly #samples = new Float64Array(REMEMBERED);
  #count = 0;
  #smoothed = 0;
  #variation = 0;
  #jitter = 0;
  #last: number | null = null;
  /** Smallest of the present window and of the one before. */
  #smallest = Infinity;
  #before = Infinity;
  #windowStart = -Infinity;

  add(sampleUs: number, nowUs: number): void {
    if (nowUs - this.#windowStart > BASE_WINDOW_US) {
      this.#before = this.#smallest;
      this.#smallest = Infinity;
      this.#windowStart = nowUs;
    }
    this.#smallest = Math.min(this.#smallest, sampleUs);
    if (this.#last === null) {
      this.#smoothed = sampleUs;
    } else {
      const step = Math.abs(sampleUs - this.#last);
      this.#jitter += (step - this.#jitter) / 16;
      this.#variation += (Math.abs(sampleUs - this.#smoothed) - this.#variation) / 4;
      this.#smoothed += (sampleUs - this.#smoothed) / 4;
    }
    this.#last = sampleUs;
    this.#samples[this.#count++ % REMEMBERED] = sampleUs;
  }

  /** The path has become longer: what it took before says nothing any more. */
  becomeLonger(smallestUs: number, nowUs: number): void {
    this.#smallest = smallestUs;
    this.#before = Infinity;
    this.#windowStart = nowUs;
  }

  /** The smallest is that of what comes from now on: the path may be another one. */
  forgetSmallest(): void {
    this.#smallest = Infinity;
    this.#before = Infinity;
    this.#windowStart = -Infinity;
  }

  get measured(): boolean {
    return this.#last !== null;
  }

  get smoothedUs(): number {
    return this.#smoothed;
  }

  /** Whether there have been enough samples to say what it seldom exceeds. */
  get settled(): boolean {
    return this.#count > REMEMBERED;
  }

  /** What it seldom exceeds: mean and four deviations, but no more than it was of late. */
  get lateUs(): number {
    let latest = -Infinity;
    for (const sample of this.#samples) latest = Math.max(latest, sample);
    return Math.min(this.#smoothed + DEVIATIONS * this.#variation, latest);
  }

  /** Of the last 30 to 60 s. */
  get smallestUs(): number {
    return Math.min(this.#smallest, this.#before);
  }

  /** What the path's queues add to its smallest delay. */
  get queueUs(): number {
    return this.measured ? Math.max(0, this.#smoothed - this.smallestUs) : 0;
  }

  get jitterUs(): number {
    return this.#jitter;
  }

  /** Mean deviation, as RFC 6298 has it. */
  get variationUs(): number {
    return this.#variation;
  }
}
