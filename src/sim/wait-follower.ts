/**
 * What the receiving end of a direction learns from the probes that come: how long its resequencer has to wait at a gap, and how long it holds
 * what comes over shorter paths, by the daemon's own rules (src/paths/wait-bounds.ts, equal-delay.ts, src/node/path-watch.ts).
 */
import { DelayMeter } from '../paths/delay-meter.ts';
import { holdTimes } from '../paths/equal-delay.ts';
import { type WaitBounds, type WaitLimits, nextBounds, waitBounds } from '../paths/wait-bounds.ts';

/** Bounds are lowered so often. */
const LOWER_EVERY = 1e9;
/** A path that has carried nothing for so long is not waited for. */
const OF_LATE = 5e9;

export class WaitFollower {
  readonly #meters: readonly DelayMeter[];
  /** When a probe, and when data last came over each path, and how many packets by then. */
  readonly #heard: number[];
  readonly #dataAt: number[];
  readonly #packets: number[];
  readonly #silence: number;
  readonly #limits: WaitLimits;
  readonly #apply: (bounds: WaitBounds) => void;
  readonly #hold: ((path: number, holdUs: number) => void) | null;
  readonly #holds: number[];
  #bounds: WaitBounds;
  #lowered = 0;

  /** Paths on which nothing has come for `silence` nanoseconds do not count. `hold`: paths shall seem equally long; null: they shall not. */
  constructor(
    paths: number,
    limits: WaitLimits,
    silence: number,
    apply: (bounds: WaitBounds) => void,
    hold: ((path: number, holdUs: number) => void) | null,
  ) {
    this.#hold = hold;
    this.#holds = Array<number>(paths).fill(0);
    this.#meters = Array.from({ length: paths }, () => new DelayMeter());
    this.#heard = Array<number>(paths).fill(-Infinity);
    this.#dataAt = Array<number>(paths).fill(-Infinity);
    this.#packets = Array<number>(paths).fill(0);
    this.#limits = limits;
    this.#bounds = limits;
    this.#silence = silence;
    this.#apply = apply;
  }

  /** A probe came over path number `path` after `delay` nanoseconds, and `packets` of data had come before it. */
  add(path: number, delay: number, now: number, packets: number): void {
    this.#heard[path] = now;
    if (packets > this.#packets[path]!) this.#dataAt[path] = now;
    this.#packets[path] = packets;
    this.#meters[path]!.add(delay / 1000, now / 1000);
    this.#holdShorter(now);
    const lower = now - this.#lowered >= LOWER_EVERY;
    if (lower) this.#lowered = now;
    const next = nextBounds(this.#bounds, waitBounds(this.#counting(now), this.#limits), lower);
    if (!next) return;
    this.#bounds = next;
    this.#apply(next);
  }

  #holdShorter(now: number): void {
    if (!this.#hold) return;
    const paths = this.#meters.map((meter, bid) => ({
      bid,
      state: now - this.#heard[bid]! <= this.#silence ? ('up' as const) : ('down' as const),
      receiving: { rawDelayUs: meter.measured ? meter.smallestUs : null },
    }));
    for (const [path, holdUs] of holdTimes(paths, this.#limits.maxWaitUs)) {
      if (this.#holds[path] === holdUs) continue;
      this.#holds[path] = holdUs;
      this.#hold(path, holdUs);
    }
  }

  /** Paths that have carried data of late, or else all that are not silent. */
  #counting(now: number): DelayMeter[] {
    const usable: DelayMeter[] = [];
    const busy: DelayMeter[] = [];
    this.#meters.forEach((meter, path) => {
      if (now - this.#heard[path]! > this.#silence) return;
      usable.push(meter);
      if (now - this.#dataAt[path]! < OF_LATE) busy.push(meter);
    });
    return (busy.length ? busy : usable).filter((meter) => meter.settled);
  }
}
