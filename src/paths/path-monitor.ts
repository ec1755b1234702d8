/**
 * Measures all paths of a data plane by probes: when to send which, what to answer, and which paths have changed their state. Pure: time
 * and counters are arguments, what is to be done is given back. src/node/path-watch.ts drives it; tests and simulations do so in virtual time.
 */
import { HEALTH_DEFAULTS, type HealthConfig, type HealthState } from './path-health.ts';
import type { DirectionEstimate } from './direction-meter.ts';
import { PathProbeState, type SeenQueue } from './path-probe-state.ts';
import type { ArrivalDelay } from './wait-bounds.ts';
import { type Numbering, type TrafficCounts, decodeProbe, encodeProbe, restampProbe } from './probe.ts';
import type { MtuFinding } from './mtu-search.ts';
import { volleysOf } from './volleys.ts';
import { WatchedSession } from './watched-session.ts';

export interface PathId {
  readonly session: string;
  readonly bid: number;
}

/** A path that is to be watched, and how; as the monitor's default says if left out. */
export interface WatchedPath extends PathId {
  readonly config?: HealthConfig;
  /** Octets of the largest outer packet that may be sent over it, if padded probes are to find out whether those arrive. */
  readonly mtu?: number | undefined;
}

export type MonitorEffect =
  /** `octets`: of the whole outer packet, padded; undefined: no more than it needs. */
  | (PathId & { readonly effect: 'send'; readonly message: Uint8Array; readonly octets?: number })
  /** Larger packets do not arrive, and nothing but probes shows it; null: they do again. */
  | (PathId & MtuFinding & { readonly effect: 'mtu' })
  /** The far end numbers its packets anew, and has come to `next`: it has restarted, say. */
  | (PathId & { readonly effect: 'renumbered'; readonly next: number })
  /** For the schedulers' models. */
  | (PathId & SeenQueue & { readonly effect: 'queue' })
  | (PathId & {
      readonly effect: 'state';
      readonly from: HealthState;
      readonly to: HealthState;
      readonly reason: string;
    });

export interface MonitoredPath extends PathId {
  readonly state: HealthState;
  readonly reason: string;
  readonly rttUs: number | null;
  readonly minRttUs: number | null;
  readonly probesSent: number;
  readonly probesAnswered: number;
  /** Packets that were sent before the last probe that was answered: what was sent since may be lost with the path. */
  readonly confirmedPackets: number;
  /** Packets that went into the path between the last sign that they arrive and its being left out, all times together. */
  readonly unconfirmedPackets: number;
  /** Changes of state since it is watched. */
  readonly stateChanges: number;
  /** Delay behind the session's fastest path in the sending direction; null: not known. */
  readonly delayBehindUs: number | null;
  readonly sending: DirectionEstimate;
  readonly receiving: DirectionEstimate;
}

export interface ReceivedMessage extends PathId {
  readonly arrivalUs: number;
  readonly packets: number;
  readonly octets: number;
  readonly message: Uint8Array;
}

type CountsOf = (path: PathId) => TrafficCounts | null;
type NumberingOf = (session: string) => Numbering | null;

/** So many probes a second at most, whatever the number of paths: beyond, all intervals grow. */
const MOST_PROBES_A_SECOND = 2000;
/** A far end that has not answered so many is asked less often, by this factor. */
const PATIENCE = 50;
const RARELY = 10;
/** A follower's probes are due so much of their interval before their time if the far end asks: not again if it has just asked. */
const EARLY = 0.75;
/** A path that has carried nothing for so long is not waited for. */
const OF_LATE_US = 5e6;

export class PathMonitor {
  readonly #config: HealthConfig;
  readonly #sessions = new Map<string, WatchedSession>();
  /** By how much all intervals are longer than configured, so that there are not too many probes in all. */
  #stretch = 1;
  #malformed = 0;
  #nextTickUs = Infinity;
  readonly #follows: boolean;
  /** Sessions whose far end has asked since followProbes() was called. */
  readonly #asked = new Set<string>();

  /** `follows`: at rest, probes of ours go along with those of the far end. Of the two ends one may, or each would hurry the other. */
  constructor(config: Partial<HealthConfig> = {}, follows = false) {
    this.#config = { ...HEALTH_DEFAULTS, ...config };
    this.#follows = follows;
  }

  /** Probes that could not be read, or that answered nothing. */
  get malformed(): number {
    return this.#malformed;
  }

  /** The paths that there are from now on; what is known of those that stay is kept. */
  setPaths(paths: readonly WatchedPath[], nowUs: number): void {
    const wanted = new Map<string, Set<number>>();
    for (const { session, bid } of paths) {
      const bids = wanted.get(session) ?? new Set();
      wanted.set(session, bids.add(bid));
    }
    for (const [session, watched] of this.#sessions) {
      const bids = wanted.get(session);
      for (const bid of watched.paths.keys()) if (!bids?.has(bid)) watched.paths.delete(bid);
      if (!bids) this.#sessions.delete(session);
    }
    const rate = paths.reduce((sum, { config = this.#config }) => sum + 1e6 / config.intervalUs, 0);
    this.#stretch = Math.max(1, rate / MOST_PROBES_A_SECOND);
    const volleys = volleysOf(paths);
    volleys.forEach((volley, i) => {
      const [{ session, config = this.#config }] = volley;
      const watched = this.#sessions.get(session) ?? new WatchedSession();
      this.#sessions.set(session, watched);
      const states = watched.paths;
      const interval = config.intervalUs * this.#stretch;
      // Volleys are spread over the interval, so that a thousand paths are not probed at once.
      const first = nowUs + (i * interval) / volleys.length;
      const mate = volley.map(({ bid }) => states.get(bid)).find((state) => state !== undefined);
      const joining = mate ? nowUs + modulo(mate.dueUs - nowUs, interval) : first;
      for (const { bid, config = this.#config, mtu } of volley) {
        const state = states.get(bid) ?? new PathProbeState(config, joining);
        state.setMtu(mtu, nowUs);
        if (!states.has(bid)) {
          states.set(bid, state);
          continue;
        }
        if (config.intervalUs < state.intervalUs) state.dueUs = Math.min(state.dueUs, first);
        state.configure(config);
      }
    });
    this.#nextTickUs = Math.min(this.#nextTickUs, nowUs);
  }

  /** When tick() wants to be called next. */
  get nextTickUs(): number {
    return this.#nextTickUs;
  }

  /** The interface of a path is up or down. */
  setLink(path: PathId, up: boolean): MonitorEffect[] {
    return this.#change(path, (state) => state.health.setLink(up));
  }

  /** A path has been left out: of all that was sent over it, `sent` packets, what was not confirmed may be lost. Gives how many. */
  leaveOut({ session, bid }: PathId, sent: number): number {
    const state = this.#sessions.get(session)?.paths.get(bid);
    if (!state) return 0;
    const unconfirmed = Math.max(0, sent - state.confirmedPackets);
    state.unconfirmedPackets += unconfirmed;
    return unconfirmed;
  }

  /** Asks a path at once. */
  probeNow({ session, bid }: PathId, nowUs: number): void {
    const state = this.#sessions.get(session)?.paths.get(bid);
    if (state) state.dueUs = nowUs;
    this.#nextTickUs = Math.min(this.#nextTickUs, nowUs);
  }

  /** Probes that are due, and what silence and measurements have changed. To be called after receive() has had everything that came. */
  tick(nowUs: number, countsOf: CountsOf, numberingOf: NumberingOf = () => null): MonitorEffect[] {
    const effects: MonitorEffect[] = [];
    this.#excuse(nowUs - this.#nextTickUs);
    let next = Infinity;
    for (const [session, watched] of this.#sessions) {
      watched.look(nowUs, (bid) => countsOf({ session, bid }), this.#stretch);
      for (const [bid, state] of watched.paths) {
        const interval = watched.intervalOf(state) * this.#stretch;
        const path = { session, bid };
        if (state.dueUs <= nowUs)
          effects.push(...this.#probe(path, state, interval, nowUs, countsOf, numberingOf));
        if (state.health.suspectUs(interval) <= nowUs) {
          effects.push(
            ...this.#change(path, () => this.#checkSilence(watched.paths, state, interval, nowUs)),
          );
        }
        next = Math.min(next, state.dueUs, state.health.suspectUs(interval));
      }
    }
    this.#nextTickUs = Math.max(next, nowUs);
    return effects;
  }

  /**
   * To be called right before the message of an effect is sent, some time after tick() or receive() gave it: that our thread was busy, or not
   * scheduled, is nothing that the path did.
   */
  leaves({ session, bid, message }: PathId & { readonly message: Uint8Array }, nowUs: number): void {
    const us = Math.round(nowUs);
    restampProbe(message, us);
    const probe = decodeProbe(message);
    if (probe?.kind === 'request') this.#sessions.get(session)?.paths.get(bid)?.leaves(probe.sequence, us);
  }

  /** A pause of our own is no silence of the paths. */
  #excuse(pauseUs: number): void {
    for (const { paths } of this.#sessions.values()) {
      for (const state of paths.values()) {
        if (pauseUs > state.intervalUs * this.#stretch) state.health.excuse(pauseUs);
      }
    }
  }

  /** Sends the probe that is due and judges what has been measured since the last one. */
  #probe(
    path: PathId,
    state: PathProbeState,
    interval: number,
    nowUs: number,
    countsOf: CountsOf,
    numberingOf: NumberingOf,
  ): MonitorEffect[] {
    const effects: MonitorEffect[] = [];
    const counts = countsOf(path);
    const rare = state.health.state === 'unmeasured' && state.probesSent > PATIENCE;
    state.dueUs =
      Math.max(state.dueUs + interval, nowUs + interval / 2) + (rare ? interval * (RARELY - 1) : 0);
    if (counts) {
      const request = state.request(path.bid, Math.round(nowUs), counts, numberingOf(path.session));
      const message = encodeProbe(request);
      effects.push({ ...path, effect: 'send', message });
    }
    effects.push(...this.#measureMtu(path, state, nowUs, counts));
    const states = this.#sessions.get(path.session)!.paths;
    effects.push(
      ...this.#change(path, () =>
        state.health.check(lossOf(state.sending), this.#delayBehind(states, state)),
      ),
    );
    return effects;
  }

  /** What padded probes have shown, and the next one. */
  #measureMtu(
    path: PathId,
    state: PathProbeState,
    nowUs: number,
    counts: TrafficCounts | null,
  ): MonitorEffect[] {
    if (!counts || state.health.state === 'unmeasured' || state.health.state === 'down') return [];
    const { probe, finding } = state.requestPadded(path.bid, Math.round(nowUs), counts);
    return [
      ...(finding ? [{ ...path, ...finding, effect: 'mtu' } as const] : []),
      ...(probe
        ? [{ ...path, effect: 'send', message: encodeProbe(probe), octets: probe.octets } as const]
        : []),
    ];
  }

  #checkSilence(
    states: ReadonlyMap<number, PathProbeState>,
    { health, hearing, roundTrip }: PathProbeState,
    interval: number,
    nowUs: number,
  ): void {
    const othersHeard = [...states.values()].some(
      (other) => other.health.heardUs > health.heardUs + 1.5 * interval,
    );
    health.checkSilence(nowUs, interval, hearing, othersHeard, roundTrip.variationUs);
  }

  /** A probe has come: its answer, if it asks, and what it changes. */
  receive(
    received: ReceivedMessage,
    nowUs: number,
    countsOf: CountsOf,
    numberingOf: NumberingOf = () => null,
  ): MonitorEffect[] {
    const { session, bid, arrivalUs, packets, octets } = received;
    const watched = this.#sessions.get(session);
    // At rest there is no other reason to wake up for that.
    if (watched?.resting && watched.look(nowUs, (bid) => countsOf({ session, bid }), this.#stretch)) {
      this.#nextTickUs = Math.min(this.#nextTickUs, nowUs);
    }
    const probe = decodeProbe(received.message);
    const state = watched?.paths.get(bid);
    if (!probe) {
      this.#malformed++;
      return [];
    }
    const path = { session, bid };
    const effects: MonitorEffect[] = [];
    if (probe.kind === 'request') {
      if (this.#follows) this.#asked.add(session);
      const counts = countsOf(path);
      if (counts) {
        const message = encodeProbe({
          ...probe,
          kind: 'response',
          numbering: null,
          bid,
          receivedUs: arrivalUs,
          answeredUs: Math.max(Math.round(nowUs), arrivalUs),
          counts: { ...counts, rxPackets: packets, rxOctets: octets },
        });
        effects.push({ ...path, effect: 'send', message });
      }
    }
    if (!state) return effects;
    if (watched && probe.numbering) {
      const { sinceUs, next } = probe.numbering;
      const own = numberingOf(session)?.sinceUs ?? null;
      if (watched.isRenumbered(sinceUs, own)) effects.push({ ...path, effect: 'renumbered', next });
    }
    if (state.isPadded(probe)) {
      const finding = state.settlePadded(probe, arrivalUs);
      return finding ? [...effects, { ...path, ...finding, effect: 'mtu' }] : effects;
    }
    effects.push(
      ...this.#change(path, () => {
        if (!state.receive(probe, arrivalUs, { packets, octets })) this.#malformed++;
      }),
    );
    const queue = state.takeSeenQueue();
    if (queue) effects.push({ ...path, effect: 'queue', ...queue });
    return effects;
  }

  /**
   * To be called when probes have come: at rest, a follower's own ones go along with its answers, so that each end wakes twice an interval
   * instead of three times. True if any are due now.
   */
  followProbes(nowUs: number): boolean {
    let due = false;
    for (const session of this.#asked) {
      const watched = this.#sessions.get(session);
      if (!watched?.resting) continue;
      for (const state of watched.paths.values()) {
        if (state.dueUs - nowUs > watched.intervalOf(state) * this.#stretch * EARLY) continue;
        state.dueUs = Math.min(state.dueUs, nowUs);
        due = true;
      }
    }
    this.#asked.clear();
    if (due) this.#nextTickUs = Math.min(this.#nextTickUs, nowUs);
    return due;
  }

  /** What is known of a session's paths. */
  session(session: string): MonitoredPath[] {
    const states = this.#sessions.get(session)?.paths;
    if (!states) return [];
    return [...states].map(([bid, state]) => ({
      session,
      bid,
      state: state.health.state,
      reason: state.health.reason,
      rttUs: state.roundTrip.measured ? state.roundTrip.smoothedUs : null,
      minRttUs: state.roundTrip.measured ? state.roundTrip.smallestUs : null,
      probesSent: state.probesSent,
      probesAnswered: state.probesAnswered,
      confirmedPackets: state.confirmedPackets,
      unconfirmedPackets: state.unconfirmedPackets,
      stateChanges: state.stateChanges,
      delayBehindUs: this.#delayBehind(states, state),
      sending: state.sending,
      receiving: state.receiving,
    }));
  }

  /** Delays of the paths on which the session's packets come: of those that have carried some of late, or else of all that are not down. */
  arrivals(session: string, nowUs: number): ArrivalDelay[] {
    const usable = [...(this.#sessions.get(session)?.paths.values() ?? [])].filter(
      ({ health }) => health.state !== 'down',
    );
    const busy = usable.filter(({ dataUs }) => nowUs - dataUs < OF_LATE_US);
    return (busy.length ? busy : usable).flatMap(({ arrivals }) => arrivals ?? []);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  sessions(): string[] {
    return [...this.#sessions.keys()];
  }

  /** How much longer data take over this path than over the fastest one that is not down, queues left out. */
  #delayBehind(states: ReadonlyMap<number, PathProbeState>, state: PathProbeState): number | null {
    const own = state.sendingDelayUs;
    if (own === null) return null;
    let fastest = own;
    for (const { health, sendingDelayUs } of states.values()) {
      if (health.state !== 'down' && sendingDelayUs !== null) fastest = Math.min(fastest, sendingDelayUs);
    }
    return own - fastest;
  }

  #change(path: PathId, change: (state: PathProbeState) => void): MonitorEffect[] {
    const state = this.#sessions.get(path.session)?.paths.get(path.bid);
    if (!state) return [];
    const from = state.health.state;
    change(state);
    const to = state.health.state;
    if (from === to) return [];
    state.stateChanges++;
    return [{ ...path, effect: 'state', from, to, reason: state.health.reason }];
  }
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}

/** Loss that is the path's own: what a full path drops is the business of the weights. Null: the probes alone can tell. */
function lossOf({ busy, full, loss }: DirectionEstimate): number | null {
  if (full) return 0;
  return busy ? loss : null;
}
