/**
 * How long the resequencer of a session has to wait at a gap at least, and may at most, from what probes show of the paths on which its
 * packets come: nobody knows by which path a missing packet was sent, so it may be as late as the slowest path is behind the
 * fastest, and as the delay varies. Pure.
 */

/** Bounds of the adaptive wait at a gap, in microseconds. */
export interface WaitBounds {
  readonly minWaitUs: number;
  readonly maxWaitUs: number;
}

/** One path on which packets come: one-way delay, and what it seldom exceeds; clock difference included, the same for all. */
export interface ArrivalDelay {
  readonly smoothedUs: number;
  readonly lateUs: number;
}

/** As configured; `longestWaitUs`: measurements raise neither bound above it. */
export interface WaitLimits extends WaitBounds {
  readonly longestWaitUs?: number | undefined;
}

/** The longest wait has to leave room for delays that are not measured yet. */
const ROOM = 2;
/** Differences below do not have to be acted upon. */
const WORTH_US = 500;
/** Of the way down, at a time. */
const LOWER_PART = 1 / 4;
/** Differences below, or of less than half, are no news. */
const NEWS_US = 2000;

/** The bounds for paths with these delays; those configured where there are fewer than two paths. */
export function waitBounds(paths: readonly ArrivalDelay[], limits: WaitLimits): WaitBounds {
  const { minWaitUs, maxWaitUs, longestWaitUs = maxWaitUs } = limits;
  const spread = delaySpread(paths);
  return {
    minWaitUs: Math.round(Math.min(minWaitUs + spread, Math.max(longestWaitUs, minWaitUs))),
    maxWaitUs: Math.round(Math.max(maxWaitUs, Math.min(minWaitUs + ROOM * spread, longestWaitUs))),
  };
}

/** How late a packet of one path may be behind one of another, microseconds. */
export function delaySpread(paths: readonly ArrivalDelay[]): number {
  let spread = 0;
  for (const slow of paths) {
    const { lateUs } = slow;
    for (const fast of paths) {
      if (fast !== slow) spread = Math.max(spread, lateUs - fast.smoothedUs);
    }
  }
  return spread;
}

/**
 * What is to be in force after `before` when `now` was worked out: up at once, down by a part of the way if `lower`, as is to be asked now
 * and then. Null: nothing worth a change.
 */
export function nextBounds(before: WaitBounds, now: WaitBounds, lower: boolean): WaitBounds | null {
  const next = (was: number, is: number): number => {
    if (is > was + WORTH_US) return is;
    if (!lower || is >= was) return was;
    return was - is > WORTH_US ? Math.round(was - (was - is) * LOWER_PART) : is;
  };
  const minWaitUs = next(before.minWaitUs, now.minWaitUs);
  const maxWaitUs = next(before.maxWaitUs, now.maxWaitUs);
  const same = minWaitUs === before.minWaitUs && maxWaitUs === before.maxWaitUs;
  return same ? null : { minWaitUs, maxWaitUs };
}

/** Whether people should hear that `now` is in force after they were told of `told`. */
export function isNews(told: WaitBounds, now: WaitBounds): boolean {
  const differs = (a: number, b: number): boolean => Math.abs(a - b) > Math.max(NEWS_US, Math.min(a, b) / 2);
  return differs(told.minWaitUs, now.minWaitUs) || differs(told.maxWaitUs, now.maxWaitUs);
}
