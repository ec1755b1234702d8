/**
 * One direction of a path: a FIFO queue that drops its tail, a sender of some rate (or a mahimahi trace), loss, delay with jitter.
 * When a packet will leave is known as soon as it is queued, so a packet costs one event; a change of the rate works the
 * times of what is still queued out again. The octets that travel are the outer and inner headers, copied word by word from
 * the memory of one end's data plane.
 */
import type { Actor, EventLoop } from '../event-loop.ts';
import { Random } from '../random.ts';
import { LossProcess, type LossSpec } from './loss.ts';
import { TraceClock, traceRate } from './trace.ts';

export interface LinkSpec {
  /** Bits a second of outer packets. */
  readonly rate: number;
  /** Nanoseconds. */
  readonly delay: number;
  /** Standard deviation of the delay in nanoseconds (normal, never below 0). */
  readonly jitter: number;
  /** Jitter may let packets overtake each other; otherwise they wait for the one before. */
  readonly reorder: boolean;
  readonly loss: LossSpec;
  /** Octets that may wait. */
  readonly queue: number;
  /** Opportunities in milliseconds, in the place of `rate`. */
  readonly trace?: readonly number[] | undefined;
}

/** Packets by fate. Every packet offered is delivered, lost, dropped, or on its way. */
export interface LinkCounters {
  offered: number;
  delivered: number;
  deliveredOctets: number;
  lost: number;
  queueDrops: number;
  downDrops: number;
}

/** Words that travel with a packet: GRE over IPv4 in front (32 octets) and the first 32 octets of the inner packet. */
export const WORDS = 16;
const FIRST_CAPACITY = 1024;

export class Link implements Actor {
  readonly counters: LinkCounters = {
    offered: 0,
    delivered: 0,
    deliveredOctets: 0,
    lost: 0,
    queueDrops: 0,
    downDrops: 0,
  };
  spec: LinkSpec;
  isUp = true;
  readonly #loop: EventLoop;
  readonly #number: number;
  readonly #deliver: (words: Int32Array, at: number, length: number) => void;
  readonly #random: Random;
  readonly #loss: LossProcess;
  #trace: TraceClock | null;
  // A ring of packets in the order in which they were queued; heads are absolute positions.
  #capacity = FIRST_CAPACITY;
  #words = new Int32Array(FIRST_CAPACITY * WORDS);
  #lengths = new Int32Array(FIRST_CAPACITY);
  #departures = new Float64Array(FIRST_CAPACITY);
  /** When it is at the far end; negative: it is lost on the way. */
  #arrivals = new Float64Array(FIRST_CAPACITY);
  #delays = new Float64Array(FIRST_CAPACITY);
  /** First packet that has not arrived, first that has not departed, end. */
  #first = 0;
  #waiting = 0;
  #end = 0;
  #queued = 0;
  #freeAt = 0;
  #lastArrival = 0;
  /** With `reorder`: arrivals that were not in order, kept apart. */
  readonly #loose: { time: number; words: Int32Array; length: number }[] = [];

  constructor(
    loop: EventLoop,
    spec: LinkSpec,
    seed: number,
    name: string,
    deliver: (words: Int32Array, at: number, length: number) => void,
  ) {
    this.#loop = loop;
    this.#number = loop.register(this);
    this.spec = spec;
    this.#deliver = deliver;
    this.#random = new Random(seed, `${name} jitter`);
    this.#loss = new LossProcess(new Random(seed, `${name} loss`), spec.loss);
    this.#trace = spec.trace ? new TraceClock(spec.trace) : null;
  }

  /** Bits a second, on the average if it is a trace. */
  get rate(): number {
    return this.spec.trace ? traceRate(this.spec.trace) * 8 : this.spec.rate;
  }

  /** Octets that wait or are being sent now. */
  queued(now: number): number {
    while (this.#waiting < this.#end && this.#departures[this.#waiting % this.#capacity]! <= now) {
      this.#queued -= this.#lengths[this.#waiting % this.#capacity]!;
      this.#waiting++;
    }
    return this.#queued;
  }

  /** Nanoseconds that a packet queued now would wait and travel. */
  delayNow(now: number): number {
    return Math.max(this.#freeAt - now, 0) + this.spec.delay;
  }

  get inFlight(): number {
    return this.#end - this.#first + this.#loose.length;
  }

  /** Queues a packet of `length` octets whose first words are at `words[at]`. False: it was dropped here. */
  send(now: number, words: Int32Array, at: number, length: number): boolean {
    this.counters.offered++;
    if (!this.isUp) {
      this.counters.downDrops++;
      return false;
    }
    const queued = this.queued(now);
    // A packet that finds the sender idle does not wait.
    if (queued > 0 && queued + length > this.spec.queue) {
      this.counters.queueDrops++;
      return false;
    }
    if (this.#end - this.#first === this.#capacity) this.#grow();
    const place = this.#end % this.#capacity;
    const base = place * WORDS;
    for (let i = 0; i < WORDS; i++) this.#words[base + i] = words[at + i]!;
    this.#lengths[place] = length;
    const jitter = this.spec.jitter
      ? Math.max(Math.round(this.#random.normal(0, this.spec.jitter)), -this.spec.delay)
      : 0;
    this.#delays[place] = this.#loss.isLost() ? -1 : this.spec.delay + jitter;
    this.#queued += length;
    this.#end++;
    this.#time(place, now);
    if (this.#end - this.#first === 1) this.#appoint();
    return true;
  }

  /** Changes what is given; what is queued goes on at the new rate, what is on its way keeps its delay. */
  change(now: number, change: Partial<LinkSpec>): void {
    this.queued(now);
    this.spec = { ...this.spec, ...change };
    if (change.loss) this.#loss.change(change.loss);
    if (change.rate !== undefined) this.#trace = null;
    if (change.trace) this.#trace = new TraceClock(change.trace);
    if (change.rate === undefined && !change.trace) return;
    this.#restart(now);
    for (let i = this.#waiting; i < this.#end; i++) this.#time(i % this.#capacity, now);
    this.#appoint();
  }

  /** Down: what waits is dropped, and whatever comes. */
  setUp(now: number, isUp: boolean): void {
    this.queued(now);
    this.isUp = isUp;
    if (isUp) return;
    this.counters.downDrops += this.#end - this.#waiting;
    this.#end = this.#waiting;
    this.#queued = 0;
    this.#restart(now);
    this.#appoint();
  }

  /** The sender is free now; what it has sent stays as it is. */
  #restart(now: number): void {
    this.#freeAt = now;
    this.#lastArrival =
      this.#waiting > this.#first ? Math.abs(this.#arrivals[(this.#waiting - 1) % this.#capacity]!) : now;
  }

  run(now: number): void {
    while (this.#first < this.#end) {
      const place = this.#first % this.#capacity;
      const arrival = this.#arrivals[place]!;
      if (Math.abs(arrival) > now) break;
      this.#first++;
      if (this.#waiting < this.#first) this.queued(now);
      if (arrival < 0) {
        this.counters.lost++;
      } else if (this.spec.reorder && this.#delays[place]! > this.#departureDelay(place, now)) {
        this.#loosen(place);
      } else {
        this.#arrive(this.#words, place * WORDS, this.#lengths[place]!);
      }
    }
    while (this.#loose.length && this.#loose[0]!.time <= now) {
      const packet = this.#loose.shift()!;
      this.#arrive(packet.words, 0, packet.length);
    }
    this.#appoint();
  }

  #arrive(words: Int32Array, at: number, length: number): void {
    this.counters.delivered++;
    this.counters.deliveredOctets += length;
    this.#deliver(words, at, length);
  }

  /** With `reorder` the ring is read when packets leave the sender; what is still to travel is its delay. */
  #departureDelay(place: number, now: number): number {
    return now - this.#departures[place]!;
  }

  #loosen(place: number): void {
    const time = this.#departures[place]! + this.#delays[place]!;
    const words = this.#words.slice(place * WORDS, (place + 1) * WORDS);
    const packet = { time, words, length: this.#lengths[place]! };
    const after = this.#loose.findIndex((other) => other.time > time);
    this.#loose.splice(after < 0 ? this.#loose.length : after, 0, packet);
  }

  /** Departure and arrival of the packet at `place`, which follows what `#freeAt` and `#lastArrival` tell of. */
  #time(place: number, now: number): void {
    const ready = Math.max(now, this.#freeAt);
    const length = this.#lengths[place]!;
    const departure = this.#trace
      ? this.#trace.send(ready, length)
      : ready + Math.max(1, Math.round((length * 8e9) / this.spec.rate));
    this.#freeAt = departure;
    this.#departures[place] = departure;
    const delay = this.#delays[place]!;
    const lost = delay < 0;
    let arrival = departure + (lost ? this.spec.delay : delay);
    if (this.spec.reorder) arrival = departure;
    else if (arrival < this.#lastArrival) arrival = this.#lastArrival;
    this.#lastArrival = arrival;
    this.#arrivals[place] = lost ? -arrival : arrival;
  }

  #appoint(): void {
    const ring = this.#first < this.#end ? Math.abs(this.#arrivals[this.#first % this.#capacity]!) : Infinity;
    this.#loop.at(this.#number, Math.min(ring, this.#loose[0]?.time ?? Infinity));
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    const words = new Int32Array(capacity * WORDS);
    const lengths = new Int32Array(capacity);
    const departures = new Float64Array(capacity);
    const arrivals = new Float64Array(capacity);
    const delays = new Float64Array(capacity);
    for (let i = this.#first; i < this.#end; i++) {
      const from = i % this.#capacity;
      const to = i % capacity;
      words.set(this.#words.subarray(from * WORDS, (from + 1) * WORDS), to * WORDS);
      lengths[to] = this.#lengths[from]!;
      departures[to] = this.#departures[from]!;
      arrivals[to] = this.#arrivals[from]!;
      delays[to] = this.#delays[from]!;
    }
    this.#capacity = capacity;
    this.#words = words;
    this.#lengths = lengths;
    this.#departures = departures;
    this.#arrivals = arrivals;
    this.#delays = delays;
  }
}
