/** One flow's packets in one direction, as they are sent, come out of the paths and come out of the resequencer. */
import { type Density, bufferDensity, reorderDensity } from './metrics/density.ts';
import { type Reordering, nothingReordered, summariseReordering } from './metrics/reordering.ts';

const FIRST_CAPACITY = 1024;

/** First copies in order. */
export class Arrivals {
  count = 0;
  #last = -1;
  /** Each number was higher than the one before, whatever was lost: so it is with most streams behind the resequencer. */
  #ascends = true;
  #numbers = new Int32Array(FIRST_CAPACITY);
  #times = new Float64Array(FIRST_CAPACITY);

  push(number: number, now: number): void {
    const at = this.count++;
    if (at === this.#numbers.length) this.#grow();
    if (number <= this.#last) this.#ascends = false;
    this.#last = number;
    this.#numbers[at] = number;
    this.#times[at] = now;
  }

  /** Numbers in order, and nanoseconds; views. */
  get numbers(): Int32Array {
    return this.#numbers.subarray(0, this.count);
  }

  get times(): Float64Array {
    return this.#times.subarray(0, this.count);
  }

  /** Number of the packet that was the `i`-th. */
  numberAt(i: number): number {
    return this.#numbers[i]!;
  }

  /** `sizes`: octets of each packet of the stream, by number. */
  reordering(sizes: Int32Array): Reordering {
    if (this.#isInOrder) return nothingReordered(this.count);
    return summariseReordering(this.numbers, this.times, sizes);
  }

  density(sent: number): Density[] {
    if (this.#isInOrder) return ALL_IN_PLACE;
    return reorderDensity(this.numbers, sent);
  }

  bufferDensity(sent: number): Density[] {
    if (this.#isInOrder) return ALL_IN_PLACE;
    return bufferDensity(this.numbers, sent);
  }

  /** Nothing is to be found out about what is in order. */
  get #isInOrder(): boolean {
    return this.#ascends && this.count > 0;
  }

  #grow(): void {
    this.#numbers = grownWords(this.#numbers);
    this.#times = grownTimes(this.#times);
  }
}

/** Four times as long: what is never touched takes no memory, and what has been copied was touched twice. */
const GROWTH = 4;

function grownWords(values: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(GROWTH * values.length);
  copy.set(values);
  return copy;
}

function grownTimes(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(GROWTH * values.length);
  copy.set(values);
  return copy;
}

/** Nothing displaced, nothing held. */
const ALL_IN_PLACE = [{ value: 0, share: 1 }];

export class Stream {
  sent = 0;
  /** Before and after the resequencer. */
  readonly before = new Arrivals();
  readonly after = new Arrivals();
  #sizes = new Int32Array(FIRST_CAPACITY);
  #sentAt = new Float64Array(FIRST_CAPACITY);

  /** A packet of `size` octets is sent; gives its number. */
  send(size: number, now: number): number {
    const number = this.sent++;
    if (number === this.#sizes.length) {
      this.#sizes = grownWords(this.#sizes);
      this.#sentAt = grownTimes(this.#sentAt);
    }
    this.#sizes[number] = size;
    this.#sentAt[number] = now;
    return number;
  }

  /** Octets of the packets, by number. */
  get sizes(): Int32Array {
    return this.#sizes;
  }

  /** Puts the nanoseconds that each delivered packet took to the end of its path, and through the resequencer, into two arrays, from `at` on. */
  putDelays(before: Float64Array, after: Float64Array, at: number): void {
    const arrivedAt = new Float64Array(this.sent);
    const { numbers: arrived, times: arrivals } = this.before;
    for (let i = 0; i < arrived.length; i++) arrivedAt[arrived[i]!] = arrivals[i]!;
    const { numbers, times } = this.after;
    const sentAt = this.#sentAt;
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i]!;
      const sent = sentAt[number]!;
      before[at + i] = arrivedAt[number]! - sent;
      after[at + i] = times[i]! - sent;
    }
  }
}
