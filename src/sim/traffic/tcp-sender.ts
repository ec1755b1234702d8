/**
 * The sending side of a TCP transfer, in whole segments: a SACK scoreboard and pipe (RFC 6675), loss by time (RACK, RFC 8985) as
 * Linux has it since 4.18, tail loss probe, proportional rate reduction (RFC 6937), retransmission time-out (RFC 6298) with F-RTO
 * (RFC 5682), and undoing of what was wrong (tcp-undo.ts). One congestion control of congestion.ts.
 */
import type { EventLoop } from '../event-loop.ts';
import type { CongestionControlName } from '../spec.ts';
import { type Acknowledgement, tellsOfDuplicate } from './acknowledgement.ts';
import { type CongestionControl, createCongestionControl, newSample } from './congestion.ts';
import { DeliveryRate } from './delivery-rate.ts';
import { FIRST_WINDOW } from './receive-window.ts';
import { Rack } from './rack.ts';
import { RateReduction } from './rate-reduction.ts';
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
  readonly #rate = new DeliveryRate(RING);
  #una = 0;
  #next = 0;
  #sacked = 0;
  #lost = 0;
  #again = 0;
  #highestSacked = -1;
  #roundEnd = 0;
  readonly #rto = new RetransmissionTimeout();
  #minRtt = Infinity;
  /** By what factor the time-out is longer: twice as long each time. */
  #backoff = 1;
  /** Recovery lasts until this segment is acknowledged. */
  #recoverUntil = -1;
  #state: 'open' | 'recovery' | 'loss' = 'open';
  readonly #reduction = new RateReduction();
  readonly #rack = new Rack();
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
  readonly #sample = newSample();

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

  get #inFlight(): number {
    return this.#next - this.#una - this.#sacked - this.#lost + this.#again;
  }

  acknowledge(ack: Acknowledgement, now: number): void {
    const { cumulative, echo } = ack;
    if (this.#stopped || cumulative > this.#next) return;
    const deliveredBefore = this.#rate.delivered;
    const lostBefore = this.#everLost;
    const advances = cumulative > this.#una;
    this.#edge = Math.max(this.#edge, cumulative + ack.window);
    this.#latest = -1;
    this.#originalCame = false;
    this.#blockCame = false;
    const overtakers = this.#highestSacked;
    this.#takeBlocks(ack, now);
    this.#takeCumulative(ack, overtakers, now);
    const latest = this.#latest;
    const delivered = this.#rate.delivered - deliveredBefore;
    if (delivered) this.#rate.note(now);
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
    const looksAgain = !this.#waits && this.#detectLosses(now);
    // Linux has one timer for this, probes and time-outs.
    if (advances && !looksAgain) this.#loop.at(this.#reorderTimer, Infinity);
    this.#recover(now);
    const rate = latest >= 0 ? this.#rate.since(latest & MASK, now, this.#minRtt) : null;
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
      sample.mayGrow =
        (advances || this.#rack.reordering.isLarge) && this.#usage.mayGrow(window, window < threshold);
      sample.roundStart = roundStart;
      sample.inRecovery = this.#state === 'recovery';
      this.control.onAck(sample);
      if (this.#state === 'recovery') this.#reduce(delivered, advances && lostBefore === this.#everLost);
      this.#probing = false;
    }
    this.windows.add(now, this.control.window);
    this.#fill(now);
    if (delivered || this.#una >= this.#next) this.#setTimer(now);
  }

  /** `segment` is acknowledged for the first time; `echo`: the timestamp in an acknowledgement in sequence, Infinity by SACK. */
  #note(segment: number, echo: number, now: number): void {
    const place = segment & MASK;
    const sent = this.#sentAt[place]!;
    // RFC 8985 §6.2 step 1: the answer to the first sending is no answer to the second.
    const isAgain = (this.#flags[place]! & AGAIN) !== 0;
    if (isAgain && now - sent < this.#minRtt) return;
    if (this.#latest < 0 || sent > this.#sentAt[this.#latest & MASK]!) this.#latest = segment;
    if (!isAgain || echo >= timestamp(sent)) this.#rack.advance(segment, sent, now);
  }

  /** `highest`: known by SACK before this acknowledgement. */
  #takeCumulative({ cumulative, echo }: Acknowledgement, highest: number, now: number): void {
    this.#oldest = null;
    for (; this.#una < cumulative; this.#una++) {
      const place = this.#una & MASK;
      const flags = this.#flags[place]!;
      if (flags & SACKED) {
        this.#sacked--;
      } else {
        this.#rate.delivered++;
        this.#note(this.#una, echo, now);
        if (!(flags & AGAIN)) {
          if (this.#una < highest) this.#rack.reordering.overtaken(highest + 1 - this.#una);
          if (this.#una < this.#recoverUntil) this.#originalCame = true;
          this.#oldest ??= this.#sentAt[place]!;
        }
      }
      if (flags & LOST) this.#lost--;
      if (flags & RETRANSMITTED) this.#again--;
      this.#flags[place] = flags & AGAIN;
    }
  }

  #takeBlocks(ack: Acknowledgement, now: number): void {
    const { blocks, at, count } = ack;
    const isDuplicate = tellsOfDuplicate(ack);
    if (isDuplicate) this.#takeDuplicate(blocks[at]!, blocks[at + 1]!);
    for (let block = isDuplicate ? 1 : 0; block < count; block++) {
      const end = Math.min(blocks[at + 2 * block + 1]!, this.#next);
      for (let segment = Math.max(blocks[at + 2 * block]!, this.#una); segment < end; segment++) {
        const place = segment & MASK;
        const flags = this.#flags[place]!;
        if (flags & SACKED) continue;
        if (!(flags & AGAIN)) {
          const ahead = this.#highestSacked + 1 - segment;
          if (ahead > 1) this.#rack.reordering.overtaken(ahead);
          if (segment < this.#recoverUntil) this.#originalCame = true;
        }
        this.#note(segment, Infinity, now);
        this.#flags[place] = (flags & ~LOST) | SACKED;
        if (flags & LOST) {
          this.#lost--;
          // What was not lost after all may still come a second time.
          if (flags & RETRANSMITTED) this.#landed(place);
        }
        this.#sacked++;
        this.#rate.delivered++;
        this.#blockCame = true;
        if (segment > this.#highestSacked) this.#highestSacked = segment;
      }
    }
  }

  #takeDuplicate(first: number, end: number): void {
    this.#rack.reordering.widen(this.#roundEnd);
    this.#undo.duplicate(end - first);
    // Linux counts a needless repetition as delivered.
    this.#rate.delivered += end - first;
    for (let segment = Math.max(first, this.#una); segment < end && segment < this.#next; segment++)
      if (this.#flags[segment & MASK]! & RETRANSMITTED) this.#landed(segment & MASK);
  }

  /** The repetition is not on its way any more. */
  #landed(place: number): void {
    this.#flags[place]! &= ~RETRANSMITTED;
    this.#again--;
  }

  /** RFC 8985 §6.2 step 5. Whether some are not lost yet, but will be. */
  #detectLosses(now: number): boolean {
    const rack = this.#rack;
    if (!rack.isAdvanced || (!this.#sacked && this.#state === 'open')) return false;
    rack.isAdvanced = false;
    const isRecovering = this.#state !== 'open';
    const allowance =
      rack.rtt + rack.reordering.width(this.#minRtt, this.#rto.smoothed, isRecovering, this.#sacked);
    let longest = 0;
    for (let segment = this.#una; segment < this.#next; segment++) {
      const place = segment & MASK;
      const flags = this.#flags[place]!;
      if (flags & SACKED || (flags & LOST && !(flags & RETRANSMITTED))) continue;
      const sent = this.#sentAt[place]!;
      if (!rack.isOvertaken(segment, sent)) {
        // Segments never sent again stand in order of their sending.
        if (!(flags & AGAIN) && segment > this.#highestSacked) break;
        continue;
      }
      const left = sent + allowance - now;
      if (left <= 0) this.#markLost(place, flags);
      else longest = Math.max(longest, left);
    }
    if (longest > 0)
      this.#loop.at(this.#reorderTimer, rack.nextLook(now, longest, this.#rto.wait(this.#backoff)));
    return longest > 0;
  }

  #markLost(place: number, flags: number): void {
    if (!(flags & LOST)) this.#lost++;
    if (flags & RETRANSMITTED) this.#again--;
    this.#flags[place] = (flags & AGAIN) | LOST;
    this.#everLost++;
  }
  /** How often a segment was found lost. */
  #everLost = 0;

  #reorderingOver(now: number): void {
    this.#waits = false;
    this.#rack.isAdvanced = true;
    this.#detectLosses(now);
    const wasOpen = this.#state === 'open';
    this.#recover(now);
    if (wasOpen && this.#state === 'recovery') this.#reduce(1, false);
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
      this.#rack.reordering.recovered();
    } else if (this.#state === 'recovery' && delayed) {
      // The original filled the hole. What was sent again has to come back first.
      this.#rack.reordering.isNeeded = true;
      if (this.#again) this.#waits = true;
      else this.#revert(true);
    } else if (this.#undo.isRefuted) {
      this.#rack.reordering.refuted();
      this.#revert(false);
    }
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
    if (!isOver) return;
    this.#leave();
    this.#rack.reordering.recovered();
  }

  #leave(): void {
    this.#state = 'open';
    this.#frto = false;
  }

  /** Everything is as it was before the window was reduced. `unmark`: nothing is taken for lost any more. */
  #revert(unmark: boolean): void {
    this.control.undo();
    this.#undo.end();
    this.#rack.isAdvanced = true;
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
    if (this.#state !== 'open' || !this.#lost) return;
    this.#state = 'recovery';
    this.#recoverUntil = this.#next;
    this.#reduction.begin(this.control.window);
    this.#undo.begin(this.#again);
    const window = this.control.onLoss(now, this.#inFlight);
    if (this.control.pacing !== null) this.control.window = window;
  }

  /** For controls that are not paced by a model of their own. */
  #reduce(delivered: number, isSound: boolean): void {
    const { control } = this;
    if (control.pacing !== null) return;
    control.window = this.#reduction.window(delivered, this.#inFlight, control.threshold, isSound);
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
      if (this.#lost > this.#again && !this.#newFirst && !this.#waits) {
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
    this.#rate.send(place, now);
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
      const mayCome = segment > this.#una && this.#sentAt[segment & MASK]! + this.#rack.rtt > now;
      if (!(flags & SACKED) && !mayCome) this.#markLost(segment & MASK, flags);
    }
    this.control.onTimeout(now, isNew);
    this.#waits = false;
    if (isNew) this.#undo.begin(this.#again);
    this.#rack.reordering.isLarge = false;
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
