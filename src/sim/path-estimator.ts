/**
 * What both ends know of a path, from probes as a daemon sends them and by the daemon's own meters (src/paths): a probe leaves every
 * interval, behind the data sent before it, and its answer is back a round trip later. Its delay says how long the queue was, what both ends
 * had counted how much the path carries; so whoever sends knows what the daemon would, errors included. With `oracle` it is the truth, at once.
 */
import type { PathEstimates } from '../dataplane/distribution-spec.ts';
import { Random } from '../emulator/model/random.ts';
import { DelayMeter } from '../paths/delay-meter.ts';
import { equalDelayBehind } from '../paths/equal-delay.ts';
import { DirectionMeter } from '../paths/direction-meter.ts';
import { modelEstimates } from '../paths/model-estimates.ts';
import { nodeTime } from './end.ts';
import type { EventLoop } from './event-loop.ts';
import type { Link } from './link.ts';

/** Probes that have been answered before the traffic begins. */
const PROBES_BEFORE = 20;

/** One direction of a path. */
export interface ProbedLink {
  readonly link: Link;
  /** The receiving end hears that a probe came after `delay` nanoseconds; `packets` of data had come before it. */
  readonly heard: (delay: number, now: number, packets: number) => void;
}

export interface EstimatorOptions {
  /** Determines the jitter that probes meet. */
  readonly seed: number;
  /** Nanoseconds. */
  readonly interval: number;
  readonly oracle: boolean;
  /** The far end makes paths equally long that are behind by no more than this; null: it does not. */
  readonly equalWithinUs: number | null;
  /** Bits a second; undefined: the operator said nothing. */
  readonly configuredRate: number | undefined;
  /** Of the same end and all its paths; the new estimator adds itself. */
  readonly fellows: PathEstimator[];
  readonly report: (estimates: PathEstimates) => void;
}

/** A probe, or its answer, on its way. */
interface Underway {
  readonly due: number;
  readonly sentAt: number;
  /** When it was answered. */
  readonly answeredAt: number;
  /** Packets and octets given to the link before it, and what had come out of the link before it did. */
  readonly sent: Counts;
  readonly received: Counts;
}

interface Counts {
  readonly packets: number;
  readonly octets: number;
}

const NOTHING: Counts = { packets: 0, octets: 0 };

export class PathEstimator {
  readonly #loop: EventLoop;
  readonly #there: ProbedLink;
  readonly #back: ProbedLink;
  readonly #options: EstimatorOptions;
  readonly #random: Random;
  readonly #meter = new DirectionMeter();
  readonly #roundTrip = new DelayMeter();
  readonly #number: number;
  readonly #arrival: number;
  readonly #answer: number;
  readonly #probes: Underway[] = [];
  readonly #answers: Underway[] = [];
  #wasUp = true;

  constructor(loop: EventLoop, there: ProbedLink, back: ProbedLink, options: EstimatorOptions) {
    this.#loop = loop;
    this.#there = there;
    this.#back = back;
    this.#options = options;
    this.#random = new Random(options.seed);
    options.fellows.push(this);
    this.#number = loop.register((now) => this.#run(now));
    this.#arrival = loop.register((now) => this.#arrive(now));
    this.#answer = loop.register((now) => this.#hear(now));
    for (let i = -PROBES_BEFORE; i < 0; i++) {
      const delay = this.#arrivalOver(there.link, 0);
      const round = delay + this.#arrivalOver(back.link, 0);
      there.heard(delay, 0, 0);
      this.#learn(i * options.interval, delay, round, NOTHING, NOTHING);
    }
    loop.at(this.#number, 0);
  }

  stop(): void {
    for (const actor of [this.#number, this.#arrival, this.#answer]) this.#loop.at(actor, Infinity);
  }

  #arrivalOver(link: Link, now: number): number {
    return link.probeArrival(now, link.spec.jitter ? Math.abs(this.#random.normal()) : 0);
  }

  #run(now: number): void {
    this.#loop.at(this.#number, now + this.#options.interval);
    const { link } = this.#there;
    if (this.#options.oracle) {
      const { jitter } = link.spec;
      this.#options.report({ delayUs: this.#trueDelayUs, jitterUs: jitter, rate: link.rate });
      return;
    }
    if (link.isUp && !this.#wasUp) this.#meter.clear();
    this.#wasUp = link.isUp;
    if (!link.isUp) return;
    this.#dispatch(this.#probes, this.#arrival, {
      due: this.#arrivalOver(link, now),
      sentAt: now,
      answeredAt: 0,
      sent: { packets: link.counters.offered, octets: link.offeredOctets },
      received: NOTHING,
    });
  }

  /** With `oracle`. */
  get #trueDelayUs(): number {
    const { fellows, equalWithinUs } = this.#options;
    const own = this.#there.link.spec.delay;
    if (equalWithinUs === null) return own;
    const up = fellows.map((fellow) => fellow.#there.link).filter(({ isUp }) => isUp);
    const least = Math.min(...up.map(({ spec }) => spec.delay));
    const paths = up.map(({ spec }) => ({ state: 'up' as const, delayBehindUs: spec.delay - least }));
    return least + equalDelayBehind(paths, equalWithinUs, own - least);
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
    const received = this.#there.link.arrived(now);
    this.#there.heard(now - probe.sentAt, now, received.packets);
    this.#dispatch(this.#answers, this.#answer, {
      ...probe,
      due: this.#arrivalOver(this.#back.link, now),
      answeredAt: now,
      received,
    });
  }

  #hear(now: number): void {
    const { sentAt, answeredAt, sent, received } = this.#take(this.#answers, this.#answer);
    this.#back.heard(now - answeredAt, now, this.#back.link.arrived(now).packets);
    this.#learn(sentAt, answeredAt - sentAt, now - sentAt, sent, received);
    const delayUs = (answeredAt - sentAt) / 1000;
    const { fellows } = this.#options;
    const estimates = modelEstimates(
      {
        shortestRoundUs: Math.min(...fellows.map((fellow) => fellow.#roundTrip.smallestUs)),
        delayBehindUs: this.#seemsBehindUs,
        sending: this.#meter.estimate(this.#roundTrip.smallestUs),
        configuredRate: this.#options.configuredRate,
        txOctets: this.#there.link.offeredOctets,
      },
      {
        sentUs: nodeTime(sentAt),
        txOctets: sent.octets,
        queueUs: delayUs - this.#meter.delay.smallestUs,
      },
    );
    this.#options.report(estimates);
  }

  /** A probe sent at `sentAt` took `delay` nanoseconds one way and `round` both. */
  #learn(sentAt: number, delay: number, round: number, sent: Counts, received: Counts): void {
    const heardUs = (sentAt + round) / 1000;
    const point = {
      timeUs: (sentAt + delay) / 1000,
      sentPackets: sent.packets,
      receivedPackets: received.packets,
      receivedOctets: received.octets,
    };
    this.#roundTrip.add(round / 1000, heardUs);
    const { smallestUs } = this.#roundTrip;
    const longerUs = this.#meter.add(delay / 1000, heardUs, point, smallestUs);
    if (longerUs) this.#roundTrip.becomeLonger(smallestUs + longerUs, heardUs);
  }

  /** The same as the far end makes it. */
  get #seemsBehindUs(): number {
    const { fellows, equalWithinUs } = this.#options;
    const own = this.#delayBehindUs;
    if (equalWithinUs === null) return own;
    const paths = fellows.map((fellow) => ({
      state: fellow.#there.link.isUp ? ('up' as const) : ('down' as const),
      delayBehindUs: fellow.#delayBehindUs,
    }));
    return equalDelayBehind(paths, equalWithinUs, own);
  }

  /** Behind the fastest path that is up. */
  get #delayBehindUs(): number {
    const own = this.#meter.delay.smallestUs;
    return Math.max(
      0,
      ...this.#options.fellows.map((fellow) =>
        fellow.#there.link.isUp ? own - fellow.#meter.delay.smallestUs : 0,
      ),
    );
  }
}
