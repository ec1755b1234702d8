/**
 * Was it wrong to send segments again, and to make the window smaller? The timestamp that an acknowledgement echoes is older than the first
 * repetition: the original has arrived (Eifel, RFC 3522 and RFC 4015). Or D-SACK tells that every repetition has arrived twice (RFC 3708).
 * Both as in Linux (tcp_may_undo, net/ipv4/tcp_input.c). Timestamps are milliseconds, as they are there.
 */
const NEVER = -1;

export class Undo {
  /** There is something to take back. */
  #isArmed = false;
  /** Timestamp of the first repetition. */
  #firstRepeated = NEVER;
  /** Repetitions of which nobody has said that they were needless; NEVER: there were none. */
  #repeated = NEVER;

  /** The window becomes smaller while `underway` repetitions are on their way still. */
  begin(underway: number): void {
    this.#isArmed = true;
    this.#firstRepeated = NEVER;
    this.#repeated = underway || NEVER;
  }

  /** A segment is sent again at `stamp`. */
  repeat(stamp: number): void {
    if (this.#firstRepeated === NEVER) this.#firstRepeated = stamp;
    this.#repeated = Math.max(this.#repeated, 0) + 1;
  }

  /** D-SACK tells that so many segments came twice. */
  duplicate(segments: number): void {
    if (this.#repeated > 0) this.#repeated = Math.max(0, this.#repeated - segments);
  }

  /** `echo`: the timestamp in an acknowledgement that moves on. */
  isDelayed(echo: number): boolean {
    return this.#isArmed && this.#firstRepeated !== NEVER && echo < this.#firstRepeated;
  }

  /** All that was sent again came twice. */
  get isRefuted(): boolean {
    return this.#isArmed && this.#repeated === 0;
  }

  /** It has been taken back. */
  end(): void {
    this.#isArmed = false;
  }
}
