/**
 * What both ends know of a path, as probes of a daemon would tell: a probe leaves every interval, finds the queue and the delay that
 * packets find, and its answer is back a round trip later. The delay is the smallest of the last probes (without our own queue), the
 * jitter the mean step between them; the rate is what came through while the link was never idle, and before that what the
 * operator configured; the queue is the one that the probe found and what was sent since. With `oracle` it is the truth, at once.
 */
import type { PathEstimates } from '../dataplane/distribution-spec.ts';
import { Random as ModelRandom } from '../emulator/model/random.ts';
import { nodeTime } from './end.ts';
import type { EventLoop } from './event-loop.ts';
import type { Link } from './link.ts';
import type { WaitFollower } from './wait-follower.ts';

const DELAYS_KEPT = 50;
const SMOOTHING = 0.25;
/** Probes that have been answered before the traffic begins. */
const PROBES_BEFORE = 20;

/** One direction of a path, and who receives what comes over it. */
export interface ProbedLink {
  readonly link: Link;
  readonly follower: WaitFollower;
}

/** A probe, or its answer, on its way. */
interface Underway {
  readonly due: number;
  readonly delay: number;
  readonly sentAt: number;
  /** Nanoseconds of queue that the probe found, and octets given to the link before it. */
  readonly queue: number;
  readonly offered: number;
  readonly estimates: PathEstimates & { readonly rate: number };
}

export class PathEstimator {
  readonly #loop: EventLoop;
  readonly #there: ProbedLink;
  readonly #back: ProbedLink;
  readonly #path: number;
  readonly #interval: number;
  readonly #oracle: boolean;
  readonly #report: (estimates: PathEstimates) => void;
  readonly #random: ModelRandom;
  readonly #number: number;
  readonly #arrival: number;
  readonly #answer: number;
  readonly #probes: Underway[] = [];
  readonly #answers: Underway[] = [];
  #delays: number[] = [];
  #rate: number;
  #octets = 0;
  #wasBusy = false;

  /** `path` is the path's number; `seed` determines the jitter that probes meet. */
  constructor(
    loop: EventLoop,
    there: ProbedLink,
    back: ProbedLink,
    path: number,
    seed: number,
    interval: number,
    oracle: boolean,
    report: (estimates: PathEstimates) => void,
  ) {
    this.#loop = loop;
    this.#there = there;
    this.#back = back;
    this.#path = path;
    this.#random = new ModelRandom(seed);
    this.#interval = interval;
    this.#oracle = oracle;
    this.#report = report;
    this.#rate = there.link.rate;
    this.#number = loop.register((now) => this.#run(now));
    this.#arrival = loop.register((now) => this.#arrive(now));
    this.#answer = loop.register((now) => this.#hear(now));
    for (let i = 0; i < PROBES_BEFORE; i++) {
      const delay = this.#delayOf(there.link, 0);
      this.#delays.push(delay);
      there.follower.add(path, delay, 0);
    }
    loop.at(this.#number, 0);
  }

  stop(): void {
    for (const actor of [this.#number, this.#arrival, this.#answer]) this.#loop.at(actor, Infinity);
  }

  #delayOf(link: Link, now: number): number {
    const { jitter } = link.spec;
    return link.delayNow(now) + (jitter ? Math.abs(this.#random.normal()) * jitter * 1000 : 0);
  }

  #run(now: number): void {
    this.#loop.at(this.#number, now + this.#interval);
    const { link } = this.#there;
    if (this.#oracle) {
      const { delay, jitter } = link.spec;
      this.#report({ delayUs: delay, jitterUs: jitter, rate: link.rate });
      return;
    }
    if (!link.isUp) return;
    const isBusy = link.queued(now) > 0;
    const octets = link.arrivedOctets(now);
    const rate = ((octets - this.#octets) * 8e9) / this.#interval;
    this.#octets = octets;
    if ((isBusy && this.#wasBusy && rate > 0) || rate > this.#rate) {
      this.#rate += SMOOTHING * (rate - this.#rate);
    }
    this.#wasBusy = isBusy;
    const delay = this.#delayOf(link, now);
    this.#delays = [...this.#delays.slice(1 - DELAYS_KEPT), delay];
    const least = Math.min(...this.#delays);
    // Deviation from one probe to the next, as RFC 3550 §6.4.1 has it.
    const steps = this.#delays.slice(1).map((value, i) => Math.abs(value - this.#delays[i]!));
    const jitter = steps.length ? steps.reduce((sum, step) => sum + step, 0) / steps.length : 0;
    this.#dispatch(this.#probes, this.#arrival, {
      due: Math.round(now + delay),
      delay,
      sentAt: now,
      queue: delay - least,
      offered: link.offeredOctets,
      estimates: { delayUs: least / 1000, jitterUs: jitter / 1000, rate: this.#rate },
    });
  }

  #dispatch(queue: Underway[], actor: number, probe: Underway): void {
    queue.push({ ...probe, due: Math.max(probe.due, queue.at(-1)?.due ?? 0) });
    if (queue.length === 1) this.#loop.at(actor, queue[0]!.due);
  }

  #take(queue: Underway[], actor: number): Underway {
    const probe = queue.shift()!;
    if (queue.length) this.#loop.at(actor, queue[0]!.due);
    return probe;
  }

  /** A probe is at the far end, which answers. */
  #arrive(now: number): void {
    const probe = this.#take(this.#probes, this.#arrival);
    this.#there.follower.add(this.#path, probe.delay, now);
    const delay = this.#delayOf(this.#back.link, now);
    this.#dispatch(this.#answers, this.#answer, { ...probe, delay, due: Math.round(now + delay) });
  }

  #hear(now: number): void {
    const { delay, sentAt, queue, offered, estimates } = this.#take(this.#answers, this.#answer);
    this.#back.follower.add(this.#path, delay, now);
    const since = ((this.#there.link.offeredOctets - offered) * 8e9) / estimates.rate;
    this.#report({ ...estimates, freeAtUs: nodeTime(sentAt + queue + since) });
  }
}
