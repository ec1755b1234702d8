/**
 * One direction of a link: a queue in front of a transmitter of some rate (or a trace of deliveries), then a propagation delay with
 * jitter, then loss. Pure: packets and times go in, arrival times come out; emulator and simulator use the same model.
 *
 *   offer -> [ queue, limited in octets ] -> transmitter -> delay + jitter -> lost? doubled? overtaken? -> arrival
 *
 * Times are microseconds of a clock that never goes back. Octets are those of the IP packet.
 */
import { Loss, type LossSpec, NO_LOSS } from './loss.ts';
import { Random } from './random.ts';
import { type Trace, TraceServer } from './trace.ts';

export interface LinkSpec {
  /** bit/s; null: no limit. */
  readonly rate: number | null;
  /** Deliveries instead of a rate. */
  readonly trace: Trace | null;
  /** One-way, microseconds. */
  readonly delay: number;
  /** Scale of the half-normal that is added to the delay, microseconds; packets keep their order. */
  readonly jitter: number;
  readonly loss: LossSpec;
  /** Share of packets that are held back so that later ones overtake them, and for how long, microseconds. */
  readonly reorder: number;
  readonly reorderBy: number;
  /** Share of packets that arrive twice. */
  readonly duplicate: number;
  /** Octets that wait in front of the transmitter; more are dropped (drop tail). */
  readonly limit: number;
}

export const LINK_DEFAULTS: LinkSpec = {
  rate: null,
  trace: null,
  delay: 0,
  jitter: 0,
  loss: NO_LOSS,
  reorder: 0,
  reorderBy: 5000,
  duplicate: 0,
  limit: 256 << 10,
};

/** What becomes of an offered packet: an arrival time, or one of these. */
export const LOST = -1;
export const QUEUE_FULL = -2;

export interface LinkCounters {
  readonly offered: number;
  readonly lost: number;
  readonly queueFull: number;
  readonly doubled: number;
  readonly overtaken: number;
}

export class Link {
  private spec: LinkSpec;
  private readonly random: Random;
  private loss: Loss;
  private server: TraceServer | null;
  /** When the transmitter is through with what it has. */
  private freeAt = 0;
  /** Ends of transmission and octets of what waits or is sent, oldest first: a ring. */
  private readonly ends: Float64Array;
  private readonly sizes: Uint16Array;
  private head = 0;
  private count = 0;
  private waiting = 0;
  private lastArrival = 0;
  private offered = 0;
  private lost = 0;
  private queueFull = 0;
  private doubled = 0;
  private overtaken = 0;
  /** Arrival of the second copy of the packet that offer() was called for last; 0: there is none. */
  copyAt = 0;
  /** When that packet has left the transmitter, if there was room for it. */
  sentAt = 0;

  /** `now`: where a trace starts. */
  constructor(spec: LinkSpec, seed: number, now = 0) {
    this.spec = spec;
    this.random = new Random(seed);
    this.loss = new Loss(spec.loss, this.random);
    this.server = spec.trace && new TraceServer(spec.trace, now);
    this.ends = new Float64Array(RING);
    this.sizes = new Uint16Array(RING);
  }

  /** Another link for packets that come from `now` on; what has been offered before arrives as it would have, and first. */
  change(spec: LinkSpec, now: number): void {
    if (spec.trace !== this.spec.trace) this.server = spec.trace && new TraceServer(spec.trace, now);
    if (spec.loss !== this.spec.loss) this.loss = new Loss(spec.loss, this.random);
    this.spec = spec;
  }

  get counters(): LinkCounters {
    const { offered, lost, queueFull, doubled, overtaken } = this;
    return { offered, lost, queueFull, doubled, overtaken };
  }

  /** Octets that wait or are being sent at `now`. */
  backlog(now: number): number {
    this.settle(now);
    return this.waiting;
  }

  /** When a packet of `octets` that comes at `now` arrives at the far end; LOST or QUEUE_FULL. */
  offer(octets: number, now: number): number {
    const { spec, random } = this;
    this.offered++;
    this.copyAt = 0;
    this.settle(now);
    if (this.waiting + octets > spec.limit || this.count === RING) {
      this.queueFull++;
      return QUEUE_FULL;
    }
    const sent = (this.sentAt = this.transmit(octets, now));
    if (this.loss.takes()) {
      this.lost++;
      return LOST;
    }
    const jitter = spec.jitter ? Math.abs(random.normal()) * spec.jitter : 0;
    let arrival = Math.max(sent + spec.delay + jitter, this.lastArrival);
    if (random.chance(spec.reorder)) {
      // Held back, and no reason for the next ones to wait.
      this.overtaken++;
      arrival += spec.reorderBy;
    } else {
      this.lastArrival = arrival;
    }
    if (random.chance(spec.duplicate)) {
      this.doubled++;
      this.copyAt = arrival;
    }
    return arrival;
  }

  /** When a packet without octets would arrive that comes at `now` and draws `deviation` of the jitter; nothing is changed, it is not lost. */
  probeArrival(now: number, deviation: number): number {
    const { delay, jitter } = this.spec;
    return Math.max(Math.max(now, this.freeAt) + delay + jitter * deviation, this.lastArrival);
  }

  private transmit(octets: number, now: number): number {
    const { rate } = this.spec;
    let end = now;
    if (this.server) end = this.server.serve(octets, Math.max(now, this.freeAt));
    else if (rate !== null) end = Math.max(now, this.freeAt) + (octets * 8e6) / rate;
    this.freeAt = end;
    if (end > now) {
      const place = (this.head + this.count) & (RING - 1);
      this.ends[place] = end;
      this.sizes[place] = octets;
      this.count++;
      this.waiting += octets;
    }
    return end;
  }

  /** Takes out of the queue what has been sent by `now`. */
  private settle(now: number): void {
    while (this.count && this.ends[this.head]! <= now) {
      this.waiting -= this.sizes[this.head]!;
      this.head = (this.head + 1) & (RING - 1);
      this.count--;
    }
  }
}

/** Packets that may wait at a link. */
const RING = 1 << 14;
