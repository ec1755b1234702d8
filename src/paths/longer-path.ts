/**
 * Notices that a path has become longer, by another route for example: a queue follows what is sent, the length of a path does not. While
 * every probe takes longer than the path's smallest delay allows, seconds are compared. If the least delay of each is the same although
 * what came over the path was not, that delay is the path's. Pure; direction-meter.ts asks.
 */

interface Second {
  readonly leastUs: number;
  /** Bits a second that came in it. */
  readonly rate: number;
}

const SECOND_US = 1e6;
/** Fewer probes in a second do not show its least delay. */
const LEAST_PROBES = 3;
/** Seconds that are compared. */
const REMEMBERED = 8;
/** Least delays that differ by no more, or by no more than this part of what they are above the smallest, are the same. */
const SAME_US = 1500;
const SAME_PART = 1 / 8;
/** What came has changed if it fell or rose by this part. */
const CHANGED = 1 / 4;
/** Bits a second that leave no queue behind. */
const NOTHING = 64_000;

export class LongerPath {
  #seconds: Second[] = [];
  #began: { readonly atUs: number; readonly octets: number } | null = null;
  #leastUs = Infinity;
  #probes = 0;

  /** Whether every probe of late was above the smallest delay. */
  get inDoubt(): boolean {
    return this.#began !== null;
  }

  /** The path is as short as it was. */
  clear(): void {
    this.#seconds = [];
    this.#began = null;
  }

  /**
   * A probe came at `atUs` after `octets` of data in all, and took `delayUs`, `queueUs` more than the smallest. Gives the path's new smallest
   * delay, or null.
   */
  add(delayUs: number, queueUs: number, octets: number, atUs: number): number | null {
    if (!this.#began || octets < this.#began.octets) this.#begin(octets, atUs);
    this.#leastUs = Math.min(this.#leastUs, delayUs);
    this.#probes++;
    const { atUs: from, octets: before } = this.#began!;
    if (atUs - from < SECOND_US) return null;
    const second = { leastUs: this.#leastUs, rate: ((octets - before) * 8e6) / (atUs - from) };
    const enough = this.#probes >= LEAST_PROBES;
    this.#begin(octets, atUs);
    if (!enough) return null;
    const same = Math.max(SAME_US, queueUs * SAME_PART);
    this.#seconds = [...this.#seconds, second].slice(-REMEMBERED);
    const alike = this.#seconds.findLastIndex(({ leastUs }) => Math.abs(leastUs - second.leastUs) > same);
    this.#seconds = this.#seconds.slice(alike + 1);
    return this.#isLonger() ? Math.min(...this.#seconds.map(({ leastUs }) => leastUs)) : null;
  }

  #begin(octets: number, atUs: number): void {
    this.#began = { atUs, octets };
    this.#leastUs = Infinity;
    this.#probes = 0;
  }

  #isLonger(): boolean {
    if (this.#seconds.length < 2) return false;
    const rates = this.#seconds.map(({ rate }) => rate);
    const most = Math.max(...rates);
    return most < NOTHING || Math.min(...rates) < most * (1 - CHANGED);
  }
}
