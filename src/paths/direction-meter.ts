/**
 * What probes that have gone one way over a path say of that direction: delay, queue, loss, rate, capacity. Pure; daemon (path-probe-state.ts)
 * and simulator measure by it.
 */
import { CapacityMeter } from './capacity-meter.ts';
import { DelayMeter } from './delay-meter.ts';
import { TrafficMeter, type TrafficPoint } from './traffic-meter.ts';

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

const WINDOW_US = 500_000;
/** A queue of this much, and of an eighth of the empty round trip, is one that stands. */
const QUEUE_US = 3000;

export class DirectionMeter {
  readonly delay = new DelayMeter();
  readonly traffic = new TrafficMeter(WINDOW_US);
  readonly #capacity = new CapacityMeter();

  /** A probe that took `delayUs` of two clocks came after so much data. */
  add(delayUs: number, nowUs: number, point: TrafficPoint, roundTripUs: number): void {
    this.delay.add(delayUs, nowUs);
    this.traffic.add(point);
    const queued = delayUs - this.delay.smallestUs > leastQueueUs(roundTripUs);
    const rate = this.traffic.busy ? this.traffic.rate : 0;
    this.#capacity.add(point.timeUs, point.receivedOctets, queued && this.traffic.busy, rate);
  }

  /** The path was down. */
  clear(): void {
    this.traffic.clear();
    this.#capacity.clear();
  }

  /** Clock difference included; null: not measured. */
  get rawDelayUs(): number | null {
    return this.delay.measured ? this.delay.smallestUs : null;
  }

  /** `roundTripUs`: of the empty path. */
  estimate(roundTripUs: number): DirectionEstimate {
    const { delay, traffic } = this;
    return {
      rawDelayUs: this.rawDelayUs,
      queueUs: delay.queueUs,
      jitterUs: delay.jitterUs,
      loss: traffic.loss,
      rate: traffic.rate,
      capacity: this.#capacity.bitsPerSecond,
      full: traffic.busy && delay.queueUs > leastQueueUs(roundTripUs),
      busy: traffic.busy,
    };
  }
}

/** From which on a queue is more than a burst. */
function leastQueueUs(roundTripUs: number): number {
  return Math.max(QUEUE_US, roundTripUs / 8);
}
