/** One flow's packets in one direction, as they are sent, come out of the paths and come out of the resequencer. */
import { type Density, bufferDensity, reorderDensity } from './metrics/density.ts';
import { type Reordering, summariseReordering } from './metrics/reordering.ts';

const FIRST_CAPACITY = 1024;

/** First copies in order. */
export class Arrivals {
  count = 0;
  #numbers = new Int32Array(FIRST_CAPACITY);
  #times = new Float64Array(FIRST_CAPACITY);
  #sizes = new Int32Array(FIRST_CAPACITY);

  push(number: number, size: number, now: number): void {
    const at = this.count++;
    if (at === this.#numbers.length) this.#grow();
    this.#numbers[at] = number;
    this.#times[at] = now;
    this.#sizes[at] = size;
  }

  /** Number of the packet that was the `i`-th. */
  numberAt(i: number): number {
    return this.#numbers[i]!;
  }

  reordering(): Reordering {
    const { count } = this;
    return summariseReordering(
      this.#numbers.subarray(0, count),
      this.#times.subarray(0, count),
      this.#sizes.subarray(0, count),
    );
  }

  density(sent: number): Density[] {
    if (this.#isInOrder) return ALL_IN_PLACE;
    return reorderDensity(this.#numbers.subarray(0, this.count), sent);
  }

  bufferDensity(sent: number): Density[] {
    if (this.#isInOrder) return ALL_IN_PLACE;
    return bufferDensity(this.#numbers.subarray(0, this.count), sent);
  }

  /** Something arrived, and in order, whatever was lost: most streams do behind the resequencer. */
  get #isInOrder(): boolean {
    const numbers = this.#numbers;
    for (let i = 1; i < this.count; i++) if (numbers[i - 1]! >= numbers[i]!) return false;
    return this.count > 0;
  }

  #grow(): void {
    const numbers = new Int32Array(2 * this.#numbers.length);
    const times = new Float64Array(numbers.length);
    const sizes = new Int32Array(numbers.length);
    numbers.set(this.#numbers);
    times.set(this.#times);
    sizes.set(this.#sizes);
    this.#numbers = numbers;
    this.#times = times;
    this.#sizes = sizes;
  }
}

/** Nothing displaced, nothing held. */
const ALL_IN_PLACE = [{ value: 0, share: 1 }];

/** A bit a number. */
class NumberSet {
  #words = new Int32Array(FIRST_CAPACITY);

  /** False if it was in it. */
  add(number: number): boolean {
    const word = number >>> 5;
    const bit = 1 << (number & 31);
    while (word >= this.#words.length) {
      const words = new Int32Array(2 * this.#words.length);
      words.set(this.#words);
      this.#words = words;
    }
    const before = this.#words[word]!;
    this.#words[word] = before | bit;
    return !(before & bit);
  }
}

export class Stream {
  sent = 0;
  sentOctets = 0;
  deliveredOctets = 0;
  /** Before and after the resequencer. */
  readonly before = new Arrivals();
  readonly after = new Arrivals();
  readonly #arrived = new NumberSet();
  readonly #delivered = new NumberSet();

  arrived(number: number, size: number, now: number): void {
    // Copies of a redundant scheduler or of a link: only the first counts (RFC 4737 §3.3).
    if (this.#arrived.add(number)) this.before.push(number, size, now);
  }

  /** False: a copy of what was delivered before, which gets through where packets have no sequence numbers. */
  delivered(number: number, size: number, now: number): boolean {
    const isFirst = this.#delivered.add(number);
    if (isFirst) {
      this.deliveredOctets += size;
      this.after.push(number, size, now);
    }
    return isFirst;
  }
}
