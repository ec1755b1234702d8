/** Rate limits by the generic cell rate algorithm: one number of state, a time instead of a yes or no. */

export class Pace {
  readonly perSecond: number;
  private readonly interval: number;
  private readonly tolerance: number;
  private theoretical = -Infinity;

  /** `perSecond` events, as many at once as come in one second at most. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.interval = 1000 / perSecond;
    this.tolerance = this.interval * (Math.max(1, Math.floor(perSecond)) - 1);
  }

  /** Elapsed milliseconds at which the next event may happen. */
  earliest(now: number): number {
    return Math.max(now, this.theoretical - this.tolerance);
  }

  /** Elapsed milliseconds of a place for one event, the next one that is free; nobody else gets it. */
  reserve(now: number): number {
    const at = this.earliest(now);
    this.spend(now);
    return at;
  }

  /** The places that are reserved are not needed. What they would have allowed at once is not saved up. */
  release(now: number): void {
    this.theoretical = Math.min(this.theoretical, now + this.tolerance);
  }

  /** An event happens at `now`. */
  spend(now: number): void {
    this.theoretical = Math.max(now, this.theoretical) + this.interval;
  }
}
