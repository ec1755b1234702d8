/**
 * One path as seen from one end: the probes under way, what their answers say of both directions, and its health. Pure; path-monitor.ts
 * holds one for each path.
 */
import { DelayMeter } from './delay-meter.ts';
import { type DirectionEstimate, DirectionMeter } from './direction-meter.ts';
import { type HealthConfig, PathHealth } from './path-health.ts';
import type { Numbering, Probe, TrafficCounts } from './probe.ts';
import type { ArrivalDelay } from './wait-bounds.ts';

interface Pending {
  readonly sequence: number;
  readonly sentUs: number;
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
    this.#sequence = (sequence + 1) >>> 0;
    this.#sent++;
    this.#pending.push({ sequence, sentUs: nowUs, txPackets: counts.txPackets, txOctets: counts.txOctets });
    while (this.#pending.length > MOST_PENDING || this.#pending[0]!.sentUs < nowUs - LOST_AFTER_US) {
      this.#pending.shift();
      this.health.lost();
    }
    return { kind: 'request', bid, sequence, sentUs: nowUs, receivedUs: 0, answeredUs: 0, counts, numbering };
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
    this.#rx.add(arrivalUs - leftUs, arrivalUs, point, this.#roundTripUs);
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
    this.roundTrip.add(round, arrivalUs);
    const delayUs = probe.receivedUs - sentUs;
    const point = {
      timeUs: probe.receivedUs,
      sentPackets: txPackets,
      receivedPackets: probe.counts.rxPackets,
      receivedOctets: probe.counts.rxOctets,
    };
    this.#tx.add(delayUs, arrivalUs, point, this.#roundTripUs);
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
