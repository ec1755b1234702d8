/** Proportional rate reduction (RFC 6937) as Linux has it (tcp_cwnd_reduction): how many segments may be on their way while a recovery lasts. */
export class RateReduction {
  #delivered = 0;
  #sent = 0;
  /** The window when it began. */
  #before = 1;

  begin(window: number): void {
    this.#before = Math.max(1, Math.floor(window));
    this.#delivered = 0;
    this.#sent = 0;
  }

  /** A segment is sent. */
  send(): void {
    this.#sent++;
  }

  /**
   * The window, now that so many more segments are `delivered` and so many are in flight; `threshold` is what it comes down to. `isSound`: more
   * is acknowledged in sequence and nothing more has been found lost.
   */
  window(delivered: number, inFlight: number, threshold: number, isSound: boolean): number {
    this.#delivered += delivered;
    const room =
      inFlight > threshold
        ? Math.ceil((this.#delivered * threshold) / this.#before) - this.#sent
        : Math.min(
            threshold - inFlight,
            Math.max(this.#delivered - this.#sent, delivered) + (isSound ? 1 : 0),
          );
    // The first segment found lost always goes out at once.
    return inFlight + Math.max(room, this.#sent ? 0 : 1);
  }
}
