/**
 * How far the distribution strays from the weights: for each path the largest difference, over any run of successive packets,
 * between packets it got and packets due to it. That is the range of the running difference, so no window has to be looked at.
 */
export class ShareDeviation {
  #shares: readonly number[];
  /** Packets that were due to each path before its share changed last, and how many there were in all. */
  #dueBefore: readonly number[];
  #totalBefore = 0;
  readonly #counts: number[];
  readonly #low: number[];
  readonly #high: number[];
  #total = 0;

  /** `shares` add up to 1. */
  constructor(shares: readonly number[]) {
    this.#shares = shares;
    this.#dueBefore = shares.map(() => 0);
    this.#counts = shares.map(() => 0);
    this.#low = shares.map(() => 0);
    this.#high = shares.map(() => 0);
  }

  /** What is due from the next packet on. */
  setShares(shares: readonly number[]): void {
    this.#dueBefore = this.#shares.map((_, path) => this.due(path));
    this.#totalBefore = this.#total;
    this.#shares = shares;
  }

  /** Packets that were due to `path` so far. */
  due(path: number): number {
    return this.#dueBefore[path]! + this.#shares[path]! * (this.#total - this.#totalBefore);
  }

  /** The next packet went over path number `path`. */
  count(path: number): void {
    // The difference falls until the path gets a packet and rises with it: extremes lie on both sides of it.
    const before = this.#counts[path]! - this.due(path);
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
      const last = this.#counts[path]! - this.due(path);
      const low = Math.min(this.#low[path]!, last);
      largest = Math.max(largest, this.#high[path]! - low);
    }
    return largest;
  }

  get counts(): readonly number[] {
    return this.#counts;
  }
}
