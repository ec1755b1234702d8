/**
 * Keeps an eye on the paths of a data plane: drives the path monitor (src/paths) by timers and probes, and tells the data plane which paths to
 * leave out, what the schedulers may know of them and, where wanted, new weights. One for each HostDataplane.
 */
import type { Dataplane } from '../dataplane/dataplane.ts';
import type { ReceivedProbe } from '../dataplane/probed-paths.ts';
import type { PathHealthStatus } from '../dataplane/status.ts';
import { type Adaptation, AdaptiveWeights } from '../paths/adaptive-weights.ts';
import { EaseIn } from '../paths/ease-in.ts';
import { equalDelayBehind, holdTimes } from '../paths/equal-delay.ts';
import { Guard, type GuardVerdict } from '../paths/guard.ts';
import type { HealthConfig } from '../paths/path-health.ts';
import { modelEstimates } from '../paths/model-estimates.ts';
import { type MonitorEffect, type MonitoredPath, type PathId, PathMonitor } from '../paths/path-monitor.ts';
import type { Numbering, TrafficCounts } from '../paths/probe.ts';
import { type WaitBounds, isNews, nextBounds, waitBounds } from '../paths/wait-bounds.ts';
import type { MtuKnowledge } from './mtu-knowledge.ts';
import { PaddedPaths } from './padded-paths.ts';
import { monotonicMicroseconds } from '../dataplane/clock.ts';

export interface PathWatchOptions {
  /** For sessions that say nothing else. */
  readonly health: HealthConfig;
  /** As in PathMonitor: of the two ends of a tunnel one. */
  readonly follows: boolean;
  readonly mtus: MtuKnowledge;
}

/** How often measurements become estimates and weights: several times what a new share needs to show. */
const POLICY_MS = 600;
/** With so many sessions, only states are acted upon. */
const MOST_ADAPTIVE = 1000;

/** What an answered probe says of the queue of its path. */
type SeenQueueOf = Extract<MonitorEffect, { readonly effect: 'queue' }>;

/** What the policy has of one session. */
interface Policy {
  /** By which settings it works. */
  readonly settings: string;
  readonly adaptive: AdaptiveWeights;
  readonly guard: Guard;
  verdict: GuardVerdict;
  /** What was published last, by BID. */
  weights: ReadonlyMap<number, number>;
}

export class PathWatch {
  readonly #dataplane: Dataplane;
  readonly #monitor: PathMonitor;
  readonly #decisions: NodeJS.Timeout;
  #nextTick: NodeJS.Timeout | null = null;
  /** When it comes, milliseconds. */
  #tickAt = Infinity;
  #stopped = false;
  #health: HealthConfig;
  /** The operator's word on how weights follow, and on how sessions are probed. */
  readonly #adapting = new Map<string, Adaptation>();
  readonly #probing = new Map<string, Partial<HealthConfig>>();
  readonly #forget: () => void;
  readonly #ease = new EaseIn();
  readonly #policies = new Map<string, Policy>();
  /** The operator's word on sessions; others as their configuration says. */
  readonly #wanted = new Map<string, boolean>();
  /** Bounds of waits that an event told of last. */
  readonly #told = new Map<string, WaitBounds>();
  #changed = true;
  /** Least time between two ticks: several fit into the shortest interval between probes. */
  #pauseMs = 2;
  #setting = false;
  readonly #padded: PaddedPaths;
  /** Sessions whose paths are made equally long. */
  readonly #equal = new Set<string>();

  constructor(dataplane: Dataplane, { health, follows, mtus }: PathWatchOptions) {
    this.#dataplane = dataplane;
    this.#health = health;
    this.#padded = new PaddedPaths(mtus);
    this.#monitor = new PathMonitor(health, follows);
    dataplane.on('event', (event) => {
      if (event.event.startsWith('session') || event.event === 'pathMtuChanged') this.#listChanges();
      // Weights by hand are the operator's word, and so is to leave them alone from then on.
      if (event.event === 'weightsChanged' && !this.#setting && this.#policies.has(event.session)) {
        this.setAdaptive(event.session, false);
      }
    });
    this.#forget = dataplane.onProbes((probes) => this.#receive(probes));
    this.#decisions = setInterval(() => this.#decide(), POLICY_MS);
    this.#tickWithin(0);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#decisions);
    if (this.#nextTick) clearTimeout(this.#nextTick);
    this.#forget();
  }

  /** What is known of a session's paths. */
  paths(session: string): PathHealthStatus[] {
    const mode = this.#policies.get(session)?.verdict.mode ?? null;
    const weights = this.#dataplane.weightsInUse(session);
    return this.#monitor.session(session).map((path) => toStatus(path, mode, weights.get(path.bid) ?? 0));
  }

  /** Probes that could not be read. */
  get malformed(): number {
    return this.#monitor.malformed;
  }

  /** Whether the session's weights follow what is measured. */
  isAdaptive(session: string): boolean {
    return this.#wanted.get(session) ?? this.#dataplane.spec(session).adaptive ?? false;
  }

  /** How far and how fast they do: as the operator says, else the session. Throws UNKNOWN_SESSION. */
  adaptation(session: string): Adaptation {
    return this.#adapting.get(session) ?? this.#dataplane.spec(session).adaptation ?? {};
  }

  /** On or off at run time; `adaptation` undefined: as far and as fast as before. Throws UNKNOWN_SESSION. */
  setAdaptive(session: string, adaptive: boolean, adaptation?: Adaptation): void {
    this.#dataplane.spec(session);
    this.#wanted.set(session, adaptive);
    if (adaptation) this.#adapting.set(session, adaptation);
    if (!adaptive) this.#policies.delete(session);
    const how = this.adaptation(session);
    this.#dataplane.emit('event', { event: 'adaptiveChanged', session, adaptive, adaptation: how });
  }

  /** How a session's paths are probed: as the operator says, else the session, else the configuration. Throws UNKNOWN_SESSION. */
  probing(session: string): HealthConfig {
    const { probes } = this.#dataplane.spec(session);
    return { ...this.#health, ...probes, ...this.#probing.get(session) };
  }

  /** The operator's word on that, in the place of an earlier one, for as long as the session lives. Throws UNKNOWN_SESSION. */
  setProbing(session: string, probing: Partial<HealthConfig>): void {
    this.#dataplane.spec(session);
    this.#probing.set(session, probing);
    this.#listChanges();
    this.#dataplane.emit('event', { event: 'probesChanged', session, probes: this.probing(session) });
  }

  /** The configuration says something else now. */
  setDefaults(health: HealthConfig): void {
    this.#health = health;
    this.#listChanges();
  }

  /** Probes all paths of a session now. */
  probeNow(session: string): void {
    for (const { bid } of this.#monitor.session(session)) {
      this.#monitor.probeNow({ session, bid }, monotonicMicroseconds());
    }
    this.#tick();
  }

  /** Interfaces or addresses have come or gone: whether a path has what it needs. */
  setLinks(isUp: (path: { local: string; interface?: string | undefined }) => boolean): void {
    for (const { name, paths } of this.#dataplane.specs()) {
      for (const path of paths) {
        this.#apply(this.#monitor.setLink({ session: name, bid: path.bid }, isUp(path)));
      }
    }
  }

  readonly #numberingOf = (session: string): Numbering | null =>
    this.#dataplane.has(session) ? this.#dataplane.numbering(session) : null;

  readonly #countsOf = ({ session, bid }: PathId): TrafficCounts | null =>
    this.#dataplane.traffic(session, bid);

  /** Sees to it that the next tick comes in `ms` at the latest. */
  #tickWithin(ms: number): void {
    const at = performance.now() + ms;
    if (this.#stopped || at >= this.#tickAt) return;
    if (this.#nextTick) clearTimeout(this.#nextTick);
    this.#tickAt = at;
    this.#nextTick = setTimeout(() => this.#tick(), ms);
  }

  #tick(): void {
    this.#tickAt = Infinity;
    this.#updateList(monotonicMicroseconds());
    // Before silence is judged.
    this.#dataplane.pollProbes();
    const now = monotonicMicroseconds();
    this.#apply(this.#monitor.tick(now, this.#countsOf, this.#numberingOf));
    for (const { session, bid, divisor } of this.#ease.due(now)) {
      if (!this.#dataplane.hasPath(session, bid)) continue;
      this.#dataplane.attempt(session, () => this.#dataplane.setPathDivisor(session, bid, divisor));
    }
    this.#arm(now);
  }

  #arm(now: number): void {
    const next = Math.min(this.#monitor.nextTickUs, this.#ease.nextUs);
    // What is due within the pause goes along. No timer waits for ever.
    if (next < Infinity) this.#tickWithin(Math.max(Math.ceil((next - now) / 1000), this.#pauseMs));
  }

  /** What workers have left: answers first of all, then what all of it together shows. */
  #receive(probes: readonly ReceivedProbe[]): void {
    const seen = new Map<string, SeenQueueOf[]>();
    for (const probe of probes) {
      const now = monotonicMicroseconds();
      this.#updateList(now);
      const effects = this.#monitor.receive(probe, now, this.#countsOf, this.#numberingOf);
      this.#apply(effects);
      const queues = seen.get(probe.session) ?? [];
      seen.set(probe.session, queues);
      for (const effect of effects) if (effect.effect === 'queue') queues.push(effect);
    }
    this.#updateList(monotonicMicroseconds());
    for (const [session, queues] of seen) {
      if (!this.#dataplane.has(session)) continue;
      const paths = this.#monitor.session(session);
      for (const queue of queues) this.#tellSchedulers(session, paths, queue);
      this.#followDelays(session, false);
      this.#hold(session, paths);
    }
    const now = monotonicMicroseconds();
    if (this.#monitor.followProbes(now)) this.#tick();
    else this.#arm(now);
  }

  /** Sessions, or how they are probed, have changed. What depends on it may not wait for the next probe. */
  #listChanges(): void {
    this.#changed = true;
    this.#tickWithin(this.#pauseMs);
  }

  /** Before anything is said about a path: it may be gone since the last time, and to speak of it would be an error. */
  #updateList(now: number): void {
    if (!this.#changed) return;
    this.#changed = false;
    const specs = this.#dataplane.specs();
    this.#padded.choose(specs, (session, bid) => this.#dataplane.canProbe(session, bid));
    this.#monitor.setPaths(
      specs.flatMap(({ name, paths }) =>
        paths
          .filter(({ bid }) => this.#dataplane.canProbe(name, bid))
          .map((path) => ({
            ...{ session: name, bid: path.bid, config: this.probing(name) },
            mtu: this.#padded.mostOf(name, path),
          })),
      ),
      now,
    );
    const shortestUs = Math.min(
      this.#health.intervalUs,
      ...specs.map(({ name }) => this.probing(name).intervalUs),
    );
    this.#pauseMs = Math.max(2, Math.min(shortestUs / 5000, 50));
    const names = new Set(specs.map(({ name }) => name));
    for (const known of [
      this.#policies,
      this.#wanted,
      this.#adapting,
      this.#probing,
      this.#told,
      this.#equal,
    ]) {
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    }
  }

  #foundMtu({ session, bid, octets: mtu }: Extract<MonitorEffect, { effect: 'mtu' }>): void {
    const path = this.#dataplane.spec(session).paths.find((path) => path.bid === bid);
    if (!path) return;
    const reason = this.#padded.found(path, mtu);
    this.#dataplane.emit('event', { event: 'blackHole', session, bid, mtu, reason });
  }

  #apply(effects: readonly MonitorEffect[]): void {
    for (const effect of effects) {
      const { session, bid } = effect;
      if (effect.effect === 'send') {
        this.#monitor.leaves(effect, monotonicMicroseconds());
        this.#dataplane.sendProbe(session, bid, effect.message, effect.octets);
        continue;
      }
      if (effect.effect === 'queue' || !this.#dataplane.hasPath(session, bid)) continue;
      if (effect.effect === 'mtu') {
        this.#foundMtu(effect);
        continue;
      }
      if (effect.effect === 'renumbered') {
        this.#dataplane.expectNumbers(session, effect.next);
        continue;
      }
      const { from, to, reason } = effect;
      if (to === 'down') this.#ease.end(effect);
      if (from === 'down') this.#easeIn(effect);
      const state = to === 'unmeasured' ? 'up' : to;
      this.#dataplane.attempt(session, () => this.#dataplane.setMeasuredState(session, bid, state));
      const sent = to === 'down' ? this.#dataplane.traffic(session, bid)?.txPackets : undefined;
      const unconfirmed = sent === undefined ? 0 : this.#monitor.leaveOut(effect, sent);
      this.#dataplane.emit('event', { event: 'pathState', session, bid, from, to, reason, unconfirmed });
      // Who carries everything may just have gone.
      if (this.#policies.has(session))
        this.#weigh(session, this.#monitor.session(session), monotonicMicroseconds());
    }
  }

  /** The resequencer's bounds after a probe has shown a delay; `lower`: they may also be lowered. */
  #followDelays(session: string, lower: boolean): void {
    if (this.#monitor.sessionCount > MOST_ADAPTIVE || !this.#dataplane.has(session)) return;
    const arrivals = this.#monitor.arrivals(session, monotonicMicroseconds());
    const measured = waitBounds(arrivals, this.#dataplane.spec(session).resequencer);
    const bounds = nextBounds(this.#dataplane.waits(session), measured, lower);
    if (!bounds) return;
    const told = this.#told.get(session) ?? this.#dataplane.waits(session);
    this.#dataplane.setWaits(session, bounds);
    this.#told.set(session, told);
    if (!isNews(told, bounds)) return;
    this.#told.set(session, bounds);
    const { minWaitUs: minUs, maxWaitUs: maxUs } = bounds;
    this.#dataplane.emit('event', { event: 'waitChanged', session, minUs, maxUs });
  }

  /** Before it is used again. */
  #easeIn(path: PathId): void {
    const first = this.#ease.begin(path, this.probing(path.session), monotonicMicroseconds());
    const divisor = first?.divisor ?? 1;
    this.#dataplane.attempt(path.session, () =>
      this.#dataplane.setPathDivisor(path.session, path.bid, divisor),
    );
  }

  #decide(): void {
    this.#updateList(monotonicMicroseconds());
    const names = this.#monitor.sessions();
    if (names.length > MOST_ADAPTIVE) return;
    const now = monotonicMicroseconds();
    for (const name of names) {
      if (!this.#dataplane.has(name)) continue;
      const paths = this.#monitor.session(name);
      this.#followDelays(name, true);
      if (paths.length > 1 && this.isAdaptive(name)) this.#weigh(name, paths, now);
    }
  }

  /** The schedulers' model of the path whose queue was seen. */
  #tellSchedulers(session: string, paths: readonly MonitoredPath[], seen: SeenQueueOf): void {
    const { bid } = seen;
    const path = paths.find((path) => path.bid === bid);
    const round = Math.min(...paths.map(({ minRttUs }) => minRttUs ?? Infinity));
    if (!path || path.delayBehindUs === null || round === Infinity || paths.length < 2) return;
    const { paths: specs, resequencer, distribution } = this.#dataplane.spec(session);
    const spec = specs.find((path) => path.bid === bid);
    const delayBehindUs = distribution?.peerEqualDelay
      ? equalDelayBehind(paths, resequencer.maxWaitUs, path.delayBehindUs)
      : path.delayBehindUs;
    const estimates = modelEstimates(
      {
        shortestRoundUs: round,
        delayBehindUs,
        sending: path.sending,
        configuredRate: spec?.rate,
        txOctets: this.#dataplane.traffic(session, bid)?.txOctets,
      },
      seen,
    );
    this.#dataplane.setPathEstimates(session, bid, estimates);
  }

  /** Makes the paths of a session equally long for what we receive, or no longer. */
  #hold(session: string, paths: readonly MonitoredPath[]): void {
    const { equalDelay, maxWaitUs } = this.#dataplane.spec(session).resequencer;
    if (!equalDelay && !this.#equal.delete(session)) return;
    if (equalDelay) this.#equal.add(session);
    const holds = equalDelay ? holdTimes(paths, maxWaitUs) : null;
    for (const { bid } of paths) {
      this.#dataplane.setPathEstimates(session, bid, { holdUs: holds?.get(bid) ?? 0 });
    }
  }

  #weigh(session: string, paths: readonly MonitoredPath[], now: number): void {
    const current = new Map(
      this.#dataplane.spec(session).paths.map(({ bid, weight }) => [bid, weight] as const),
    );
    const adaptation = this.adaptation(session);
    const settings = JSON.stringify(adaptation);
    let policy = this.#policies.get(session);
    if (!policy || policy.settings !== settings) {
      const guard = new Guard(adaptation.guard);
      policy = {
        settings,
        adaptive: new AdaptiveWeights(current, adaptation),
        guard,
        verdict: { mode: 'spread' },
        weights: current,
      };
      this.#policies.set(session, policy);
    }
    const before = policy.verdict.mode;
    policy.verdict = policy.guard.update(paths, now);
    const { verdict } = policy;
    if (verdict.mode !== before) {
      this.#dataplane.emit('event', {
        event: 'guard',
        session,
        mode: verdict.mode,
        bid: verdict.mode === 'single' ? verdict.bid : null,
      });
    }
    const learned = verdict.mode === 'spread' ? policy.adaptive.update(paths) : null;
    if (learned) policy.weights = learned;
    const wanted =
      verdict.mode === 'single'
        ? new Map([...current.keys()].map((bid) => [bid, bid === verdict.bid ? 1 : 0] as const))
        : policy.weights;
    const known = [...wanted].filter(([bid]) => current.has(bid));
    // The signaling may have set its own again, too.
    if (
      !known.some(([, weight]) => weight > 0) ||
      known.every(([bid, weight]) => current.get(bid) === weight)
    ) {
      return;
    }
    this.#setting = true;
    try {
      this.#dataplane.attempt(session, () => this.#dataplane.setWeights(session, new Map(known)));
    } finally {
      this.#setting = false;
    }
  }
}

function toStatus(path: MonitoredPath, mode: 'spread' | 'single' | null, weight: number): PathHealthStatus {
  const { session, bid, state, reason, rttUs, minRttUs, delayBehindUs, probesSent, probesAnswered } = path;
  const { unconfirmedPackets, stateChanges } = path;
  const direction = ({ queueUs, jitterUs, loss, rate, capacity, full }: MonitoredPath['sending']) => ({
    queueUs: Math.round(queueUs),
    jitterUs: Math.round(jitterUs),
    loss,
    rate: Math.round(rate),
    capacity: capacity === null ? null : Math.round(capacity),
    full,
  });
  const round = (value: number | null): number | null => (value === null ? null : Math.round(value));
  return {
    session,
    bid,
    state,
    reason,
    rttUs: round(rttUs),
    minRttUs: round(minRttUs),
    delayBehindUs: round(delayBehindUs),
    probesSent,
    probesAnswered,
    unconfirmedPackets,
    stateChanges,
    weight,
    sending: direction(path.sending),
    receiving: direction(path.receiving),
    adaptive: mode,
  };
}
