/**
 * The sending side of a TCP transfer, in whole segments: a SACK scoreboard and pipe (RFC 6675), loss by time (RACK, RFC 8985) as
 * Linux has it since 4.18, tail loss probe, proportional rate reduction (RFC 6937), retransmission time-out (RFC 6298), and
 * undoing of reductions that D-SACK shows to be wrong (RFC 3708). One congestion control of congestion.ts.
 */
import type { EventLoop } from '../event-loop.ts';
import type { CongestionControlName } from '../spec.ts';
import { type AckSample, type CongestionControl, createCongestionControl } from './congestion.ts';

const RING = 1 << 14;
const MASK = RING - 1;
const SACKED = 1;
const LOST = 2;
/** Sent again and not heard of since. */
const RETRANSMITTED = 4;
/** Sent again at least once. */
const AGAIN = 8;

const FIRST_RTO = 1e9;
const SHORTEST_RTO = 200e6;
const LONGEST_RTO = 120e9;
const DUPLICATE_THRESHOLD = 3;
/** What the receiver's buffer admits: Linux's default of 6 MB in tcp_rmem, half of it payload. */
const RECEIVE_WINDOW = 4096;
const WINDOW_SAMPLES = 4000;
const SAMPLE_EVERY = 10e6;

export interface TcpSenderPorts {
  /** Sends segment `segment`. */
  transmit(segment: number): void;
}

export class TcpSender {
  readonly control: CongestionControl;
  retransmits = 0;
  timeouts = 0;
  readonly windows: { time: number; window: number }[] = [];
  #sampledAt = -Infinity;
  readonly #loop: EventLoop;
  readonly #timer: number;
  readonly #reorderTimer: number;
  readonly #pacer: number;
  readonly #ports: TcpSenderPorts;
  /** Segments of the transfer. */
  readonly #limit: number;
  readonly #flags = new Uint8Array(RING);
  readonly #sentAt = new Float64Array(RING);
  /** Segments delivered, and when the last of them was, as of the sending of each. */
  readonly #deliveredThen = new Float64Array(RING);
  readonly #deliveredAtThen = new Float64Array(RING);
  #una = 0;
  #next = 0;
  #sacked = 0;
  #lost = 0;
  #again = 0;
  #highestSacked = -1;
  #delivered = 0;
  #deliveredAt = 0;
  #roundEnd = 0;
  #smoothed = 0;
  #variation = 0;
  #minRtt = Infinity;
  /** By what factor the time-out is longer: twice as long each time. */
  #backoff = 1;
  /** Recovery lasts until this segment is acknowledged. */
  #recoverUntil = -1;
  #state: 'open' | 'recovery' | 'loss' = 'open';
  #prrDelivered = 0;
  #prrOut = 0;
  #prrFlight = 1;
  #rackSent = -1;
  #rackRtt = 0;
  #reorderSeen = false;
  #reorderSteps = 1;
  #reorderStepRound = -1;
  #undoable = 0;
  #probing = false;
  #nextSend = 0;
  /** The segment sent last of those that this acknowledgement tells of; -1: none. */
  #latest = -1;
  /** When the first segment that this acknowledgement covers was sent: Linux smooths what an acknowledgement took at most. */
  #oldest: number | null = null;
  readonly #sample: { -readonly [Key in keyof AckSample]: AckSample[Key] } = {
    now: 0,
    delivered: 0,
    rtt: null,
    minRtt: Infinity,
    inFlight: 0,
    rate: null,
    appLimited: false,
    roundStart: false,
    inRecovery: false,
  };

  /** `handshakeRtt`: what the handshake measured; null: nothing. */
  constructor(
    loop: EventLoop,
    congestion: CongestionControlName,
    segments: number,
    handshakeRtt: number | null,
    ports: TcpSenderPorts,
  ) {
    this.#loop = loop;
    this.#ports = ports;
    this.#limit = segments;
    this.control = createCongestionControl(congestion, loop.now, handshakeRtt);
    if (handshakeRtt !== null) {
      this.#minRtt = handshakeRtt;
      this.#smooth(handshakeRtt);
    }
    this.#timer = loop.register((now) => this.#timeOut(now));
    this.#reorderTimer = loop.register((now) => this.#reorderingOver(now));
    this.#pacer = loop.register((now) => this.#fill(now));
  }

  start(now: number): void {
    this.#fill(now);
  }

  /** Stops sending; what is on its way is not sent again. */
  stop(): void {
    for (const timer of [this.#timer, this.#reorderTimer, this.#pacer]) this.#loop.at(timer, Infinity);
    this.#stopped = true;
  }
  #stopped = false;

  get isDone(): boolean {
    return this.#una >= this.#limit;
  }

  get #inFlight(): number {
    return this.#next - this.#una - this.#sacked - this.#lost + this.#again;
  }

  /** An acknowledgement: cumulative, and `count` SACK blocks from `blocks[at]` on. */
  acknowledge(cumulative: number, blocks: Int32Array, at: number, count: number, now: number): void {
    if (this.#stopped || cumulative > this.#next) return;
    const deliveredBefore = this.#delivered;
    this.#latest = -1;
    this.#takeCumulative(cumulative, now);
    this.#takeBlocks(cumulative, blocks, at, count, now);
    const latest = this.#latest;
    const delivered = this.#delivered - deliveredBefore;
    if (delivered) this.#deliveredAt = now;
    const rtt =
      latest >= 0 && !(this.#flags[latest & MASK]! & AGAIN) ? now - this.#sentAt[latest & MASK]! : null;
    if (rtt !== null) this.#minRtt = Math.min(this.#minRtt, rtt);
    if (this.#oldest !== null) this.#smooth(now - this.#oldest);
    else if (rtt !== null) this.#smooth(rtt);
    const roundStart = cumulative > this.#roundEnd;
    if (roundStart) this.#roundEnd = this.#next;
    this.#detectLosses(now);
    this.#changeState(now, cumulative);
    const rate = latest >= 0 ? this.#rateSince(latest, now) : null;
    if (delivered) {
      this.#backoff = 1;
      const sample = this.#sample;
      sample.now = now;
      sample.delivered = delivered;
      sample.rtt = rtt;
      sample.minRtt = this.#minRtt;
      sample.inFlight = this.#inFlight;
      sample.rate = rate;
      sample.appLimited = this.#next >= this.#limit;
      sample.roundStart = roundStart;
      sample.inRecovery = this.#state === 'recovery';
      this.control.onAck(sample);
      if (this.#state === 'recovery') this.#reduce(delivered);
      this.#probing = false;
    }
    this.#sampleWindow(now);
    this.#fill(now);
    if (delivered || this.#una >= this.#next) this.#setTimer(now);
  }

  /** `segment` is acknowledged for the first time. */
  #note(segment: number, now: number): void {
    const place = segment & MASK;
    const sent = this.#sentAt[place]!;
    // RFC 8985 §6.2 step 1: the answer to the first sending is no answer to the second.
    if (this.#flags[place]! & AGAIN && now - sent < this.#minRtt) return;
    if (this.#latest < 0 || sent > this.#sentAt[this.#latest & MASK]!) this.#latest = segment;
    if (sent > this.#rackSent) {
      this.#rackSent = sent;
      this.#rackRtt = now - sent;
    }
  }

  #takeCumulative(cumulative: number, now: number): void {
    this.#oldest = null;
    for (; this.#una < cumulative; this.#una++) {
      const place = this.#una & MASK;
      const flags = this.#flags[place]!;
      if (flags & SACKED) {
        this.#sacked--;
      } else {
        this.#delivered++;
        if (this.#una < this.#highestSacked && !(flags & AGAIN)) this.#reorderSeen = true;
        this.#note(this.#una, now);
        if (!(flags & AGAIN)) this.#oldest ??= this.#sentAt[place]!;
      }
      if (flags & LOST) this.#lost--;
      if (flags & RETRANSMITTED) this.#again--;
      this.#flags[place] = flags & AGAIN;
    }
  }

  #takeBlocks(cumulative: number, blocks: Int32Array, at: number, count: number, now: number): void {
    for (let block = 0; block < count; block++) {
      const first = blocks[at + 2 * block]!;
      const end = blocks[at + 2 * block + 1]!;
      if (block === 0 && (first < cumulative || this.#covers(blocks, at, count, first, end))) {
        this.#takeDuplicate(end - first);
        continue;
      }
      for (let segment = Math.max(first, this.#una); segment < end && segment < this.#next; segment++) {
        const place = segment & MASK;
        const flags = this.#flags[place]!;
        if (flags & SACKED) continue;
        if (segment < this.#highestSacked && !(flags & AGAIN)) this.#reorderSeen = true;
        if (flags & LOST) this.#lost--;
        if (flags & RETRANSMITTED) this.#again--;
        this.#note(segment, now);
        this.#flags[place] = (flags & AGAIN) | SACKED;
        this.#sacked++;
        this.#delivered++;
        if (segment > this.#highestSacked) this.#highestSacked = segment;
      }
    }
  }

  /** Whether the first block lies within the second: then it tells of a duplicate (RFC 2883 §4.2). */
  #covers(blocks: Int32Array, at: number, count: number, first: number, end: number): boolean {
    return count > 1 && blocks[at + 2]! <= first && blocks[at + 3]! >= end;
  }

  #takeDuplicate(segments: number): void {
    if (this.#reorderStepRound !== this.#roundEnd) {
      // RFC 8985 §7.2: once a round.
      this.#reorderStepRound = this.#roundEnd;
      if (this.#reorderSteps < 255) this.#reorderSteps++;
    }
    if (this.#undoable <= 0) return;
    this.#undoable -= segments;
    if (this.#undoable > 0) return;
    this.control.undo();
    if (this.#state !== 'loss') this.#state = 'open';
  }

  /** RFC 6298 §2. */
  #smooth(rtt: number): void {
    if (!this.#smoothed) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
      return;
    }
    this.#variation += (Math.abs(rtt - this.#smoothed) - this.#variation) / 4;
    this.#smoothed += (rtt - this.#smoothed) / 8;
  }

  #rateSince(segment: number, now: number): number | null {
    const place = segment & MASK;
    const delivered = this.#delivered - this.#deliveredThen[place]!;
    const time = Math.max(now - this.#deliveredAtThen[place]!, this.#minRtt);
    return delivered > 0 && Number.isFinite(time) && time > 0 ? delivered / time : null;
  }

  #reorderWindow(): number {
    if (!this.#reorderSeen && (this.#state !== 'open' || this.#sacked >= DUPLICATE_THRESHOLD)) return 0;
    return Math.min((this.#minRtt / 4) * this.#reorderSteps, this.#smoothed);
  }

  /** RFC 8985 §6.2 step 5. */
  #detectLosses(now: number): void {
    if (this.#rackSent < 0 || (!this.#sacked && this.#state === 'open')) return;
    const allowance = this.#rackRtt + this.#reorderWindow();
    let wait = Infinity;
    for (let segment = this.#una; segment < this.#next; segment++) {
      const place = segment & MASK;
      const flags = this.#flags[place]!;
      if (flags & SACKED || (flags & LOST && !(flags & RETRANSMITTED))) continue;
      const sent = this.#sentAt[place]!;
      if (sent >= this.#rackSent) {
        // Segments never sent again stand in order of their sending.
        if (!(flags & AGAIN) && segment > this.#highestSacked) break;
        continue;
      }
      const left = sent + allowance - now;
      if (left <= 0) this.#markLost(place, flags);
      else wait = Math.min(wait, left);
    }
    // A whole microsecond at least: rounding must not bring us back to the same instant.
    this.#loop.at(this.#reorderTimer, wait === Infinity ? Infinity : now + Math.max(1000, Math.ceil(wait)));
  }

  #markLost(place: number, flags: number): void {
    if (!(flags & LOST)) this.#lost++;
    if (flags & RETRANSMITTED) this.#again--;
    this.#flags[place] = (flags & AGAIN) | LOST;
  }

  #reorderingOver(now: number): void {
    this.#detectLosses(now);
    this.#changeState(now, this.#una);
    if (this.#state === 'recovery') this.#reduce(0);
    this.#fill(now);
    this.#setTimer(now);
  }

  #changeState(now: number, cumulative: number): void {
    if (this.#state !== 'open' && cumulative >= this.#recoverUntil) {
      if (this.#state === 'recovery' && this.control.pacing === null)
        this.control.window = this.control.threshold;
      this.#state = 'open';
    }
    if (this.#state !== 'open' || this.#lost <= this.#again) return;
    this.#state = 'recovery';
    this.#recoverUntil = this.#next;
    this.#prrFlight = Math.max(1, this.#inFlight + this.#lost - this.#again);
    this.#prrDelivered = 0;
    this.#prrOut = 0;
    this.#undoable = 0;
    const window = this.control.onLoss(now, this.#inFlight);
    if (this.control.pacing !== null) this.control.window = window;
  }

  /** RFC 6937, for controls that are not paced by a model of their own. */
  #reduce(delivered: number): void {
    if (this.control.pacing !== null) return;
    this.#prrDelivered += delivered;
    const pipe = this.#inFlight;
    const { threshold } = this.control;
    const room =
      pipe > threshold
        ? Math.ceil((this.#prrDelivered * threshold) / this.#prrFlight) - this.#prrOut
        : Math.min(threshold - pipe, Math.max(this.#prrDelivered - this.#prrOut, delivered) + 1);
    // The first segment found lost always goes out at once.
    this.control.window = pipe + Math.max(room, this.#prrOut ? 0 : 1);
  }

  #fill(now: number): void {
    if (this.#stopped) return;
    const had = this.#inFlight;
    let oldest = this.#una;
    while (this.#inFlight + 1 <= Math.max(1, Math.floor(this.control.window))) {
      if (this.control.pacing !== null && this.#nextSend > now) {
        this.#loop.at(this.#pacer, Math.ceil(this.#nextSend));
        break;
      }
      let segment = -1;
      if (this.#lost > this.#again) {
        for (; oldest < this.#next; oldest++) {
          const flags = this.#flags[oldest & MASK]!;
          if (flags & LOST && !(flags & RETRANSMITTED)) break;
        }
        if (oldest < this.#next) segment = oldest;
      }
      if (segment < 0) {
        if (this.#next >= this.#limit || this.#next - this.#una >= RECEIVE_WINDOW) break;
        segment = this.#next++;
        this.#flags[segment & MASK] = 0;
      } else {
        this.#again++;
        this.#undoable++;
        this.#flags[segment & MASK]! |= RETRANSMITTED | AGAIN;
        this.retransmits++;
      }
      this.#send(segment, now);
    }
    if (!had && this.#inFlight) this.#setTimer(now);
  }

  #send(segment: number, now: number): void {
    const place = segment & MASK;
    // Segments of one burst keep their order.
    this.#sentAt[place] = now;
    if (!this.#delivered) this.#deliveredAt ||= now;
    this.#deliveredThen[place] = this.#delivered;
    this.#deliveredAtThen[place] = this.#deliveredAt;
    if (this.#state === 'recovery') this.#prrOut++;
    const { pacing } = this.control;
    if (pacing) this.#nextSend = Math.max(now, this.#nextSend) + 1 / pacing;
    this.#ports.transmit(segment);
  }

  #setTimer(now: number): void {
    if (this.#una >= this.#next) return this.#loop.at(this.#timer, Infinity);
    const timeout = this.#smoothed
      ? Math.max(SHORTEST_RTO, this.#smoothed + Math.max(4 * this.#variation, SHORTEST_RTO))
      : FIRST_RTO;
    // RFC 8985 §7.2: a probe after two round trips instead, if nothing is amiss yet.
    const probe = 2 * this.#smoothed + (this.#next - this.#una === 1 ? 200e6 : 2e6);
    const mayProbe = this.#state === 'open' && !this.#probing && this.#smoothed > 0 && !this.#sacked;
    const wait = Math.min(timeout * this.#backoff, LONGEST_RTO);
    this.#probeDue = mayProbe && probe < wait;
    this.#loop.at(this.#timer, Math.round(now + (this.#probeDue ? probe : wait)));
  }
  #probeDue = false;

  #timeOut(now: number): void {
    if (this.#una >= this.#next) return;
    if (this.#probeDue) {
      this.#probing = true;
      this.#probe(now);
      return this.#setTimer(now);
    }
    this.timeouts++;
    this.#backoff *= 2;
    for (let segment = this.#una; segment < this.#next; segment++) {
      const flags = this.#flags[segment & MASK]!;
      if (!(flags & SACKED)) this.#markLost(segment & MASK, flags);
    }
    if (this.#state !== 'loss') this.control.onTimeout(now);
    this.#state = 'loss';
    this.#recoverUntil = this.#next;
    this.#undoable = 0;
    this.control.window = Math.min(this.control.window, 1);
    this.#sampleWindow(now);
    this.#fill(now);
    this.#setTimer(now);
  }

  #probe(now: number): void {
    if (this.#next < this.#limit && this.#next - this.#una < RECEIVE_WINDOW) {
      this.#flags[this.#next & MASK] = 0;
      return this.#send(this.#next++, now);
    }
    const last = this.#next - 1;
    const flags = this.#flags[last & MASK]!;
    if (flags & (SACKED | RETRANSMITTED)) return;
    this.#flags[last & MASK] = flags | AGAIN;
    this.retransmits++;
    this.#send(last, now);
  }

  #sampleWindow(now: number): void {
    if (now - this.#sampledAt < SAMPLE_EVERY || this.windows.length >= WINDOW_SAMPLES) return;
    this.#sampledAt = now;
    this.windows.push({ time: now, window: this.control.window });
  }
}
