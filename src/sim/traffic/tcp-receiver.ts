/**
 * The receiving side of a TCP transfer: cumulative acknowledgement, SACK (RFC 2018) with D-SACK (RFC 2883), delayed acknowledgements
 * (RFC 1122 §4.2.3.2, RFC 5681 §4.2; Linux acknowledges at once at the start of a transfer). What comes at the same moment, is
 * in sequence and has the same timestamps comes as one super-packet, which the tunnel makes for the TUN, and gets one acknowledgement. Counts
 * in segments.
 */
import type { EventLoop } from '../event-loop.ts';
import { ReceiveWindow } from './receive-window.ts';
import { timestamp } from './timestamp.ts';

/** `window` segments may be sent beyond `cumulative`; `ranges` are known behind it, of which the first are to go into the segment. */
export type Acknowledge = (
  cumulative: number,
  echo: number,
  window: number,
  ranges: readonly (readonly [number, number])[],
) => void;

const DELAY = 40e6;
const QUICK_ACKS = 16;
/** Segments of 1416 octets that fit into a super-packet of 64 KiB. */
const SUPER_PACKET = 46;

export class TcpReceiver {
  /** Next segment expected: everything before it is with the application. */
  next = 0;
  readonly #loop: EventLoop;
  readonly #number: number;
  readonly #acknowledge: Acknowledge;
  readonly #window: ReceiveWindow;
  /** Ranges [first, after last) beyond `next`, the one that grew last first. */
  #ranges: [number, number][] = [];
  /** The super-packet that is coming: [first, after last). */
  #first = 0;
  #end = 0;
  #stamp = 0;
  #echo = 0;
  #pending = 0;
  #quick = QUICK_ACKS;
  /** What the last acknowledgement said. */
  #acknowledged = 0;
  /** Timestamp to echo: of the segment that the last acknowledgement waited for (RFC 7323 §4.3). */
  #recent = 0;
  #lastEcho = 0;

  /** `establishedAt`: when the connection was, nanoseconds. */
  constructor(loop: EventLoop, establishedAt: number, acknowledge: Acknowledge) {
    this.#loop = loop;
    this.#number = loop.register(() => this.#send());
    this.#window = new ReceiveWindow(establishedAt);
    this.#acknowledge = acknowledge;
  }

  receive(segment: number, stamp: number, echo: number, now: number): void {
    const isNext = segment === this.#end && stamp === this.#stamp && echo === this.#echo;
    if (!isNext || this.#end - this.#first === SUPER_PACKET) {
      this.burstOver(now);
      this.#first = segment;
      this.#stamp = stamp;
      this.#echo = echo;
    }
    this.#end = segment + 1;
  }

  /** The super-packet is complete: what Linux does with it. */
  burstOver(now: number): void {
    const first = this.#first;
    const end = this.#end;
    if (first === end) return;
    this.#first = end;
    if (first <= this.#acknowledged && this.#stamp > this.#recent) this.#recent = this.#stamp;
    if (this.#echo !== this.#lastEcho) {
      this.#lastEcho = this.#echo;
      this.#window.measure(Math.max(1, timestamp(now) - this.#echo) * 1e6);
    }
    if (end <= this.next || this.#isHeld(first, end)) {
      this.#send([first, end]);
      return;
    }
    if (first > this.next) {
      this.#insert(first, end);
      this.#window.hold(this.next, this.#heldUpTo);
      this.#send();
      return;
    }
    const hadHoles = this.#ranges.length > 0;
    this.#pending += end - this.next;
    this.next = end;
    if (hadHoles) this.#closeHoles();
    this.#window.advance(this.next, this.#heldUpTo, now);
    if (hadHoles || this.#pending >= 2 || this.#quick > 0) {
      if (this.#quick > 0) this.#quick--;
      this.#send();
    } else {
      this.#loop.at(this.#number, now + DELAY);
    }
  }

  #isHeld(first: number, end: number): boolean {
    return this.#ranges.length > 0 && this.#ranges.some((range) => first >= range[0] && end <= range[1]);
  }

  get #heldUpTo(): number {
    return this.#ranges.reduce((end, range) => Math.max(end, range[1]), 0);
  }

  /** What is in sequence by now is with the application. */
  #closeHoles(): void {
    this.#ranges = this.#ranges.filter((range) => {
      if (range[0] > this.next) return true;
      this.next = Math.max(this.next, range[1]);
      return false;
    });
  }

  /** Joins the range with those that it touches or overlaps; the result comes first. */
  #insert(from: number, to: number): void {
    let first = from;
    let end = to;
    this.#ranges = this.#ranges.filter((range) => {
      if (range[0] > end || range[1] < first) return true;
      first = Math.min(first, range[0]);
      end = Math.max(end, range[1]);
      return false;
    });
    this.#ranges.unshift([first, end]);
  }

  #send(duplicate?: readonly [number, number]): void {
    this.#pending = 0;
    this.#loop.at(this.#number, Infinity);
    this.#acknowledged = this.next;
    const ranges = duplicate ? [duplicate, ...this.#ranges] : this.#ranges;
    this.#acknowledge(this.next, this.#recent, this.#window.segments, ranges);
  }
}
