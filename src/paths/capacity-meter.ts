/**
 * What a path carries, from what arrives: while a queue stands from one probe to the next, the transmitter was never idle, and what came
 * in between is all that the path can do. Otherwise the path can do at least what came. Pure.
 */

interface Point {
  readonly timeUs: number;
  readonly octets: number;
}

/** A rate is taken over so long at most, and over so long at least: the ends' threads are late now and then. */
const LONGEST_US = 500_000;
const SHORTEST_US = 80_000;
/** Part of the difference by which a lower rate counts. A higher one counts more, for nothing brings more than the path carries. */
const DOWN = 1 / 4;
const UP = 1 / 2;

export class CapacityMeter {
  #bitsPerSecond: number | null = null;
  /** Points since a queue has stood. */
  #run: Point[] = [];

  /** Bits a second; null: the path was never full. */
  get bitsPerSecond(): number | null {
    return this.#bitsPerSecond;
  }

  /**
   * A probe came after `octets` of data in all, and it had found a queue or none; `rate`, bits a second, is what came of late. Points have to
   * come in the order of time.
   */
  add(timeUs: number, octets: number, queued: boolean, rate: number): void {
    const known = this.#bitsPerSecond;
    if (!queued) {
      this.#run = [];
      if (known !== null && rate > known) this.#bitsPerSecond = rate;
      return;
    }
    const last = this.#run.at(-1);
    if (last && (timeUs <= last.timeUs || octets < last.octets)) {
      if (octets < last.octets) this.#run = [];
      return;
    }
    this.#run.push({ timeUs, octets });
    while (this.#run.length > 2 && timeUs - this.#run[1]!.timeUs >= LONGEST_US) this.#run.shift();
    const first = this.#run[0]!;
    if (timeUs - first.timeUs < SHORTEST_US) return;
    const sample = ((octets - first.octets) * 8e6) / (timeUs - first.timeUs);
    this.#bitsPerSecond = known === null ? sample : known + (sample - known) * (sample > known ? UP : DOWN);
  }

  /** What was taken for a queue was none: what was known before it, or more if more has come since. */
  takeBack(before: number | null, rate: number): void {
    this.#run = [];
    this.#bitsPerSecond = before === null ? null : Math.max(before, rate);
  }

  /** What is being measured begins anew; what is known stays. */
  clear(): void {
    this.#run = [];
  }
}
