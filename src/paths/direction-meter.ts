/**
 * What probes that have gone one way over a path say of that direction: delay, queue, loss, rate, capacity. Pure; daemon (path-probe-state.ts)
 * and simulator measure by it.
 */
import { CapacityMeter } from './capacity-meter.ts';
import { DelayMeter } from './delay-meter.ts';
import { LongerPath } from './longer-path.ts';
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
/** What is over sooner than so many packets come is none: some thread or interrupt was late, say. */
const QUEUE_PACKETS = 3;

export class DirectionMeter {
  readonly delay = new DelayMeter();
  readonly traffic = new TrafficMeter(WINDOW_US);
  readonly #capacity = new CapacityMeter();
  readonly #longer = new LongerPath();
  /** Capacity when the path's length came into doubt. */
  #undoubted: number | null = null;

  /** A probe that took `delayUs` of two clocks came after so much data. Gives by how much the path has turned out to be longer than before. */
  add(delayUs: number, nowUs: number, point: TrafficPoint, roundTripUs: number): number {
    this.delay.add(delayUs, nowUs);
    this.traffic.add(point);
    const queueUs = delayUs - this.delay.smallestUs;
    const queued = queueUs > this.#leastQueueUs(roundTripUs);
    const rate = this.traffic.busy ? this.traffic.rate : 0;
    const longerUs = queued ? this.#doubt(delayUs, queueUs, nowUs, point, rate) : 0;
    if (!queued) this.#longer.clear();
    this.#capacity.add(point.timeUs, point.receivedOctets, queued && !longerUs && this.traffic.busy, rate);
    return longerUs;
  }

  #doubt(delayUs: number, queueUs: number, nowUs: number, point: TrafficPoint, rate: number): number {
    if (!this.#longer.inDoubt) this.#undoubted = this.#capacity.bitsPerSecond;
    const smallestUs = this.#longer.add(delayUs, queueUs, point.receivedOctets, point.timeUs);
    if (smallestUs === null) return 0;
    const longerUs = smallestUs - this.delay.smallestUs;
    this.delay.becomeLonger(smallestUs, nowUs);
    this.#capacity.takeBack(this.#undoubted, rate);
    this.#longer.clear();
    return longerUs;
  }

  /** From which on a queue is more than a burst. */
  #leastQueueUs(roundTripUs: number): number {
    return Math.max(QUEUE_US, roundTripUs / 8, QUEUE_PACKETS * this.traffic.spacingUs);
  }

  /** The path was down. */
  clear(): void {
    this.traffic.clear();
    this.#capacity.clear();
    this.#longer.clear();
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
      full: traffic.busy && delay.queueUs > this.#leastQueueUs(roundTripUs),
      busy: traffic.busy,
    };
  }
}
