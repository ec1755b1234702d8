/**
 * Questions to a node whose link has failed and is there again: it may be behind a switch, have noticed nothing, and so ask for nothing.
 * Driven by access-interface.ts.
 */

const FIRST_INTERVAL_MS = 1000;
/** Twice as long each, for a switch needs half a minute to forward again (IEEE 802.1D, forward delay). */
const QUESTIONS = 7;

/** Times in milliseconds of a clock that never jumps. */
export class Inquiry {
  #left = QUESTIONS;
  #at: number;
  #interval = FIRST_INTERVAL_MS;

  /** The first question is due at once. */
  constructor(now: number) {
    this.#at = now;
  }

  /** null: all have been asked. */
  nextDeadline(): number | null {
    return this.#left ? this.#at : null;
  }

  /** Whether the node is to be asked now. */
  tick(now: number): boolean {
    if (!this.#left || now < this.#at) return false;
    this.#left--;
    this.#at = now + this.#interval;
    this.#interval *= 2;
    return true;
  }
}
