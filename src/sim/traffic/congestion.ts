/**
 * Congestion control, in segments: Reno (RFC 5681), CUBIC (RFC 9438) with HyStart as Linux has it, and a model after
 * BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00). The sender (tcp-sender.ts) tells what was acknowledged.
 */
import type { CongestionControlName } from '../spec.ts';

/** What an acknowledgement told; times in nanoseconds. Written over by the next one. */
export interface AckSample {
  readonly now: number;
  /** Segments newly delivered, in sequence or by SACK. */
  readonly delivered: number;
  /** Null if the acknowledgement has no usable sample. */
  readonly rtt: number | null;
  readonly minRtt: number;
  readonly inFlight: number;
  /** Segments a nanosecond over the last round trip; null if not known. */
  readonly rate: number | null;
  /** The sender had nothing to send while the sample was taken. */
  readonly appLimited: boolean;
  /** The window is what limits the segments on their way, and what was acknowledged lets it grow. */
  readonly mayGrow: boolean;
  /** A new round trip has begun. */
  readonly roundStart: boolean;
  readonly inRecovery: boolean;
}

/** One to be written over with each acknowledgement. */
export function newSample(): { -readonly [Key in keyof AckSample]: AckSample[Key] } {
  return {
    now: 0,
    delivered: 0,
    rtt: null,
    minRtt: Infinity,
    inFlight: 0,
    rate: null,
    appLimited: false,
    mayGrow: true,
    roundStart: false,
    inRecovery: false,
  };
}

export interface CongestionControl {
  /** Segments. */
  window: number;
  threshold: number;
  /** Segments a nanosecond; null: not paced. */
  readonly pacing: number | null;
  onAck(sample: AckSample): void;
  /** Loss was detected; gives the window to fall to. */
  onLoss(now: number, inFlight: number): number;
  /** `isNew`: what was sent since the window was reduced last has been acknowledged. */
  onTimeout(now: number, isNew: boolean): void;
  /** The loss was none: everything as it was before. */
  undo(): void;
}

/** RFC 6928. */
export const INITIAL_WINDOW = 10;
const SMALLEST_WINDOW = 2;

class Reno implements CongestionControl {
  window = INITIAL_WINDOW;
  threshold = Infinity;
  readonly pacing = null;
  protected before = { window: INITIAL_WINDOW, threshold: Infinity };

  onAck({ delivered, inRecovery, mayGrow }: AckSample): void {
    if (inRecovery || !mayGrow) return;
    const rest = this.slowStart(delivered);
    this.window += rest / this.window;
  }

  /** Grows by `delivered` segments, up to the threshold; gives those beyond it. */
  protected slowStart(delivered: number): number {
    if (this.window >= this.threshold) return delivered;
    const growth = Math.min(delivered, this.threshold - this.window);
    this.window += growth;
    return delivered - growth;
  }

  onLoss(_now: number, _inFlight: number): number {
    this.before = { window: this.window, threshold: this.threshold };
    this.threshold = Math.max(SMALLEST_WINDOW, this.window / 2);
    return this.threshold;
  }

  onTimeout(now: number, isNew: boolean): void {
    if (isNew) this.onLoss(now, 0);
    this.window = 1;
  }

  undo(): void {
    this.window = Math.max(this.window, this.before.window);
    this.threshold = Math.max(this.threshold, this.before.threshold);
  }
}

/** RFC 9438 §5: C in segments per second cubed, and the multiplicative decrease. */
const CUBIC_C = 0.4;
const CUBIC_BETA = 0.7;
/** Linux: before the first loss nothing is known of the path, and the window grows by 5 % a round trip at least. */
const CUBIC_BLIND_GROWTH = 1 / 20;
const CUBIC_NO_SAMPLES = 1e9;
/** HyStart (Ha and Rhee, 2011) with the constants of Linux: from this window on, bounds of the delay's growth, samples a round. */
const HYSTART_WINDOW = 16;
const HYSTART_MIN = 4e6;
const HYSTART_MAX = 16e6;
const HYSTART_SAMPLES = 8;
/** Acknowledgements closer than this belong to one train. */
const HYSTART_TRAIN = 2e6;
/** What super-packets may add to a train: 256 KiB at the pacing rate, a millisecond at most, which is the less from 2 Gbit/s on only. */
const HYSTART_AGGREGATION = 1e6;

class Cubic extends Reno {
  #maximum = 0;
  #epoch = -1;
  #k = 0;
  #origin = 0;
  #estimate = 0;
  #leastRtt = Infinity;
  #roundRtt = Infinity;
  #samples = 0;
  #roundBegan = 0;
  #lastAck = 0;

  override onAck(sample: AckSample): void {
    const { now, delivered, rtt } = sample;
    // Linux takes no samples for a second after a recovery.
    const isSample = rtt !== null && (this.#epoch < 0 || now - this.#epoch >= CUBIC_NO_SAMPLES);
    if (isSample) this.#leastRtt = Math.min(this.#leastRtt, rtt);
    if (sample.inRecovery) return;
    // Before what this acknowledgement adds, which may be a super-packet's.
    if (this.window < this.threshold && isSample && this.#queueGrows(sample, rtt))
      this.threshold = this.window;
    const rest = sample.mayGrow ? this.slowStart(delivered) : 0;
    if (rest > 0) this.#grow(now, rest);
  }

  #grow(now: number, delivered: number): void {
    if (this.#epoch < 0) {
      this.#epoch = now;
      this.#estimate = this.window;
      this.#origin = Math.max(this.#maximum, this.window);
      this.#k = this.#maximum > this.window ? Math.cbrt((this.#maximum - this.window) / CUBIC_C) : 0;
    }
    const t = (now - this.#epoch + (Number.isFinite(this.#leastRtt) ? this.#leastRtt : 0)) / 1e9 - this.#k;
    const target = Math.min(this.#origin + CUBIC_C * t * t * t, 1.5 * this.window);
    // §4.3: what Reno would have, given our smaller decrease.
    this.#estimate += ((3 * (1 - CUBIC_BETA)) / (1 + CUBIC_BETA)) * (delivered / this.window);
    const growth = target > this.window ? (target - this.window) / this.window : 0.01 / this.window;
    this.window += delivered * (this.#maximum ? growth : Math.max(growth, CUBIC_BLIND_GROWTH));
    this.window = Math.max(this.window, this.#estimate);
  }

  override onLoss(_now: number, _inFlight: number): number {
    this.before = { window: this.window, threshold: this.threshold };
    this.#epoch = -1;
    // §4.7 fast convergence.
    this.#maximum = this.window < this.#maximum ? (this.window * (1 + CUBIC_BETA)) / 2 : this.window;
    this.threshold = Math.max(SMALLEST_WINDOW, this.window * CUBIC_BETA);
    return this.threshold;
  }

  /** Linux forgets what it knew of the path. */
  override onTimeout(now: number, isNew: boolean): void {
    super.onTimeout(now, isNew);
    this.#maximum = 0;
    this.#epoch = -1;
    this.#leastRtt = Infinity;
  }

  /** The round's smallest delay has grown, or its acknowledgements came without a gap for half a round trip. */
  #queueGrows({ now, roundStart }: AckSample, rtt: number): boolean {
    if (roundStart) {
      this.#roundRtt = Infinity;
      this.#samples = 0;
      this.#roundBegan = now;
      this.#lastAck = now;
    }
    if (this.window < HYSTART_WINDOW) return false;
    const least = this.#leastRtt;
    if (now - this.#lastAck <= HYSTART_TRAIN) {
      this.#lastAck = now;
      if (now - this.#roundBegan > (least + HYSTART_AGGREGATION) / 2) return true;
    }
    this.#roundRtt = Math.min(this.#roundRtt, rtt);
    if (this.#samples++ < HYSTART_SAMPLES) return false;
    return this.#roundRtt > least + Math.min(Math.max(least / 8, HYSTART_MIN), HYSTART_MAX);
  }
}

const BBR_HIGH_GAIN = 2.885;
const BBR_CYCLE = [1.25, 0.75, 1, 1, 1, 1, 1, 1];
const BBR_RATE_ROUNDS = 10;
const BBR_RTT_EXPIRY = 10e9;
const BBR_PROBE_RTT = 200e6;
const BBR_PROBE_WINDOW = 4;

class Bbr implements CongestionControl {
  window = INITIAL_WINDOW;
  threshold = Infinity;
  pacing: number | null = null;
  #state: 'startup' | 'drain' | 'probe-rate' | 'probe-rtt' = 'startup';
  #rates: { round: number; rate: number }[] = [];
  #round = 0;
  #fullRate = 0;
  #fullRounds = 0;
  #minRtt = Infinity;
  #minRttAt = 0;
  #cycle = 2;
  #cycleAt = 0;
  #probeEnd = 0;

  constructor(now: number, handshakeRtt: number | null) {
    if (handshakeRtt === null) return;
    this.#minRtt = handshakeRtt;
    this.#minRttAt = now;
    this.pacing = (BBR_HIGH_GAIN * INITIAL_WINDOW) / handshakeRtt;
  }

  onAck(sample: AckSample): void {
    const { now, rtt, rate, inFlight, roundStart, appLimited } = sample;
    if (roundStart) this.#round++;
    if (rate !== null && (!appLimited || rate > this.#rate)) {
      this.#rates = this.#rates.filter(
        (entry) => entry.round > this.#round - BBR_RATE_ROUNDS && entry.rate > rate,
      );
      this.#rates.push({ round: this.#round, rate });
    }
    const expired = now > this.#minRttAt + BBR_RTT_EXPIRY;
    if (rtt !== null && (rtt <= this.#minRtt || expired)) {
      this.#minRtt = rtt;
      this.#minRttAt = now;
      if (expired && this.#state !== 'probe-rtt') {
        this.#state = 'probe-rtt';
        this.#probeEnd = now + Math.max(BBR_PROBE_RTT, rtt);
      }
    }
    if (this.#state === 'startup' && roundStart && !appLimited) this.#checkFull();
    const product = this.#rate * this.#minRtt;
    if (this.#state === 'drain' && inFlight <= product) this.#enterProbe(now);
    if (this.#state === 'probe-rate' && now - this.#cycleAt > this.#minRtt) {
      if (BBR_CYCLE[this.#cycle] !== 0.75 || inFlight <= product || now - this.#cycleAt > 2 * this.#minRtt) {
        this.#cycle = (this.#cycle + 1) % BBR_CYCLE.length;
        this.#cycleAt = now;
      }
    }
    if (this.#state === 'probe-rtt' && now >= this.#probeEnd) {
      this.#minRttAt = now;
      if (this.#fullRounds >= 3) this.#enterProbe(now);
      else this.#state = 'startup';
    }
    this.#set(sample.delivered, product);
  }

  onLoss(_now: number, inFlight: number): number {
    return Math.max(this.window, inFlight, BBR_PROBE_WINDOW);
  }

  onTimeout(_now: number, _isNew: boolean): void {
    this.window = BBR_PROBE_WINDOW;
  }

  undo(): void {}

  get #rate(): number {
    return this.#rates[0]?.rate ?? 0;
  }

  #checkFull(): void {
    if (this.#rate >= this.#fullRate * 1.25) {
      this.#fullRate = this.#rate;
      this.#fullRounds = 0;
    } else if (++this.#fullRounds >= 3) {
      this.#state = 'drain';
    }
  }

  #enterProbe(now: number): void {
    this.#state = 'probe-rate';
    this.#cycle = 2;
    this.#cycleAt = now;
  }

  #set(delivered: number, product: number): void {
    const gain = {
      startup: BBR_HIGH_GAIN,
      drain: 1 / BBR_HIGH_GAIN,
      'probe-rate': BBR_CYCLE[this.#cycle]!,
      'probe-rtt': 1,
    }[this.#state];
    if (this.#rate) this.pacing = gain * this.#rate;
    if (this.#state === 'probe-rtt') {
      this.window = BBR_PROBE_WINDOW;
      return;
    }
    const target = product * (this.#state === 'probe-rate' ? 2 : BBR_HIGH_GAIN) + 3;
    if (this.#fullRounds >= 3) this.window = Math.min(this.window + delivered, target);
    else if (this.window < target || !Number.isFinite(target)) this.window += delivered;
    this.window = Math.max(this.window, BBR_PROBE_WINDOW);
  }
}

/** `handshakeRtt`: what the handshake measured; null: nothing. */
export function createCongestionControl(
  name: CongestionControlName,
  now: number,
  handshakeRtt: number | null,
): CongestionControl {
  return name === 'reno' ? new Reno() : name === 'cubic' ? new Cubic() : new Bbr(now, handshakeRtt);
}
