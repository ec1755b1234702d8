/**
 * Does the congestion window limit what is on its way, or the receiver's, or the application? Where it does not, it must not grow (RFC 7661;
 * tcp_cwnd_validate and tcp_is_cwnd_limited of Linux). Counts in segments.
 */
export class WindowUsage {
  #isLimit = true;
  /** Most segments sent and not acknowledged, until this one is acknowledged. */
  #most = 0;
  #until = 0;

  /** Nothing more can be sent now: segments from `first` up to `next` are not acknowledged, `inFlight` of them on their way. */
  note(first: number, next: number, inFlight: number, window: number): void {
    const isLimit = inFlight >= Math.floor(window);
    if (!isLimit && first < this.#until && (this.#isLimit || next - first <= this.#most)) return;
    this.#isLimit = isLimit;
    this.#most = next - first;
    this.#until = next;
  }

  /** In slow start it may be twice as large as what was sent. */
  mayGrow(window: number, isSlowStart: boolean): boolean {
    return this.#isLimit || (isSlowStart && window < 2 * this.#most);
  }
}
