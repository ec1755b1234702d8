/**
 * How far the distribution strays from the weights: for each path the largest difference, over any run of successive packets,
 * between packets it got and packets due to it. That is the range of the running difference, so no window has to be looked at.
 */
export class ShareDeviation {
  readonly #shares: readonly number[];
  readonly #counts: number[];
  readonly #low: number[];
  readonly #high: number[];
  #total = 0;

  /** `shares` add up to 1. */
  constructor(shares: readonly number[]) {
    this.#shares = shares;
    this.#counts = shares.map(() => 0);
    this.#low = shares.map(() => 0);
    this.#high = shares.map(() => 0);
  }

  /** The next packet went over path number `path`. */
  count(path: number): void {
    // The difference falls until the path gets a packet and rises with it: extremes lie on both sides of it.
    const due = this.#shares[path]! * this.#total;
    const before = this.#counts[path]! - due;
    if (before < this.#low[path]!) this.#low[path] = before;
    this.#total++;
    this.#counts[path]!++;
    const after = before + 1 - this.#shares[path]!;
    if (after > this.#high[path]!) this.#high[path] = after;
  }

  /** Packets, the worst path's. */
  get largest(): number {
    let largest = 0;
    for (let path = 0; path < this.#shares.length; path++) {
      const last = this.#counts[path]! - this.#shares[path]! * this.#total;
      const low = Math.min(this.#low[path]!, last);
      largest = Math.max(largest, this.#high[path]! - low);
    }
    return largest;
  }

  get counts(): readonly number[] {
    return this.#counts;
  }
}
