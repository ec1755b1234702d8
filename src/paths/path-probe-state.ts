/**
 * One path as seen from one end: the probes under way, what their answers say of both directions, and its health. Pure; path-monitor.ts
 * holds one for each path.
 */
import { DelayMeter } from './delay-meter.ts';
import { type HealthConfig, PathHealth } from './path-health.ts';
import type { Probe, TrafficCounts } from './probe.ts';
import { TrafficMeter } from './traffic-meter.ts';
import type { ArrivalDelay } from './wait-bounds.ts';

/** One direction of a path. */
export interface DirectionEstimate {
  /** Clock difference included: to be compared between paths of one session. */
  readonly rawDelayUs: number | null;
  readonly queueUs: number;
  readonly jitterUs: number;
  /** Share of packets, null while nothing is known. */
  readonly loss: number | null;
  /** Bits a second that arrive. */
  readonly rate: number;
  /** Bits a second that the path carries as far as it was ever full; null: never. */
  readonly capacity: number | null;
  /** Whether it is full: a queue stands, or packets get lost that did not before. */
  readonly full: boolean;
  /** Whether there is enough traffic to speak of. */
  readonly busy: boolean;
}

interface Pending {
  readonly sequence: number;
  readonly sentUs: number;
  readonly txPackets: number;
}

const WINDOW_US = 500_000;
/** A queue of this much, and of a quarter of the empty round trip, is one that stands. */
const QUEUE_US = 3000;
const MOST_PENDING = 64;
/** A probe that is not answered by then is lost. */
const LOST_AFTER_US = 3e6;

class Direction {
  readonly delay = new DelayMeter();
  readonly traffic = new TrafficMeter(WINDOW_US);
  #capacity: number | null = null;

  estimate(roundTripUs: number): DirectionEstimate {
    const { delay, traffic } = this;
    return {
      rawDelayUs: delay.measured ? delay.smallestUs : null,
      queueUs: delay.queueUs,
      jitterUs: delay.jitterUs,
      loss: traffic.loss,
      rate: traffic.rate,
      capacity: this.#capacity,
      full: this.#isFull(roundTripUs),
      busy: traffic.busy,
    };
  }

  note(roundTripUs: number): void {
    const { rate, busy } = this.traffic;
    if (!busy) return;
    if (this.#capacity !== null && rate > this.#capacity) this.#capacity = rate;
    if (!this.#isFull(roundTripUs)) return;
    this.#capacity = this.#capacity === null ? rate : this.#capacity + (rate - this.#capacity) / 4;
  }

  #isFull(roundTripUs: number): boolean {
    return this.traffic.busy && this.delay.queueUs > Math.max(QUEUE_US, roundTripUs / 8);
  }
}

export class PathProbeState {
  readonly health: PathHealth;
  /** Microseconds between probes, if there are not too many in all. */
  intervalUs: number;
  readonly roundTrip = new DelayMeter();
  readonly #tx = new Direction();
  readonly #rx = new Direction();
  #pending: Pending[] = [];
  #sequence = 0;
  #sent = 0;
  #answered = 0;
  #peerReceived = 0;
  #confirmed = 0;
  #received = 0;
  #dataUs = -Infinity;
  dueUs: number;
  /** Kept by the monitor. */
  stateChanges = 0;
  unconfirmedPackets = 0;

  constructor(config: HealthConfig, dueUs: number) {
    this.health = new PathHealth(config);
    this.intervalUs = config.intervalUs;
    this.dueUs = dueUs;
  }

  configure(config: HealthConfig): void {
    this.health.configure(config);
    this.intervalUs = config.intervalUs;
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
  request(bid: number, nowUs: number, counts: TrafficCounts): Probe {
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) >>> 0;
    this.#sent++;
    this.#pending.push({ sequence, sentUs: nowUs, txPackets: counts.txPackets });
    while (this.#pending.length > MOST_PENDING || this.#pending[0]!.sentUs < nowUs - LOST_AFTER_US) {
      this.#pending.shift();
      this.health.lost();
    }
    return { kind: 'request', bid, sequence, sentUs: nowUs, receivedUs: 0, answeredUs: 0, counts };
  }

  /** A probe of either kind has come; `received` is what had come over the path by then. False: an answer to nothing we asked. */
  receive(probe: Probe, arrivalUs: number, received: { packets: number; octets: number }): boolean {
    if (probe.kind === 'response' && !this.#settle(probe, arrivalUs)) return false;
    const { counts } = probe;
    const leftUs = probe.kind === 'request' ? probe.sentUs : probe.answeredUs;
    this.#rx.delay.add(arrivalUs - leftUs, arrivalUs);
    this.#rx.traffic.add({
      timeUs: arrivalUs,
      sentPackets: counts.txPackets,
      receivedPackets: received.packets,
      receivedOctets: received.octets,
    });
    this.#rx.note(this.roundTrip.measured ? this.roundTrip.smallestUs : 0);
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
    const { sentUs, txPackets } = this.#pending[at]!;
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
    this.#tx.delay.add(probe.receivedUs - sentUs, arrivalUs);
    this.#tx.traffic.add({
      timeUs: probe.receivedUs,
      sentPackets: txPackets,
      receivedPackets: probe.counts.rxPackets,
      receivedOctets: probe.counts.rxOctets,
    });
    this.#tx.note(this.roundTrip.smallestUs);
    const before = this.health.state;
    this.health.answered(arrivalUs);
    if (before === 'down' && this.health.state === 'up') {
      this.#pending = this.#pending.filter((probe) => probe.sentUs > sentUs);
      this.#tx.traffic.clear();
      this.#rx.traffic.clear();
    }
    return true;
  }

  /** Whether data have come since the last call. */
  hearing({ rxPackets }: TrafficCounts, nowUs: number): boolean {
    const more = rxPackets > this.#received;
    this.#received = rxPackets;
    if (more) this.#dataUs = nowUs;
    return more;
  }

  /** When data last came, as far as hearing() was asked. */
  get dataUs(): number {
    return this.#dataUs;
  }

  /** Delay of what comes over the path; null: not measured well enough. */
  get arrivals(): ArrivalDelay | null {
    const { delay } = this.#rx;
    return delay.settled ? delay : null;
  }

  get sending(): DirectionEstimate {
    return this.#tx.estimate(this.roundTrip.measured ? this.roundTrip.smallestUs : 0);
  }

  get receiving(): DirectionEstimate {
    return this.#rx.estimate(this.roundTrip.measured ? this.roundTrip.smallestUs : 0);
  }
}
