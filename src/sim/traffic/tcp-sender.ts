/**
 * The sending side of a TCP transfer, in whole segments: a SACK scoreboard and pipe (RFC 6675), loss by time (RACK, RFC 8985) as
 * Linux has it since 4.18, tail loss probe, proportional rate reduction (RFC 6937), retransmission time-out (RFC 6298) with F-RTO
 * (RFC 5682), and undoing of what was wrong (tcp-undo.ts). One congestion control of congestion.ts.
 */
import type { EventLoop } from '../event-loop.ts';
import type { CongestionControlName } from '../spec.ts';
import type { Acknowledgement } from './acknowledgement.ts';
import { type AckSample, type CongestionControl, createCongestionControl } from './congestion.ts';
import { FIRST_WINDOW } from './receive-window.ts';
import { RateReduction } from './rate-reduction.ts';
import { ReorderingWindow } from './reordering-window.ts';
import { RetransmissionTimeout } from './tcp-rto.ts';
import { Undo } from './tcp-undo.ts';
import { timestamp } from './timestamp.ts';
import { WindowSamples } from './window-samples.ts';
import { WindowUsage } from './window-usage.ts';

const RING = 1 << 14;
const MASK = RING - 1;
const SACKED = 1;
const LOST = 2;
/** Sent again and not heard of since. */
const RETRANSMITTED = 4;
/** Sent again at least once. */
const AGAIN = 8;

export interface TcpSenderPorts {
  /** Sends segment `segment`. */
  transmit(segment: number): void;
}

export class TcpSender {
  readonly control: CongestionControl;
  retransmits = 0;
  timeouts = 0;
  readonly windows = new WindowSamples();
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
  readonly #rto = new RetransmissionTimeout();
  #minRtt = Infinity;
  /** By what factor the time-out is longer: twice as long each time. */
  #backoff = 1;
  /** Recovery lasts until this segment is acknowledged. */
  #recoverUntil = -1;
  #state: 'open' | 'recovery' | 'loss' = 'open';
  readonly #reduction = new RateReduction();
  #rackSent = -1;
  #rackRtt = 0;
  readonly #reordering = new ReorderingWindow();
  readonly #undo = new Undo();
  /** Whether the time-out was needless is still open (RFC 5682). */
  #frto = false;
  /** This acknowledgement is answered with new segments, not with lost ones. */
  #newFirst = false;
  /** This acknowledgement tells of segments that were sent once, before recovery began; of any by SACK. */
  #originalCame = false;
  #blockCame = false;
  /** The receiver takes segments up to this one. */
  #edge = FIRST_WINDOW;
  readonly #usage = new WindowUsage();
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
    windowLimited: true,
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
      this.#rto.measure(handshakeRtt, 0, 0);
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

  acknowledge(ack: Acknowledgement, now: number): void {
    const { cumulative, echo } = ack;
    if (this.#stopped || cumulative > this.#next) return;
    const deliveredBefore = this.#delivered;
    const advances = cumulative > this.#una;
    this.#edge = Math.max(this.#edge, cumulative + ack.window);
    this.#latest = -1;
    this.#originalCame = false;
    this.#blockCame = false;
    this.#takeCumulative(cumulative, now);
    this.#takeBlocks(ack, now);
    const latest = this.#latest;
    const delivered = this.#delivered - deliveredBefore;
    if (delivered) this.#deliveredAt = now;
    const rtt =
      latest >= 0 && !(this.#flags[latest & MASK]! & AGAIN) ? now - this.#sentAt[latest & MASK]! : null;
    if (rtt !== null) this.#minRtt = Math.min(this.#minRtt, rtt);
    if (this.#oldest !== null) this.#rto.measure(now - this.#oldest, cumulative, this.#next);
    else if (rtt !== null) this.#rto.measure(rtt, cumulative, this.#next);
    // RFC 7323 §4.3: the echo tells which sending is answered.
    else if (advances) this.#rto.measure(Math.max(1, timestamp(now) - echo) * 1e6, cumulative, this.#next);
    const roundStart = cumulative > this.#roundEnd;
    if (roundStart) this.#roundEnd = this.#next;
    if (this.#state !== 'open' || this.#undo.isRefuted) this.#review(advances, echo);
    if (!this.#waits) this.#detectLosses(now);
    this.#recover(now);
    const rate = latest >= 0 ? this.#rateSince(latest, now) : null;
    if (delivered) {
      this.#backoff = 1;
      const { window, threshold } = this.control;
      const sample = this.#sample;
      sample.now = now;
      sample.delivered = delivered;
      sample.rtt = rtt;
      sample.minRtt = this.#minRtt;
      sample.inFlight = this.#inFlight;
      sample.rate = rate;
      sample.appLimited = this.#next >= this.#limit;
      sample.windowLimited = this.#usage.mayGrow(window, window < threshold);
      sample.roundStart = roundStart;
      sample.inRecovery = this.#state === 'recovery';
      this.control.onAck(sample);
      if (this.#state === 'recovery') this.#reduce(delivered);
      this.#probing = false;
    }
    this.windows.add(now, this.control.window);
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
        this.#note(this.#una, now);
        if (!(flags & AGAIN)) {
          if (this.#una < this.#highestSacked) this.#reordering.isNeeded = true;
          if (this.#una < this.#recoverUntil) this.#originalCame = true;
          this.#oldest ??= this.#sentAt[place]!;
        }
      }
      if (flags & LOST) this.#lost--;
      if (flags & RETRANSMITTED) this.#again--;
      this.#flags[place] = flags & AGAIN;
    }
  }

  #takeBlocks({ cumulative, blocks, at, count }: Acknowledgement, now: number): void {
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
        if (!(flags & AGAIN)) {
          if (segment < this.#highestSacked) this.#reordering.isNeeded = true;
          if (segment < this.#recoverUntil) this.#originalCame = true;
        }
        if (flags & LOST) this.#lost--;
        if (flags & RETRANSMITTED) this.#again--;
        this.#note(segment, now);
        this.#flags[place] = (flags & AGAIN) | SACKED;
        this.#sacked++;
        this.#delivered++;
        this.#blockCame = true;
        if (segment > this.#highestSacked) this.#highestSacked = segment;
      }
    }
  }

  /** Whether the first block lies within the second: then it tells of a duplicate (RFC 2883 §4.2). */
  #covers(blocks: Int32Array, at: number, count: number, first: number, end: number): boolean {
    return count > 1 && blocks[at + 2]! <= first && blocks[at + 3]! >= end;
  }

  #takeDuplicate(segments: number): void {
    this.#reordering.widen(this.#roundEnd);
    this.#undo.duplicate(segments);
  }

  #rateSince(segment: number, now: number): number | null {
    const place = segment & MASK;
    const delivered = this.#delivered - this.#deliveredThen[place]!;
    const time = Math.max(now - this.#deliveredAtThen[place]!, this.#minRtt);
    return delivered > 0 && Number.isFinite(time) && time > 0 ? delivered / time : null;
  }

  /** RFC 8985 §6.2 step 5. */
  #detectLosses(now: number): void {
    if (this.#rackSent < 0 || (!this.#sacked && this.#state === 'open')) return;
    const isRecovering = this.#state !== 'open';
    const allowance =
      this.#rackRtt + this.#reordering.width(this.#minRtt, this.#rto.smoothed, isRecovering, this.#sacked);
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
    this.#recover(now);
    if (this.#state === 'recovery') this.#reduce(0);
    this.#fill(now);
    this.#setTimer(now);
  }

  /** What an acknowledgement says of a recovery: that it is over, or was wrong (tcp_fastretrans_alert of Linux). */
  #review(advances: boolean, echo: number): void {
    this.#waits = false;
    if (this.#state === 'loss') return this.#reviewTimeout(advances, echo);
    const delayed = advances && this.#undo.isDelayed(echo);
    if (this.#state === 'recovery' && this.#una >= this.#recoverUntil) {
      if (delayed || this.#undo.isRefuted) return this.#revert(false);
      if (this.control.pacing === null) this.control.window = this.control.threshold;
      this.#leave();
    } else if (this.#state === 'recovery' && delayed) {
      // The original filled the hole. What was sent again has to come back first.
      this.#reordering.isNeeded = true;
      if (this.#again) this.#waits = true;
      else this.#revert(true);
    } else if (this.#undo.isRefuted) this.#revert(false);
  }
  /** No more segments are taken for lost until it is clear what has become of those sent again. */
  #waits = false;

  /** The same after a time-out (tcp_process_loss), with F-RTO in the form for SACK (RFC 5682 §3.1). */
  #reviewTimeout(advances: boolean, echo: number): void {
    if (advances && (this.#undo.isDelayed(echo) || this.#undo.isRefuted)) return this.#revert(true);
    const isOver = this.#una >= this.#recoverUntil;
    if (this.#frto) {
      // Step 3b: what was never sent again has come.
      if (this.#originalCame) return this.#revert(true);
      if (this.#next > this.#recoverUntil) {
        if (this.#blockCame) this.#frto = false;
      } else if (advances && !isOver) {
        // Step 2b: two new segments show whether the rest of the window is on its way.
        this.#recoverUntil = this.#next;
        if (this.#next < this.#end) {
          this.#newFirst = true;
          return;
        }
        this.#frto = false;
      }
    }
    if (isOver) this.#leave();
  }

  #leave(): void {
    this.#state = 'open';
    this.#frto = false;
    this.#reordering.recovered();
  }

  /** Everything is as it was before the window was reduced. `unmark`: nothing is taken for lost any more. */
  #revert(unmark: boolean): void {
    this.control.undo();
    this.#undo.end();
    this.#leave();
    if (!unmark || !this.#lost) return;
    for (let segment = this.#una; segment < this.#next; segment++) {
      const flags = this.#flags[segment & MASK]!;
      if (flags & LOST) this.#flags[segment & MASK] = flags & ~LOST;
    }
    this.#lost = 0;
  }

  /** Begins a recovery if something is lost and there is none. */
  #recover(now: number): void {
    if (this.#state !== 'open' || this.#lost <= this.#again) return;
    this.#state = 'recovery';
    this.#recoverUntil = this.#next;
    this.#reduction.begin(this.#inFlight + this.#lost - this.#again);
    this.#undo.begin();
    const window = this.control.onLoss(now, this.#inFlight);
    if (this.control.pacing !== null) this.control.window = window;
  }

  /** For controls that are not paced by a model of their own. */
  #reduce(delivered: number): void {
    const { control } = this;
    if (control.pacing !== null) return;
    control.window = this.#reduction.window(delivered, this.#inFlight, control.threshold);
  }

  /** The segment after the last one that may be sent. */
  get #end(): number {
    return Math.min(this.#limit, this.#edge, this.#una + RING);
  }

  #fill(now: number): void {
    if (this.#stopped) return;
    const had = this.#inFlight;
    this.#sendWhatFits(now);
    if (this.#newFirst) {
      this.#newFirst = false;
      if (this.#next <= this.#recoverUntil) this.#frto = false;
    }
    this.#usage.note(this.#una, this.#next, this.#inFlight, this.control.window);
    if (!had && this.#inFlight) this.#setTimer(now);
  }

  #sendWhatFits(now: number): void {
    let oldest = this.#una;
    while (this.#inFlight + 1 <= Math.max(1, Math.floor(this.control.window))) {
      if (this.control.pacing !== null && this.#nextSend > now) {
        this.#loop.at(this.#pacer, Math.ceil(this.#nextSend));
        break;
      }
      let segment = -1;
      if (this.#lost > this.#again && !this.#newFirst) {
        for (; oldest < this.#next; oldest++) {
          const flags = this.#flags[oldest & MASK]!;
          if (flags & LOST && !(flags & RETRANSMITTED)) break;
        }
        if (oldest < this.#next) segment = oldest;
      }
      if (segment < 0) {
        if (this.#next >= this.#end) break;
        segment = this.#next++;
        this.#flags[segment & MASK] = 0;
      } else {
        this.#again++;
        this.#undo.repeat(timestamp(now));
        this.#flags[segment & MASK]! |= RETRANSMITTED | AGAIN;
        this.retransmits++;
      }
      this.#send(segment, now);
    }
  }

  #send(segment: number, now: number): void {
    const place = segment & MASK;
    // Segments of one burst keep their order.
    this.#sentAt[place] = now;
    if (!this.#delivered) this.#deliveredAt ||= now;
    this.#deliveredThen[place] = this.#delivered;
    this.#deliveredAtThen[place] = this.#deliveredAt;
    if (this.#state === 'recovery') this.#reduction.send();
    const { pacing } = this.control;
    if (pacing) this.#nextSend = Math.max(now, this.#nextSend) + 1 / pacing;
    this.#ports.transmit(segment);
  }

  #setTimer(now: number): void {
    if (this.#una >= this.#next) return this.#loop.at(this.#timer, Infinity);
    // RFC 8985 §7.2: a probe after two round trips instead, if nothing is amiss yet.
    const { smoothed } = this.#rto;
    const probe = 2 * smoothed + (this.#next - this.#una === 1 ? 200e6 : 2e6);
    const mayProbe = this.#state === 'open' && !this.#probing && smoothed > 0 && !this.#sacked;
    const wait = this.#rto.wait(this.#backoff);
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
    // RFC 5682 §3.1 step 1: not if a recovery was going on, unless the same segment times out again.
    this.#frto = this.#state === 'open' || this.#backoff > 1;
    this.#backoff *= 2;
    const isNew = this.#state === 'open' || this.#una >= this.#recoverUntil;
    for (let segment = this.#una; segment < this.#next; segment++) {
      const flags = this.#flags[segment & MASK]!;
      // What was sent of late may yet come; the first segment is what the time-out is about.
      const mayCome = segment > this.#una && this.#sentAt[segment & MASK]! + this.#rackRtt > now;
      if (!(flags & SACKED) && !mayCome) this.#markLost(segment & MASK, flags);
    }
    this.control.onTimeout(now, isNew);
    if (isNew) this.#undo.begin();
    this.#state = 'loss';
    this.#recoverUntil = this.#next;
    this.control.window = this.#inFlight + 1;
    this.windows.add(now, this.control.window);
    this.#fill(now);
    this.#setTimer(now);
  }

  #probe(now: number): void {
    if (this.#next < this.#end) {
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
}
