/**
 * The retransmission time-out of Linux (tcp_rtt_estimator, net/ipv4/tcp_input.c): RFC 6298, but the variation counts 200 ms at least, grows at once
 * with the largest deviation of a round trip and falls by a quarter of the difference once a round trip. Nanoseconds.
 */
const FIRST_RTO = 1e9;
const SHORTEST_VARIATION = 200e6;
const LONGEST_RTO = 120e9;

export class RetransmissionTimeout {
  /** Smoothed round trip; 0: none was measured. */
  smoothed = 0;
  /** Four times the mean deviation; the same as it counts; and the largest of this round trip. */
  #deviation = 0;
  #variation = 0;
  #largest = 0;
  /** The round trip is over when this segment is acknowledged. */
  #roundEnd = 0;

  /** `acknowledged`: the segments before this one; `next`: the one that is sent next. */
  measure(rtt: number, acknowledged: number, next: number): void {
    if (!this.smoothed) {
      this.smoothed = rtt;
      this.#deviation = 2 * rtt;
      this.#variation = this.#largest = Math.max(this.#deviation, SHORTEST_VARIATION);
      this.#roundEnd = next;
      return;
    }
    const error = rtt - this.smoothed;
    this.smoothed += error / 8;
    let change = Math.abs(error) - this.#deviation / 4;
    // A round trip that is shorter says little of how long one may be.
    if (error < 0 && change > 0) change /= 8;
    this.#deviation += change;
    if (this.#deviation > this.#largest) {
      this.#largest = this.#deviation;
      this.#variation = Math.max(this.#variation, this.#largest);
    }
    if (acknowledged <= this.#roundEnd) return;
    if (this.#largest < this.#variation) this.#variation -= (this.#variation - this.#largest) / 4;
    this.#roundEnd = next;
    this.#largest = SHORTEST_VARIATION;
  }

  /** `backoff`: twice as much after each time-out in a row, 1 at first. */
  wait(backoff: number): number {
    const wait = this.smoothed ? this.smoothed + this.#variation : FIRST_RTO;
    return Math.min(wait * backoff, LONGEST_RTO);
  }
}
