/**
 * Never worse than the best path alone: if what all paths deliver together stays below what one of them is known to carry, the session goes
 * over to that one, and tries again after a while, which doubles with every failure. Pure; src/node/path-watch.ts calls it once an interval.
 */
import type { MonitoredPath } from './path-monitor.ts';

export type GuardVerdict =
  | { readonly mode: 'spread' }
  /** Everything over this path. */
  | { readonly mode: 'single'; readonly bid: number };

export interface GuardConfig {
  /** All together are worse if they deliver less than this part of the best one. */
  readonly margin: number;
  /** For so long in a row. */
  readonly patienceUs: number;
  /** When to try again after the first failure, and at the latest. */
  readonly retryUs: number;
  readonly longestRetryUs: number;
}

export const GUARD_DEFAULTS: GuardConfig = {
  margin: 0.9,
  patienceUs: 3e6,
  retryUs: 30e6,
  longestRetryUs: 600e6,
};

export class Guard {
  readonly #config: GuardConfig;
  #single: number | null = null;
  #worseSince: number | null = null;
  #retryAt = 0;
  #retryAfter: number;
  #spreadSince: number | null = null;

  constructor(config: Partial<GuardConfig> = {}) {
    this.#config = { ...GUARD_DEFAULTS, ...config };
    this.#retryAfter = this.#config.retryUs;
  }

  update(paths: readonly MonitoredPath[], nowUs: number): GuardVerdict {
    const usable = paths.filter(({ state }) => state !== 'down');
    if (this.#single !== null) {
      const gone = !usable.some(({ bid, state }) => bid === this.#single && state !== 'degraded');
      if (!gone && nowUs < this.#retryAt) return { mode: 'single', bid: this.#single };
      this.#single = null;
      this.#worseSince = null;
      this.#spreadSince = nowUs;
      return { mode: 'spread' };
    }
    this.#spreadSince ??= nowUs;
    // A long time without failure makes up for earlier ones.
    if (nowUs - this.#spreadSince > 2 * this.#retryAfter) this.#retryAfter = this.#config.retryUs;
    const best = bestOf(usable);
    const together = usable.reduce((sum, { sending }) => sum + sending.rate, 0);
    // Without a full path there may just be little to send.
    const wanted = usable.some(({ sending }) => sending.full);
    if (!best || usable.length < 2 || (!wanted && this.#worseSince === null)) return { mode: 'spread' };
    if (together >= best.capacity * this.#config.margin || together < best.capacity * IDLE) {
      this.#worseSince = null;
      return { mode: 'spread' };
    }
    this.#worseSince ??= nowUs;
    if (nowUs - this.#worseSince < this.#config.patienceUs) return { mode: 'spread' };
    this.#single = best.bid;
    this.#retryAt = nowUs + this.#retryAfter;
    this.#retryAfter = Math.min(this.#retryAfter * 2, this.#config.longestRetryUs);
    this.#spreadSince = null;
    return { mode: 'single', bid: best.bid };
  }
}

/** Who delivers less than this part of what a path can carry has nothing to send. */
const IDLE = 0.02;

function bestOf(paths: readonly MonitoredPath[]): { bid: number; capacity: number } | null {
  let best: { bid: number; capacity: number } | null = null;
  for (const { bid, state, sending } of paths) {
    if (state !== 'up' || sending.capacity === null) continue;
    if (!best || sending.capacity > best.capacity) best = { bid, capacity: sending.capacity };
  }
  return best;
}
