/** The congestion window now and then, for the time series of a result. */
const MOST = 4000;
const EVERY_NS = 10e6;

export class WindowSamples {
  /** Nanoseconds, segments. */
  readonly samples: { time: number; window: number }[] = [];
  #last = -Infinity;

  add(now: number, window: number): void {
    if (now - this.#last < EVERY_NS || this.samples.length >= MOST) return;
    this.#last = now;
    this.samples.push({ time: now, window });
  }
}
