/**
 * The receiving side of a TCP transfer: cumulative acknowledgement, SACK (RFC 2018) with D-SACK (RFC 2883), delayed acknowledgements
 * (RFC 1122 §4.2.3.2, RFC 5681 §4.2; Linux acknowledges at once at the start of a transfer). Counts in segments.
 */
import type { EventLoop } from '../event-loop.ts';
import { SACK_BLOCKS } from '../packet-store.ts';

const DELAY = 40e6;
const QUICK_ACKS = 16;

export class TcpReceiver {
  /** Next segment expected: everything before it is with the application. */
  next = 0;
  readonly #loop: EventLoop;
  readonly #number: number;
  readonly #acknowledge: (cumulative: number, blocks: readonly (readonly [number, number])[]) => void;
  /** Ranges [first, after last) beyond `next`, the one that grew last first. */
  #ranges: [number, number][] = [];
  #pending = 0;
  #quick = QUICK_ACKS;

  constructor(
    loop: EventLoop,
    acknowledge: (cumulative: number, blocks: readonly (readonly [number, number])[]) => void,
  ) {
    this.#loop = loop;
    this.#number = loop.register(() => this.#send());
    this.#acknowledge = acknowledge;
  }

  receive(segment: number, now: number): void {
    const known =
      segment < this.next || this.#ranges.some(([first, end]) => segment >= first && segment < end);
    if (known) return this.#send([segment, segment + 1]);
    if (segment !== this.next) {
      this.#insert(segment);
      return this.#send();
    }
    const hadHoles = this.#ranges.length > 0;
    this.next++;
    const joined = this.#ranges.findIndex(([first]) => first === this.next);
    if (joined >= 0) this.next = this.#ranges.splice(joined, 1)[0]![1];
    this.#pending++;
    if (hadHoles || this.#pending >= 2 || this.#quick > 0) {
      if (this.#quick > 0) this.#quick--;
      this.#send();
    } else {
      this.#loop.at(this.#number, now + DELAY);
    }
  }

  #insert(segment: number): void {
    let first = segment;
    let end = segment + 1;
    this.#ranges = this.#ranges.filter((range) => {
      if (range[1] === first) first = range[0];
      else if (range[0] === end) end = range[1];
      else return true;
      return false;
    });
    this.#ranges.unshift([first, end]);
  }

  #send(duplicate?: readonly [number, number]): void {
    this.#pending = 0;
    this.#loop.at(this.#number, Infinity);
    const blocks = duplicate ? [duplicate, ...this.#ranges] : this.#ranges;
    this.#acknowledge(this.next, blocks.slice(0, SACK_BLOCKS));
  }
}
