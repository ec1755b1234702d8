/**
 * One direction of a path in virtual time: the emulator's link model says when a packet arrives, or that it does not, and this keeps
 * the packets until they are taken there. So simulated and emulated links are one and the same. The octets that travel are the outer
 * and inner headers, copied word by word from the memory of one end's data plane to that of the other.
 */
import { Link as LinkModel, type LinkSpec, LOST, QUEUE_FULL } from '../emulator/model/link.ts';
import { traceRate } from '../emulator/model/trace.ts';
import { Random } from './random.ts';
import type { Direction } from './spec.ts';

export type { LinkSpec } from '../emulator/model/link.ts';

/** Packets by fate. Every packet offered, and every copy the link made, is delivered, lost, dropped, or on its way. */
export interface LinkCounters {
  offered: number;
  doubled: number;
  delivered: number;
  deliveredOctets: number;
  lost: number;
  queueDrops: number;
  downDrops: number;
}

/** Words that travel with a packet: GRE over IPv4 in front (32 octets) and the first 32 octets of the inner packet. */
export const WORDS = 16;
const FIRST_CAPACITY = 1024;
/** Bits a second of a link without limit, where a figure is needed. */
const UNLIMITED = 100e9;

function copyWords(from: Int32Array, at: number, to: Int32Array, place: number): void {
  // Four at a time, which is twice as fast.
  for (let i = 0; i < WORDS; i += 4) {
    to[place + i] = from[at + i]!;
    to[place + i + 1] = from[at + i + 1]!;
    to[place + i + 2] = from[at + i + 2]!;
    to[place + i + 3] = from[at + i + 3]!;
  }
}

/** A packet that arrives out of turn. */
interface Loose {
  readonly time: number;
  readonly sent: number;
  readonly words: Int32Array;
  readonly length: number;
}

/** What its draws go by. */
export function linkName(direction: Direction, path: number): string {
  return `${direction} ${path}`;
}

/** The seed of its first model, from which it draws losses and jitter until it goes down. */
export function linkSeed(seed: number, direction: Direction, path: number): number {
  return new Random(seed, linkName(direction, path)).word();
}

export class Link {
  readonly counters: LinkCounters = {
    offered: 0,
    doubled: 0,
    delivered: 0,
    deliveredOctets: 0,
    lost: 0,
    queueDrops: 0,
    downDrops: 0,
  };
  spec: LinkSpec;
  isUp = true;
  /** Octets of the packets offered, whatever became of them. */
  offeredOctets = 0;
  /** Of those that found room in the queue. */
  #queuedOctets = 0;
  readonly #seeds: Random;
  #model: LinkModel;
  /** Where the trace begins, microseconds: it goes on while the link is down. */
  #traceStart = 0;
  #expect: () => void = () => {};
  /** When the first of the packets arrives that have not been taken, Infinity if there are none: `#due[#place]`, which the receiving end reads. */
  #due: Float64Array = Float64Array.of(Infinity);
  #place = 0;
  // A ring of packets in order of arrival, as many as a power of two; positions are absolute.
  #capacity = FIRST_CAPACITY;
  #words = new Int32Array(FIRST_CAPACITY * WORDS);
  #lengths = new Int32Array(FIRST_CAPACITY);
  #arrivals = new Float64Array(FIRST_CAPACITY);
  /** When each has left the transmitter. */
  #sent = new Float64Array(FIRST_CAPACITY);
  #first = 0;
  #end = 0;
  /** Packets that others overtake, and second copies, in order of arrival. */
  #loose: Loose[] = [];
  /** Bits that it could have carried before its last change, and when that was. */
  #capacityBefore = 0;
  #changedAt = 0;

  /** `name` and `seed` determine what is drawn. */
  constructor(spec: LinkSpec, seed: number, name: string) {
    this.spec = spec;
    this.#seeds = new Random(seed, name);
    this.#model = new LinkModel(spec, this.#seeds.word());
  }

  /** The time of the next arrival is kept at `due[place]`; `expect` is called when a packet that is sent, or a change, makes it another one. */
  connect(due: Float64Array, place: number, expect: () => void): void {
    due[place] = this.nextArrival;
    this.#due = due;
    this.#place = place;
    this.#expect = expect;
  }

  /** Bits a second, on the average if it is a trace. */
  get rate(): number {
    return this.spec.trace ? traceRate(this.spec.trace) : (this.spec.rate ?? UNLIMITED);
  }

  /** Bits that it could have carried by now, had it been up all the time. */
  carriable(now: number): number {
    return this.#capacityBefore + (this.rate * (now - this.#changedAt)) / 1e9;
  }

  /** Octets that wait or are being sent now. */
  queued(now: number): number {
    return this.#model.backlog(now / 1000);
  }

  /** Octets that the transmitter has sent by now, each packet once, those lost behind it among them. */
  sentOctets(now: number): number {
    return this.#queuedOctets - this.queued(now);
  }

  /** When a probe sent now arrives, which takes no capacity, draws `deviation` of the jitter and overtakes nothing. */
  probeArrival(now: number, deviation: number): number {
    return Math.max(now + 1, Math.round(this.#model.probeArrival(now / 1000, deviation) * 1000));
  }

  get inFlight(): number {
    return this.#end - this.#first + this.#loose.length;
  }

  /** For pictures: how far each packet on its way is, 0 (just sent) to 1, below 0 it still waits; and the words that travel with it. */
  underway(now: number): { readonly position: number; readonly words: Int32Array }[] {
    const progress = (sent: number, arrival: number): number =>
      sent > now ? -1 : (now - sent) / Math.max(1, arrival - sent);
    const inOrder = Array.from({ length: this.#end - this.#first }, (_, i) => {
      const place = (this.#first + i) & (this.#capacity - 1);
      return {
        position: progress(this.#sent[place]!, this.#arrivals[place]!),
        words: this.#words.subarray(place * WORDS, (place + 1) * WORDS),
      };
    });
    const loose = this.#loose.map(({ time, sent, words }) => ({ position: progress(sent, time), words }));
    return [...inOrder, ...loose];
  }

  /** Offers a packet of `length` octets whose first words are at `words[at]`. */
  send(now: number, words: Int32Array, at: number, length: number): void {
    const { counters } = this;
    counters.offered++;
    this.offeredOctets += length;
    if (!this.isUp) {
      counters.downDrops++;
      return;
    }
    const fate = this.#model.offer(length, now / 1000);
    if (fate === QUEUE_FULL) {
      counters.queueDrops++;
      return;
    }
    this.#queuedOctets += length;
    if (fate === LOST) counters.lost++;
    else {
      const sent = this.#model.sentAt * 1000;
      const arrival = Math.max(now + 1, Math.round(fate * 1000));
      if (this.#end > this.#first && arrival < this.#arrivals[(this.#end - 1) & (this.#capacity - 1)]!) {
        this.#putLoose(arrival, sent, words, at, length);
      } else {
        this.#put(arrival, sent, words, at, length);
      }
      if (this.#model.copyAt) {
        counters.doubled++;
        this.#putLoose(Math.round(this.#model.copyAt * 1000), sent, words, at, length);
      }
    }
  }

  /** When the first of the packets arrives that have not been taken; Infinity if there are none. */
  get nextArrival(): number {
    return this.#due[this.#place]!;
  }

  #noteNextArrival(): void {
    const ring = this.#first < this.#end ? this.#arrivals[this.#first & (this.#capacity - 1)]! : Infinity;
    this.#due[this.#place] = this.#loose.length ? Math.min(ring, this.#loose[0]!.time) : ring;
  }

  /** Packets that have arrived by `now` and have not been taken, `most` at most. */
  arrivedBy(now: number, most: number): number {
    let count = 0;
    while (count < most && count < this.#end - this.#first) {
      if (this.#arrivals[(this.#first + count) & (this.#capacity - 1)]! > now) break;
      count++;
    }
    for (let i = 0; i < this.#loose.length && this.#loose[i]!.time <= now; i++) count++;
    return Math.min(count, most);
  }

  /** Takes the next one that arrived: copies its words to `to[at]`, gives its length. */
  take(to: Int32Array, at: number): number {
    const place = this.#first & (this.#capacity - 1);
    const { counters } = this;
    counters.delivered++;
    if (this.#loose.length && !(this.#first < this.#end && this.#arrivals[place]! <= this.#loose[0]!.time)) {
      const { words, length } = this.#loose.shift()!;
      copyWords(words, 0, to, at);
      counters.deliveredOctets += length;
      this.#noteNextArrival();
      return length;
    }
    this.#first++;
    copyWords(this.#words, place * WORDS, to, at);
    const length = this.#lengths[place]!;
    counters.deliveredOctets += length;
    this.#noteNextArrival();
    return length;
  }

  /** What has arrived by `now`. */
  arrived(now: number): { packets: number; octets: number } {
    let { delivered: packets, deliveredOctets: octets } = this.counters;
    for (let i = this.#first; i < this.#end; i++) {
      const place = i & (this.#capacity - 1);
      if (this.#arrivals[place]! > now) break;
      packets++;
      octets += this.#lengths[place]!;
    }
    for (const { time, length } of this.#loose) {
      if (time > now) continue;
      packets++;
      octets += length;
    }
    return { packets, octets };
  }

  /** Changes what is given; what is queued already arrives as it would have. */
  change(now: number, change: Partial<LinkSpec>): void {
    this.#capacityBefore = this.carriable(now);
    this.#changedAt = now;
    if (change.trace && change.trace !== this.spec.trace) this.#traceStart = now / 1000;
    this.spec = { ...this.spec, ...change };
    this.#model.change(this.spec, now / 1000);
  }

  /** Down: what has not left the transmitter is dropped, and whatever comes; what has is on its way and arrives. */
  setUp(now: number, isUp: boolean): void {
    if (this.isUp === isUp) return;
    this.isUp = isUp;
    if (isUp) return;
    const { counters } = this;
    // Packets leave the transmitter in the order in which they came.
    while (this.#end > this.#first && this.#sent[(this.#end - 1) & (this.#capacity - 1)]! > now) {
      this.#end--;
      counters.downDrops++;
    }
    const underway = this.#loose.filter(({ sent }) => sent <= now);
    counters.downDrops += this.#loose.length - underway.length;
    this.#loose = underway;
    this.#queuedOctets -= this.queued(now);
    this.#model = new LinkModel(this.spec, this.#seeds.word(), this.#traceStart);
    this.#noteNextArrival();
    this.#expect();
  }

  #put(arrival: number, sent: number, words: Int32Array, at: number, length: number): void {
    if (this.#end - this.#first === this.#capacity) this.#grow();
    const place = this.#end++ & (this.#capacity - 1);
    copyWords(words, at, this.#words, place * WORDS);
    this.#lengths[place] = length;
    this.#arrivals[place] = arrival;
    this.#sent[place] = sent;
    if (this.#end - this.#first > 1) return;
    this.#noteNextArrival();
    this.#expect();
  }

  #putLoose(time: number, sent: number, words: Int32Array, at: number, length: number): void {
    const packet = { time, sent, words: words.slice(at, at + WORDS), length };
    const after = this.#loose.findIndex((other) => other.time > time);
    this.#loose.splice(after < 0 ? this.#loose.length : after, 0, packet);
    this.#noteNextArrival();
    this.#expect();
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    const words = new Int32Array(capacity * WORDS);
    const lengths = new Int32Array(capacity);
    const arrivals = new Float64Array(capacity);
    const sent = new Float64Array(capacity);
    for (let i = this.#first; i < this.#end; i++) {
      const from = i & (this.#capacity - 1);
      const to = i & (capacity - 1);
      words.set(this.#words.subarray(from * WORDS, (from + 1) * WORDS), to * WORDS);
      lengths[to] = this.#lengths[from]!;
      arrivals[to] = this.#arrivals[from]!;
      sent[to] = this.#sent[from]!;
    }
    this.#capacity = capacity;
    this.#words = words;
    this.#lengths = lengths;
    this.#arrivals = arrivals;
    this.#sent = sent;
  }
}
