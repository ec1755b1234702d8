/**
 * The paths of one session as the monitor watches them. A session rests while all its paths are up and none has carried data for a while: then
 * they are probed less often, since nothing gets lost on them. Its counters are looked at whenever a probe of either end wakes us, so that it
 * is awake soon after data flow. (RFC 5880 §6.6, demand mode, has the same reason.) Pure.
 */
import type { PathProbeState } from './path-probe-state.ts';
import type { TrafficCounts } from './probe.ts';

/** Without data for so long, a session may rest. */
const IDLE_US = 5e6;

export class WatchedSession {
  /** By BID. */
  readonly paths = new Map<number, PathProbeState>();
  /** Since when the far end and we have numbered our packets when it told last; null: it has not told. */
  #since: { readonly far: number; readonly own: number | null } | null = null;
  #resting = false;
  /** When counters were looked at last. */
  #lookedUs = -Infinity;

  get resting(): boolean {
    return this.#resting;
  }

  /** Microseconds from one probe of the path to the next. */
  intervalOf({ intervalUs, idleIntervalUs }: PathProbeState): number {
    return this.#resting ? Math.max(intervalUs, idleIntervalUs) : intervalUs;
  }

  /**
   * To be called before probes are sent and silence is judged, and now and then in between. `stretch`: by how much all intervals are longer.
   * True: the session has been roused, and its paths are to be probed now.
   */
  look(nowUs: number, countsOf: (bid: number) => TrafficCounts | null, stretch: number): boolean {
    let interval = Infinity;
    for (const { intervalUs } of this.paths.values()) interval = Math.min(interval, intervalUs * stretch);
    // Once an interval, give or take what timers are late.
    if (nowUs - this.#lookedUs > interval * 0.75) {
      for (const [bid, state] of this.paths) {
        const counts = countsOf(bid);
        if (counts) state.listen(counts, nowUs);
      }
      this.#lookedUs = nowUs;
    }
    const may = this.#mayRest(nowUs);
    const roused = this.#resting && !may;
    if (roused) this.#rouse(nowUs);
    this.#resting = may;
    return roused;
  }

  /**
   * The far end has numbered its packets since `far`, we ours since `own`. True if it has begun anew but we have not: both do when their
   * keys change.
   */
  isRenumbered(far: number, own: number | null): boolean {
    const before = this.#since;
    this.#since = { far, own };
    return before !== null && before.far !== far && before.own === own;
  }

  #mayRest(nowUs: number): boolean {
    for (const { health, busyUs } of this.paths.values()) {
      if (health.state !== 'up' || nowUs - busyUs < IDLE_US) return false;
    }
    return true;
  }

  /** Paths are judged by what they do from now on: for so long they could be silent without being down. */
  #rouse(nowUs: number): void {
    for (const state of this.paths.values()) {
      state.dueUs = Math.min(state.dueUs, nowUs);
      state.health.listenAnew(nowUs);
    }
  }
}
