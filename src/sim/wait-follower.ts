/**
 * What the receiving end of a direction learns from the probes that come: how long its resequencer has to wait at a gap, by the daemon's
 * own rules (src/paths/wait-bounds.ts, src/node/path-watch.ts).
 */
import { DelayMeter } from '../paths/delay-meter.ts';
import { type WaitBounds, type WaitLimits, nextBounds, waitBounds } from '../paths/wait-bounds.ts';

/** Bounds are lowered so often. */
const LOWER_EVERY = 1e9;

export class WaitFollower {
  readonly #meters: readonly DelayMeter[];
  /** When a probe last came over each path. */
  readonly #heard: number[];
  readonly #silence: number;
  readonly #limits: WaitLimits;
  readonly #apply: (bounds: WaitBounds) => void;
  #bounds: WaitBounds;
  #lowered = 0;

  /** Paths on which nothing has come for `silence` nanoseconds do not count. */
  constructor(paths: number, limits: WaitLimits, silence: number, apply: (bounds: WaitBounds) => void) {
    this.#meters = Array.from({ length: paths }, () => new DelayMeter());
    this.#heard = Array<number>(paths).fill(-Infinity);
    this.#limits = limits;
    this.#bounds = limits;
    this.#silence = silence;
    this.#apply = apply;
  }

  /** A probe came over path number `path` after `delay` nanoseconds. */
  add(path: number, delay: number, now: number): void {
    this.#heard[path] = now;
    this.#meters[path]!.add(delay / 1000, now / 1000);
    const lower = now - this.#lowered >= LOWER_EVERY;
    if (lower) this.#lowered = now;
    const counting = this.#meters.filter(
      (meter, i) => meter.settled && now - this.#heard[i]! <= this.#silence,
    );
    const next = nextBounds(this.#bounds, waitBounds(counting, this.#limits), lower);
    if (!next) return;
    this.#bounds = next;
    this.#apply(next);
  }
}
