/**
 * How long the thread of readiness.ts rests before it looks again. A few reports may follow each other at once; where more come, they come in
 * even steps, and each is of all that has arrived meanwhile: waking the control thread, and having nothing in its caches when it wakes, costs more
 * than a message. Pure.
 */

/** Reports that may come one after the other without a rest. */
const PROMPT_REPORTS = 8;
/** From one report to the next, if many come: far less than any timer of a protocol whose sockets are watched. */
const STEP_MS = 10;

export class ReportPace {
  #credit = PROMPT_REPORTS;
  #last = -Infinity;

  /** To be called with the milliseconds of any clock after each report; gives the milliseconds to rest, 0 for none. */
  restAfterReport(nowMs: number): number {
    this.#credit = Math.min(PROMPT_REPORTS, this.#credit + (nowMs - this.#last) / STEP_MS) - 1;
    this.#last = nowMs;
    return Math.max(0, -this.#credit * STEP_MS);
  }
}
