/**
 * What the sending end's schedulers know of a path, as probes of a daemon would tell: a probe leaves every interval, finds the queue
 * and the delay that packets find, and its answer is back a round trip later. The delay is the smallest of the last probes
 * (without our own queue), the jitter their mean deviation; the rate is what came through while the link was never idle, and
 * before that what the operator configured. With `oracle` it is the truth, at once.
 */
import type { PathEstimates } from '../dataplane/distribution-spec.ts';
import type { EventLoop } from './event-loop.ts';
import type { Link } from './link.ts';

const DELAYS_KEPT = 50;
/** The link was busy if this share of the interval's probes found a queue. */
const SMOOTHING = 0.25;

interface Report {
  readonly due: number;
  readonly estimates: PathEstimates;
}

export class PathEstimator {
  readonly #loop: EventLoop;
  readonly #link: Link;
  readonly #back: Link;
  readonly #interval: number;
  readonly #oracle: boolean;
  readonly #report: (estimates: PathEstimates) => void;
  readonly #number: number;
  readonly #reporter: number;
  readonly #reports: Report[] = [];
  #delays: number[] = [];
  #rate: number;
  #octets = 0;
  #wasBusy = false;

  constructor(
    loop: EventLoop,
    link: Link,
    back: Link,
    interval: number,
    oracle: boolean,
    report: (estimates: PathEstimates) => void,
  ) {
    this.#loop = loop;
    this.#link = link;
    this.#back = back;
    this.#interval = interval;
    this.#oracle = oracle;
    this.#report = report;
    this.#rate = link.rate;
    this.#number = loop.register((now) => this.#run(now));
    this.#reporter = loop.register((now) => this.#deliver(now));
    loop.at(this.#number, 0);
  }

  stop(): void {
    this.#loop.at(this.#number, Infinity);
    this.#loop.at(this.#reporter, Infinity);
  }

  #run(now: number): void {
    this.#loop.at(this.#number, now + this.#interval);
    const link = this.#link;
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
    const delay = link.delayNow(now);
    this.#delays = [...this.#delays.slice(1 - DELAYS_KEPT), delay];
    const least = Math.min(...this.#delays);
    // Deviation from one probe to the next, as RFC 3550 §6.4.1 has it.
    const steps = this.#delays.slice(1).map((value, i) => Math.abs(value - this.#delays[i]!));
    const jitter = steps.length ? steps.reduce((sum, step) => sum + step, 0) / steps.length : 0;
    const estimates = { delayUs: least / 1000, jitterUs: jitter / 1000, rate: this.#rate };
    this.#reports.push({ due: Math.round(now + delay + this.#back.delayNow(now)), estimates });
    if (this.#reports.length === 1) this.#loop.at(this.#reporter, this.#reports[0]!.due);
  }

  #deliver(now: number): void {
    while (this.#reports.length && this.#reports[0]!.due <= now)
      this.#report(this.#reports.shift()!.estimates);
    if (this.#reports.length) this.#loop.at(this.#reporter, this.#reports[0]!.due);
  }
}
