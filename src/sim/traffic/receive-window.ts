/**
 * How far the receiver's window opens: dynamic right-sizing (Fisk and Feng 2001) as in Linux since 6.18 (tcp_rcv_space_adjust,
 * tcp_rcvbuf_grow): twice what came in the last round trip, as it will be one late, and more where that grows. The application reads at once.
 * Counts in segments.
 */

/** 64 KiB, half of tcp_rmem's default; what a round trip brings before it is measured: the initial window of RFC 6928. */
export const FIRST_WINDOW = 46;
const FIRST_SPACE = 10;
/** What the largest buffer admits: 6 MB of payload, for which `compare --real` sets tcp_rmem to 16 MB. */
const LARGEST_WINDOW = 4096;

export class ReceiveWindow {
  segments = FIRST_WINDOW;
  /** Most segments that came in a round trip. */
  #space = FIRST_SPACE;
  /** Since when, and from which segment on, this round trip is measured. */
  #since: number;
  #from = 0;
  /** Round trip, smoothed, but a shorter one counts at once; nanoseconds; Infinity: none was measured. */
  #rtt = Infinity;

  /** `now`: when the connection was established, nanoseconds. */
  constructor(now: number) {
    this.#since = now;
  }

  /** Data answer what was sent to their sender `rtt` nanoseconds ago. */
  measure(rtt: number): void {
    if (rtt < this.#rtt) this.#rtt = rtt;
    else this.#rtt += (rtt - this.#rtt) / 8;
  }

  /** All up to segment `next` is with the application; beyond that segments are known up to `end`. */
  advance(next: number, end: number, now: number): void {
    if (now - this.#since < this.#rtt) return;
    const came = next - this.#from;
    this.#since = now;
    this.#from = next;
    if (came <= this.#space) return;
    const doubled = 2 * came;
    const growth = (doubled * (came - this.#space)) / this.#space;
    this.#space = came;
    this.#open(doubled + 2 * growth, next, end);
  }

  /** What came is out of sequence, and waits for `next`. */
  hold(next: number, end: number): void {
    this.#open(2 * this.#space, next, end);
  }

  #open(room: number, next: number, end: number): void {
    const window = Math.floor(room) + Math.max(0, end - next);
    this.segments = Math.min(LARGEST_WINDOW, Math.max(this.segments, window));
  }
}
