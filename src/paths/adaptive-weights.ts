/**
 * Shares of a session's paths from what they carry. A path that is full gets no more than it delivers, and the others take over the
 * rest and a little more, until they are full as well; once all have been full, the shares are as what they carry. While nothing is full
 * nothing can be learned and nothing changes. Pure; src/node/path-watch.ts calls it once an interval.
 */
import type { GuardConfig } from './guard.ts';
import type { MonitoredPath } from './path-monitor.ts';
import { smallRatio } from './small-ratio.ts';

export interface AdaptiveConfig {
  /** Shares of usable paths are not less, and not more. */
  readonly floor: number;
  readonly ceiling: number;
  /** By how much more than now the whole may carry after a step. */
  readonly growth: number;
  /** Relative change of a share below which nothing is published. */
  readonly hysteresis: number;
}

/** What a session says of its adaptive weights; the rest is as by default. A guard of margin 0 never acts. */
export interface Adaptation extends Partial<AdaptiveConfig> {
  readonly guard?: Partial<GuardConfig>;
}

export const ADAPTIVE_DEFAULTS: AdaptiveConfig = {
  floor: 1 / 64,
  ceiling: 1,
  growth: 0.25,
  hysteresis: 0.08,
};

/** A path that is degraded is left out unless the good ones carry less than this part of what it does. */
const WORTH = 0.25;
/** A path that carries this part of what it is known to carry is at its limit, and without a queue so much more is tried. */
const AT_LIMIT = 0.95;
const EXPLORE = 0.1;
/** Bits a second below which rates say nothing. */
const LEAST_RATE = 64_000;

export class AdaptiveWeights {
  readonly #config: AdaptiveConfig;
  /** By BID; sum 1. */
  #shares: Map<number, number>;
  #published: ReadonlyMap<number, number>;

  /** `weights`: those that are in force, by BID. */
  constructor(weights: ReadonlyMap<number, number>, config: Partial<AdaptiveConfig> = {}) {
    this.#config = { ...ADAPTIVE_DEFAULTS, ...config };
    this.#published = new Map(weights);
    this.#shares = normalised(weights);
  }

  /** By BID, sum 1. */
  get shares(): ReadonlyMap<number, number> {
    return this.#shares;
  }

  /** Takes the measurements of all paths; weights by BID if they are to be changed, else null. */
  update(paths: readonly MonitoredPath[]): ReadonlyMap<number, number> | null {
    const usable = usablePaths(paths);
    if (!usable.length) return null;
    this.#admit(paths, usable);
    this.#learn(usable);
    return this.#publish(usable);
  }

  /** Paths that are new get a share by what is known of them, and those that are out of use keep theirs for when they come back. */
  #admit(paths: readonly MonitoredPath[], usable: readonly MonitoredPath[]): void {
    const present = new Set(paths.map(({ bid }) => bid));
    for (const bid of this.#shares.keys()) if (!present.has(bid)) this.#shares.delete(bid);
    for (const { bid } of usable) {
      // Eased in: what it is worth shows when it is full.
      if (!this.#shares.get(bid)) this.#shares.set(bid, 1 / (2 * usable.length));
    }
    this.#shares = normalised(this.#shares);
  }

  #learn(usable: readonly MonitoredPath[]): void {
    const total = usable.reduce((sum, { sending }) => sum + sending.rate, 0);
    if (total < LEAST_RATE) return;
    const full = usable.filter(({ sending }) => sending.full);
    if (!full.length) return;
    if (this.#share(usable)) return;
    const rest = usable.filter(({ sending }) => !sending.full);
    const inUse = usable.reduce((sum, { bid }) => sum + this.#shares.get(bid)!, 0);
    if (!rest.length) {
      for (const { bid, sending } of full) {
        const target = (sending.rate / total) * inUse;
        this.#shares.set(bid, (this.#shares.get(bid)! + target) / 2);
      }
      return;
    }
    const hoped = total * (1 + this.#config.growth);
    let freed = 0;
    for (const { bid, sending } of full) {
      const share = this.#shares.get(bid)!;
      // Never more than now: the whole may carry little for other reasons.
      const next = Math.min(share, (sending.rate / hoped) * inUse);
      freed += share - next;
      this.#shares.set(bid, next);
    }
    const others = rest.reduce((sum, { bid }) => sum + this.#shares.get(bid)!, 0);
    for (const { bid } of rest) {
      const share = this.#shares.get(bid)!;
      this.#shares.set(bid, share + freed * (share / others));
    }
  }

  /** Where it is known of all paths what they carry, shares become those of it. False: of some it is not known. */
  #share(usable: readonly MonitoredPath[]): boolean {
    const worths = usable.map(({ sending: { capacity, rate, full } }) => {
      if (capacity === null) return null;
      // At its limit without a queue: it may carry more than was ever seen.
      return !full && rate > capacity * AT_LIMIT ? capacity * (1 + EXPLORE) : capacity;
    });
    if (worths.includes(null)) return false;
    const sum = worths.reduce<number>((total, worth) => total + worth!, 0);
    const inUse = usable.reduce((total, { bid }) => total + this.#shares.get(bid)!, 0);
    usable.forEach(({ bid }, i) => {
      const share = this.#shares.get(bid)!;
      this.#shares.set(bid, (share + (worths[i]! / sum) * inUse) / 2);
    });
    return true;
  }

  #publish(usable: readonly MonitoredPath[]): ReadonlyMap<number, number> | null {
    const { floor, ceiling, hysteresis } = this.#config;
    const inUse = usable.reduce((sum, { bid }) => sum + this.#shares.get(bid)!, 0);
    const bounded = usable.map(({ bid }) =>
      Math.min(Math.max(this.#shares.get(bid)! / inUse, floor), usable.length > 1 ? ceiling : 1),
    );
    usable.forEach(({ bid }, i) => this.#shares.set(bid, bounded[i]! * inUse));
    const before = normalised(this.#published);
    const moved = usable.some(({ bid }, i) => {
      const old = before.get(bid) ?? 0;
      return old === 0 || Math.abs(bounded[i]! - old) / old > hysteresis;
    });
    const gone = [...this.#published].some(
      ([bid, weight]) => weight > 0 && !usable.some((path) => path.bid === bid),
    );
    if (!moved && !gone) return null;
    const ratio = smallRatio(bounded);
    const weights = new Map([...this.#published.keys()].map((bid) => [bid, 0] as const)) as Map<
      number,
      number
    >;
    for (const bid of this.#shares.keys()) weights.set(bid, 0);
    usable.forEach(({ bid }, i) => weights.set(bid, ratio[i]!));
    const same = [...weights].every(([bid, weight]) => (this.#published.get(bid) ?? 0) === weight);
    this.#published = weights;
    return same ? null : weights;
  }
}

/** Paths that are up or unmeasured; degraded ones if the others carry next to nothing beside them, or if there are no others. */
export function usablePaths(paths: readonly MonitoredPath[]): MonitoredPath[] {
  const good = paths.filter(({ state }) => state === 'up' || state === 'unmeasured');
  const degraded = paths.filter(({ state }) => state === 'degraded');
  if (!good.length) return degraded;
  const worth = (some: readonly MonitoredPath[]): number | null =>
    some.reduce<number | null>(
      (sum, { sending }) => (sum === null || sending.capacity === null ? null : sum + sending.capacity),
      0,
    );
  const [have, lost] = [worth(good), worth(degraded)];
  return have !== null && lost !== null && have < lost * WORTH ? [...good, ...degraded] : good;
}

function normalised(weights: ReadonlyMap<number, number>): Map<number, number> {
  const sum = [...weights.values()].reduce((total, weight) => total + weight, 0);
  return new Map([...weights].map(([bid, weight]) => [bid, sum ? weight / sum : 0]));
}
