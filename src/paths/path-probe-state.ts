/**
 * One path as seen from one end: the probes under way, what their answers say of both directions, and its health. Pure; path-monitor.ts
 * holds one for each path.
 */
import { DelayMeter } from './delay-meter.ts';
import { type DirectionEstimate, DirectionMeter } from './direction-meter.ts';
import { type MtuFinding, MtuSearch } from './mtu-search.ts';
import { type HealthConfig, PathHealth } from './path-health.ts';
import type { Numbering, Probe, TrafficCounts } from './probe.ts';
import type { ArrivalDelay } from './wait-bounds.ts';

interface Pending {
  readonly sequence: number;
  sentUs: number;
  readonly txPackets: number;
  readonly txOctets: number;
}

/** What a probe that was answered has found in front of the path. */
export interface SeenQueue {
  /** When it was sent, and the octets that had been sent before it. */
  readonly sentUs: number;
  readonly txOctets: number;
  readonly queueUs: number;
}

const MOST_PENDING = 64;
/** Numbers of padded probes have this bit, those of others do not. */
const PADDED = 0x8000_0000;
/** A probe that is not answered by then is lost. */
const LOST_AFTER_US = 3e6;

export class PathProbeState {
  readonly health: PathHealth;
  /** Microseconds between probes, if there are not too many in all. */
  intervalUs: number;
  /** The same while the session rests (watched-session.ts). */
  idleIntervalUs: number;
  readonly roundTrip = new DelayMeter();
  readonly #tx = new DirectionMeter();
  readonly #rx = new DirectionMeter();
  #pending: Pending[] = [];
  #sequence = 0;
  #sent = 0;
  #answered = 0;
  #peerReceived = 0;
  #confirmed = 0;
  #received = 0;
  #transmitted = 0;
  #dataUs = -Infinity;
  #busyUs: number;
  #hearing = false;
  #seenQueue: SeenQueue | null = null;
  /** Null: nobody wants to know. */
  #mtu: MtuSearch | null = null;
  #padded: Pick<Pending, 'sequence' | 'sentUs'> | null = null;
  /** Packets that had been sent before the last padded probe: only who sends data needs to know. */
  #paddedAt = 0;
  dueUs: number;
  /** Kept by the monitor. */
  stateChanges = 0;
  unconfirmedPackets = 0;

  constructor(config: HealthConfig, dueUs: number) {
    this.health = new PathHealth(config);
    this.intervalUs = config.intervalUs;
    this.idleIntervalUs = config.idleIntervalUs;
    this.dueUs = dueUs;
    this.#busyUs = dueUs;
  }

  configure(config: HealthConfig): void {
    this.health.configure(config);
    this.intervalUs = config.intervalUs;
    this.idleIntervalUs = config.idleIntervalUs;
  }

  get probesSent(): number {
    return this.#sent;
  }

  get probesAnswered(): number {
    return this.#answered;
  }

  /** Packets that were sent before the last probe that was answered. */
  get confirmedPackets(): number {
    return this.#confirmed;
  }

  /** The next request. */
  request(bid: number, nowUs: number, counts: TrafficCounts, numbering: Numbering | null): Probe {
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) % PADDED;
    this.#sent++;
    this.#pending.push({ sequence, sentUs: nowUs, txPackets: counts.txPackets, txOctets: counts.txOctets });
    while (this.#pending.length > MOST_PENDING || this.#pending[0]!.sentUs < nowUs - LOST_AFTER_US) {
      this.#pending.shift();
      this.health.lost();
    }
    return { kind: 'request', bid, sequence, sentUs: nowUs, receivedUs: 0, answeredUs: 0, counts, numbering };
  }

  /** The request with this number leaves only at `nowUs`. */
  leaves(sequence: number, nowUs: number): void {
    const request = this.#padded?.sequence === sequence ? this.#padded : this.#pending.at(-1);
    if (request?.sequence === sequence) request.sentUs = nowUs;
  }

  /** Undefined: nobody wants to know whether large packets arrive. */
  setMtu(octets: number | undefined, nowUs: number): void {
    if (octets === undefined) this.#mtu = null;
    else if (this.#mtu) this.#mtu.setMost(octets, nowUs);
    else this.#mtu = new MtuSearch(octets, nowUs);
  }

  /** A request that is to be sent with padding, and what earlier ones have shown. To be called whenever another one was sent. */
  requestPadded(
    bid: number,
    nowUs: number,
    counts: TrafficCounts,
  ): { readonly probe: (Probe & { readonly octets: number }) | null; readonly finding: MtuFinding | null } {
    const idle = counts.txPackets === this.#paddedAt;
    const next = this.#mtu?.next(
      nowUs,
      this.#answered,
      this.roundTrip.smoothedUs,
      this.health.probeLoss,
      idle,
    );
    const finding = next?.finding ?? null;
    if (!next || next.size === null) return { probe: null, finding };
    const sequence = (PADDED + this.#sequence) >>> 0;
    this.#padded = { sequence, sentUs: nowUs };
    this.#paddedAt = counts.txPackets;
    const none = { receivedUs: 0, answeredUs: 0, numbering: null };
    return {
      probe: { kind: 'request', bid, sequence, sentUs: nowUs, ...none, counts, octets: next.size },
      finding,
    };
  }

  /** Whether it is the answer to a padded request, which says nothing of the delay of others. */
  isPadded({ kind, sequence }: Probe): boolean {
    return kind === 'response' && sequence >= PADDED;
  }

  settlePadded({ sequence, sentUs }: Probe, nowUs: number): MtuFinding | null {
    if (this.#padded?.sequence !== sequence || this.#padded.sentUs !== sentUs) return null;
    this.#padded = null;
    return this.#mtu?.answered(nowUs) ?? null;
  }

  /** A probe of either kind has come; `received` is what had come over the path by then. False: an answer to nothing we asked. */
  receive(probe: Probe, arrivalUs: number, received: { packets: number; octets: number }): boolean {
    if (probe.kind === 'response' && !this.#settle(probe, arrivalUs)) return false;
    const { counts } = probe;
    const leftUs = probe.kind === 'request' ? probe.sentUs : probe.answeredUs;
    const point = {
      timeUs: arrivalUs,
      sentPackets: counts.txPackets,
      receivedPackets: received.packets,
      receivedOctets: received.octets,
    };
    this.#becomeLonger(this.#rx.add(arrivalUs - leftUs, arrivalUs, point, this.#roundTripUs), arrivalUs);
    // More of our data has come than the last message said: the path is alive even if the answers get lost.
    if (counts.rxPackets > this.#peerReceived) this.health.alive(arrivalUs);
    this.#peerReceived = counts.rxPackets;
    return true;
  }

  #settle(probe: Probe, arrivalUs: number): boolean {
    const at = this.#pending.findIndex(
      ({ sequence, sentUs }) => sequence === probe.sequence && sentUs === probe.sentUs,
    );
    if (at < 0) return false;
    const { sentUs, txPackets, txOctets } = this.#pending[at]!;
    // Paths are FIFO but for some reordering: what was asked well before this and is not answered is lost.
    const overtaken = Math.max(0, at - 2);
    for (let i = 0; i < overtaken; i++) this.health.lost();
    this.#pending.splice(at, 1);
    this.#pending.splice(0, overtaken);
    this.#answered++;
    this.#confirmed = Math.max(this.#confirmed, txPackets);
    const round = arrivalUs - sentUs - (probe.answeredUs - probe.receivedUs);
    if (round < 0) return false;
    // A path that comes back may be another one.
    if (this.health.isReturning) {
      for (const delay of [this.roundTrip, this.#tx.delay, this.#rx.delay]) delay.forgetSmallest();
    }
    this.roundTrip.add(round, arrivalUs);
    const delayUs = probe.receivedUs - sentUs;
    const point = {
      timeUs: probe.receivedUs,
      sentPackets: txPackets,
      receivedPackets: probe.counts.rxPackets,
      receivedOctets: probe.counts.rxOctets,
    };
    this.#becomeLonger(this.#tx.add(delayUs, arrivalUs, point, this.#roundTripUs), arrivalUs);
    this.#seenQueue = { sentUs, txOctets, queueUs: delayUs - this.#tx.delay.smallestUs };
    const before = this.health.state;
    this.health.answered(arrivalUs);
    if (before === 'down' && this.health.state === 'up') {
      this.#pending = this.#pending.filter((probe) => probe.sentUs > sentUs);
      this.#tx.clear();
      this.#rx.clear();
    }
    return true;
  }

  #becomeLonger(byUs: number, nowUs: number): void {
    if (byUs) this.roundTrip.becomeLonger(this.#roundTripUs + byUs, nowUs);
  }

  /** To be called once an interval. */
  listen({ txPackets, rxPackets }: TrafficCounts, nowUs: number): void {
    this.#hearing = rxPackets > this.#received;
    if (this.#hearing) this.#dataUs = nowUs;
    if (this.#hearing || txPackets > this.#transmitted) this.#busyUs = nowUs;
    this.#received = rxPackets;
    this.#transmitted = txPackets;
  }

  /** Whether data came between the last two calls of listen(). */
  get hearing(): boolean {
    return this.#hearing;
  }

  /** When data last came, as far as listen() was called. */
  get dataUs(): number {
    return this.#dataUs;
  }

  /** When data last went either way, as far as listen() was called; before that, when it was to be probed first. */
  get busyUs(): number {
    return this.#busyUs;
  }

  /** Delay of what comes over the path; null: not measured well enough. */
  get arrivals(): ArrivalDelay | null {
    const { delay } = this.#rx;
    return delay.settled ? delay : null;
  }

  /** `sending.rawDelayUs` alone. */
  get sendingDelayUs(): number | null {
    return this.#tx.rawDelayUs;
  }

  get sending(): DirectionEstimate {
    return this.#tx.estimate(this.#roundTripUs);
  }

  get receiving(): DirectionEstimate {
    return this.#rx.estimate(this.#roundTripUs);
  }

  /** What the last probe that was answered has found; null if it was asked for already. */
  takeSeenQueue(): SeenQueue | null {
    const seen = this.#seenQueue;
    this.#seenQueue = null;
    return seen;
  }

  get #roundTripUs(): number {
    return this.roundTrip.measured ? this.roundTrip.smallestUs : 0;
  }
}
