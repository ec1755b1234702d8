/**
 * Finds out that large packets do not arrive although small ones do and no ICMP error says why (a black hole, RFC 2923 §2.1), and which size
 * does arrive, by padded probes, after RFC 8899 (packetization layer path MTU discovery). Of one sending direction of one path.
 * Pure; path-monitor.ts sends what it says.
 *
 *   confirming --MOST_LOST of the size in use lost--> base --arrives--> searching --narrow enough--> confirming
 *        ^ after RAISE_US the largest is tried again    |  lost: again later                             |
 *        +-----------------------------------------------------------------------------------------------+
 */

/** How often the size in use is confirmed while there are data. */
const CONFIRM_US = 5e6;
/** So many in a row have to be lost (MAX_PROBES of RFC 8899 §5.1.2), or as many as are lost by chance once in CHANCE of times. */
const MOST_LOST = 3;
const CHANCE = 1e-8;
/** Where more probes get lost than this share, nothing can be said. */
const LOSSY = 0.2;
/** BASE_PLPMTU for datagrams (RFC 8899 §5.1.2). */
const BASE = 1200;
/** The search ends when it is known to so many octets. */
const STEP = 8;
/** PMTU_RAISE_TIMER (RFC 8899 §5.1.1). */
const RAISE_US = 600e6;
/** An answer that takes longer than this and four round trips is lost. */
const PATIENCE_US = 300_000;
/** So many small probes have to be answered after a large one before it counts as lost. */
const SMALL_ONES = 2;

/** What is to be known now: packets larger than `octets` do not arrive; null: all do. */
export interface MtuFinding {
  readonly octets: number | null;
}

interface Pending {
  readonly size: number;
  readonly sentUs: number;
  /** Small probes that had been answered by then. */
  readonly answered: number;
}

export class MtuSearch {
  #phase: 'confirming' | 'base' | 'searching' = 'confirming';
  /** Largest packet that may be sent, as far as anybody else says. */
  #most: number;
  /** The size in use. */
  #current: number;
  /** While searching: arrives, and does not. */
  #low = 0;
  #high = 0;
  #pending: Pending | null = null;
  #lost = 0;
  #dueUs: number;
  #raiseUs = Infinity;

  constructor(most: number, nowUs: number) {
    this.#most = most;
    this.#current = most;
    this.#dueUs = nowUs + CONFIRM_US;
  }

  /** Octets that arrive, if they are less than what was hoped; null: as many as may be sent. */
  get found(): number | null {
    return this.#current < this.#most ? this.#current : null;
  }

  /** Somebody else says how much may be sent. True if that makes what was found superfluous. */
  setMost(most: number, nowUs: number): boolean {
    if (most === this.#most) return false;
    const had = this.found !== null;
    this.#most = most;
    this.#current = most;
    this.#phase = 'confirming';
    this.#pending = null;
    this.#lost = 0;
    this.#raiseUs = Infinity;
    this.#dueUs = Math.min(this.#dueUs, nowUs + CONFIRM_US);
    return had;
  }

  /**
   * To be called with each small probe. `answered`: small probes that were answered so far; `loss`: share of them that is not; `idle`: no data flow. Gives the size of a padded
   * probe that is to be sent now, and what has come out.
   */
  next(
    nowUs: number,
    answered: number,
    roundUs: number,
    loss: number,
    idle: boolean,
  ): { size: number | null; finding: MtuFinding | null } {
    const pending = this.#pending;
    let finding: MtuFinding | null = null;
    if (pending) {
      if (nowUs - pending.sentUs < PATIENCE_US + 4 * roundUs) return { size: null, finding };
      this.#pending = null;
      // Without answers to small ones the path is dead, or lossy: that says nothing about sizes.
      if (answered - pending.answered < SMALL_ONES || loss > LOSSY) this.#dueUs = nowUs + CONFIRM_US;
      else if (++this.#lost >= leastLost(loss)) finding = this.#fail(pending.size, nowUs);
    }
    const size = this.#wanted(nowUs, idle);
    if (size !== null) this.#pending = { size, sentUs: nowUs, answered };
    return { size, finding };
  }

  #wanted(nowUs: number, idle: boolean): number | null {
    if (this.#phase === 'searching') return (this.#low + this.#high) >> 1;
    if (this.#phase === 'base') return nowUs >= this.#dueUs ? BASE : null;
    if (nowUs >= this.#raiseUs) return this.#most;
    return this.#lost || (nowUs >= this.#dueUs && !idle) ? this.#current : null;
  }

  /** A padded probe was answered. */
  answered(nowUs: number): MtuFinding | null {
    const pending = this.#pending;
    this.#pending = null;
    this.#lost = 0;
    if (!pending) return null;
    const { size } = pending;
    this.#dueUs = nowUs + CONFIRM_US;
    switch (this.#phase) {
      case 'confirming':
        if (size <= this.#current) return null;
        this.#current = size;
        this.#raiseUs = Infinity;
        return { octets: null };
      case 'base':
        this.#phase = 'searching';
        this.#low = size;
        this.#current = size;
        return this.#narrow(nowUs) ?? { octets: size };
      case 'searching':
        this.#low = size;
        return this.#narrow(nowUs);
    }
  }

  #fail(size: number, nowUs: number): MtuFinding | null {
    this.#lost = 0;
    this.#dueUs = nowUs + CONFIRM_US;
    switch (this.#phase) {
      case 'confirming':
        if (size > this.#current) {
          this.#raiseUs = nowUs + RAISE_US;
        } else if (size > BASE) {
          this.#phase = 'base';
          this.#high = size;
          this.#dueUs = nowUs;
        }
        return null;
      case 'base':
        return null;
      case 'searching':
        this.#high = size;
        return this.#narrow(nowUs);
    }
  }

  /** Ends the search if it is narrow enough. */
  #narrow(nowUs: number): MtuFinding | null {
    if (this.#high - this.#low > STEP) return null;
    this.#phase = 'confirming';
    this.#current = this.#low;
    this.#raiseUs = nowUs + RAISE_US;
    return { octets: this.#low };
  }
}

/** How many in a row are not lost by chance. */
function leastLost(loss: number): number {
  return loss < 1e-3 ? MOST_LOST : Math.max(MOST_LOST, Math.ceil(Math.log(CHANCE) / Math.log(loss)));
}
