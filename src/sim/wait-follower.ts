/**
 * What the receiving end of a direction learns from the probes that come: how long its resequencer has to wait at a gap, by the daemon's
 * own rules (src/paths/wait-bounds.ts, src/node/path-watch.ts).
 */
import { DelayMeter } from '../paths/delay-meter.ts';
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
  #bounds: WaitBounds;
  #lowered = 0;

  /** Paths on which nothing has come for `silence` nanoseconds do not count. */
  constructor(paths: number, limits: WaitLimits, silence: number, apply: (bounds: WaitBounds) => void) {
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
    const lower = now - this.#lowered >= LOWER_EVERY;
    if (lower) this.#lowered = now;
    const next = nextBounds(this.#bounds, waitBounds(this.#counting(now), this.#limits), lower);
    if (!next) return;
    this.#bounds = next;
    this.#apply(next);
  }

  /** Paths that have carried data of late, or else all that are not silent. */
  #counting(now: number): DelayMeter[] {
    const usable = this.#meters.flatMap((meter, i) =>
      now - this.#heard[i]! <= this.#silence ? [{ meter, i }] : [],
    );
    const busy = usable.filter(({ i }) => now - this.#dataAt[i]! < OF_LATE);
    return (busy.length ? busy : usable).flatMap(({ meter }) => (meter.settled ? [meter] : []));
  }
}
