/** RACK's reordering window (RFC 8985 §6.2 step 4): how much later than others a segment may come before it is taken for lost. */
const DUPLICATE_THRESHOLD = 3;
/** Recoveries for which a wider window is kept, and how wide it becomes, in quarters of the shortest round trip. */
const PERSISTS = 16;
const MOST_STEPS = 255;

export class ReorderingWindow {
  /** Segments have overtaken each other; by as much as would have been taken for a loss (tp->reordering of Linux is larger than 3). */
  isNeeded = false;
  isLarge = false;
  #steps = 1;
  #round = -1;
  #persists = 0;

  /** One came that was never sent again, after `ahead` of those behind it. */
  overtaken(ahead: number): void {
    this.isNeeded = true;
    if (ahead > DUPLICATE_THRESHOLD) this.isLarge = true;
  }

  /** D-SACK tells of a needless repetition: once a round trip, which ends with segment `roundEnd`, and only if reordering is why. */
  widen(roundEnd: number): void {
    if (!this.isNeeded || this.#round === roundEnd) return;
    this.#round = roundEnd;
    this.#steps = Math.min(MOST_STEPS, this.#steps + 1);
    this.#persists = PERSISTS;
  }

  /** D-SACK tells that all repetitions of a recovery were needless. */
  refuted(): void {
    this.#persists = Math.min(PERSISTS, this.#persists + 1);
  }

  /** A recovery is over, and was not wrong. */
  recovered(): void {
    if (this.#persists && --this.#persists === 0) this.#steps = 1;
  }

  /** Nanoseconds; `sacked` segments are known beyond the first that is missing, `isRecovering` from a loss. */
  width(minRtt: number, smoothedRtt: number, isRecovering: boolean, sacked: number): number {
    if (!this.isNeeded && (isRecovering || sacked >= DUPLICATE_THRESHOLD)) return 0;
    return Math.min((minRtt / 4) * this.#steps, smoothedRtt);
  }
}
