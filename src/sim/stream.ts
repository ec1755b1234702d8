/** One flow's packets in one direction, as they are sent, come out of the paths and come out of the resequencer. */
import { type Density, bufferDensity, reorderDensity } from './metrics/density.ts';
import { Collected } from './metrics/distribution.ts';
import { type Reordering, summariseReordering } from './metrics/reordering.ts';

/** First copies in order. */
export class Arrivals {
  readonly numbers = new Collected();
  readonly times = new Collected();
  readonly sizes = new Collected();

  reordering(): Reordering {
    return summariseReordering(this.numbers.values, this.times.values, this.sizes.values);
  }

  density(sent: number): Density[] {
    if (this.#isWhole(sent)) return ALL_IN_PLACE;
    return reorderDensity(this.numbers.values, sent);
  }

  bufferDensity(sent: number): Density[] {
    if (this.#isWhole(sent)) return ALL_IN_PLACE;
    return bufferDensity(this.numbers.values, sent);
  }

  /** Everything arrived, and in order: most streams do behind the resequencer. */
  #isWhole(sent: number): boolean {
    const { values } = this.numbers;
    if (!sent || values.length !== sent) return false;
    for (let i = 0; i < sent; i++) if (values[i] !== i) return false;
    return true;
  }
}

/** Nothing displaced, nothing held. */
const ALL_IN_PLACE = [{ value: 0, share: 1 }];

export class Stream {
  sent = 0;
  sentOctets = 0;
  deliveredOctets = 0;
  /** Before and after the resequencer. */
  readonly before = new Arrivals();
  readonly after = new Arrivals();
  readonly #seen: number[] = [];

  arrived(number: number, size: number, now: number): void {
    // Copies of a redundant scheduler: only the first counts (RFC 4737 §3.3).
    const word = number >>> 5;
    const bit = 1 << (number & 31);
    const seen = this.#seen[word] ?? 0;
    if (seen & bit) return;
    for (let i = this.#seen.length; i < word; i++) this.#seen.push(0);
    this.#seen[word] = seen | bit;
    this.before.numbers.push(number);
    this.before.times.push(now);
    this.before.sizes.push(size);
  }

  delivered(number: number, size: number, now: number): void {
    this.deliveredOctets += size;
    this.after.numbers.push(number);
    this.after.times.push(now);
    this.after.sizes.push(size);
  }
}
