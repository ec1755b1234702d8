/**
 * Installs the sessions that the signaling sets up: works out weights, translates, and tells what changed. Keeps what the operator
 * said about weights for as long as the session lives.
 */
import type { FileTunnels } from '../config/schema.ts';
import type { DistributionSpec } from '../dataplane/distribution-spec.ts';
import { TunloomError } from '../errors.ts';
import type { Endpoint } from '../pmipv6/endpoint.ts';
import type { TunnelPath, TunnelSession } from '../pmipv6/tunnel-session.ts';
import type { EventHub } from './event-hub.ts';
import type { HostDataplane } from './host-dataplane.ts';
import { type PathWeights, type WeightRules, weighPaths } from './path-weights.ts';
import { toSessionSpec } from './session-translation.ts';

interface Installed {
  readonly session: TunnelSession;
  readonly weights: PathWeights;
}

export class SessionInstaller {
  readonly #host: HostDataplane;
  readonly #direction: 'uplink' | 'downlink';
  readonly #events: EventHub;
  #rules: WeightRules;
  #tunnels: FileTunnels;
  readonly #installed = new Map<string, Installed>();
  /** Other ends behind a NAT, by session and BID. */
  readonly #ports = new Map<string, ReadonlyMap<number, Endpoint>>();
  readonly #operator = new Map<string, ReadonlyMap<number, number>>();

  /** Schedulers set by the operator, by session. */
  readonly #distributions = new Map<string, Partial<DistributionSpec>>();

  constructor(
    host: HostDataplane,
    direction: 'uplink' | 'downlink',
    events: EventHub,
    rules: WeightRules,
    tunnels: FileTunnels,
  ) {
    this.#host = host;
    this.#direction = direction;
    this.#events = events;
    this.#rules = rules;
    this.#tunnels = tunnels;
  }

  /** Installs the session, or goes over to it from what has its name. Throws what the data plane throws; then nothing has changed. */
  install(told: TunnelSession): void {
    const session = this.#withLearnedPorts(told);
    const before = this.#installed.get(session.name);
    const weights = this.#weigh(session);
    const spec = toSessionSpec(session, weights.weights, this.#tunnels, this.#direction);
    const distribution = this.#distributions.get(session.name);
    this.#host.install(distribution ? { ...spec, distribution } : spec);
    this.#installed.set(session.name, { session, weights });
    if (this.#events.heard) this.#tell(before, { session, weights });
  }

  remove(name: string): void {
    this.#operator.delete(name);
    this.#distributions.delete(name);
    this.#ports.delete(name);
    if (!this.#installed.delete(name)) return;
    this.#host.remove(name);
  }

  /**
   * Packets of this path come from another UDP port than expected: a NAT has changed it, and answers have to go there (RFC 5555 §4.3).
   * Holds until the other end has another address. Nothing for a session that is not ours.
   */
  learnPort(name: string, bid: number, port: number): void {
    const session = this.#installed.get(name)?.session;
    const path = session?.paths.find((path) => path.bid === bid);
    if (!session || !path || path.remote.port === null) return;
    const learned = new Map(this.#ports.get(name));
    learned.set(bid, { address: path.remote.address, port });
    this.#ports.set(name, learned);
    this.install(session);
  }

  sessions(): TunnelSession[] {
    return [...this.#installed.values()].map(({ session }) => session);
  }

  has(name: string): boolean {
    return this.#installed.has(name);
  }

  weights(name: string): PathWeights | undefined {
    return this.#installed.get(name)?.weights;
  }

  /** The operator's scheduler for as long as the session lives. Throws UNKNOWN_SESSION and what the data plane throws. */
  setDistribution(name: string, distribution: Partial<DistributionSpec>): void {
    const { session } = this.#get(name);
    const before = this.#distributions.get(name);
    this.#distributions.set(name, distribution);
    try {
      this.install(session);
    } catch (error) {
      if (before) this.#distributions.set(name, before);
      else this.#distributions.delete(name);
      throw error;
    }
  }

  /** The operator's word, which goes before all else until clearWeights(). Throws UNKNOWN_SESSION, UNKNOWN_BID and BAD_WEIGHT. */
  setWeights(name: string, weights: ReadonlyMap<number, number>): void {
    const { session } = this.#get(name);
    for (const bid of weights.keys()) {
      if (!session.paths.some((path) => path.bid === bid)) {
        throw new TunloomError('UNKNOWN_BID', `session "${name}" has no path with BID ${bid}`);
      }
    }
    const before = this.#operator.get(name);
    this.#operator.set(name, new Map([...(before ?? []), ...weights]));
    try {
      if (this.#weigh(session).source !== 'operator') {
        throw new TunloomError('BAD_WEIGHT', 'all weights are 0: nothing could be sent');
      }
      this.install(session);
    } catch (error) {
      if (before) this.#operator.set(name, before);
      else this.#operator.delete(name);
      throw error;
    }
  }

  /** Back to what the signaling and the rules say. Throws UNKNOWN_SESSION. */
  clearWeights(name: string): void {
    const { session } = this.#get(name);
    this.#operator.delete(name);
    this.install(session);
  }

  /** New rules: every session whose weights come out differently is changed. */
  setRules(rules: WeightRules): void {
    this.#rules = rules;
    for (const { session, weights } of [...this.#installed.values()]) {
      if (!sameWeights(weights, this.#weigh(session))) this.install(session);
    }
  }

  /** For sessions that are installed from now on. */
  setTunnels(tunnels: FileTunnels): void {
    this.#tunnels = tunnels;
  }

  #withLearnedPorts(session: TunnelSession): TunnelSession {
    const learned = this.#ports.get(session.name);
    if (!learned) return session;
    return {
      ...session,
      paths: session.paths.map((path) => {
        const remote = learned.get(path.bid);
        return remote?.address === path.remote.address && path.remote.port !== null
          ? { ...path, remote }
          : path;
      }),
    };
  }

  #get(name: string): Installed {
    const installed = this.#installed.get(name);
    if (!installed) throw new TunloomError('UNKNOWN_SESSION', `there is no session "${name}"`);
    return installed;
  }

  #weigh(session: TunnelSession): PathWeights {
    return weighPaths(session.paths, this.#direction, this.#rules, this.#operator.get(session.name));
  }

  #tell(before: Installed | undefined, { session, weights }: Installed): void {
    const { name } = session;
    const paths = session.paths.filter(({ receiveOnly }) => !receiveOnly);
    const former = before?.session.paths.filter(({ receiveOnly }) => !receiveOnly) ?? [];
    const old = new Map(former.map((path) => [path.bid, path]));
    for (const path of paths) {
      const previous = old.get(path.bid);
      if (!previous) this.#tellPath('pathAdded', name, path);
      else if (endsOf(previous) !== endsOf(path)) this.#tellPath('pathChanged', name, path);
      old.delete(path.bid);
    }
    for (const path of old.values()) this.#tellPath('pathRemoved', name, path);
    if (before && sameWeights(before.weights, weights)) return;
    const byBid = Object.fromEntries(weights.weights);
    this.#events.tell({ event: 'weightsChosen', session: name, from: weights.source, weights: byBid });
  }

  #tellPath(
    event: 'pathAdded' | 'pathRemoved' | 'pathChanged',
    session: string,
    { bid, local, remote, encapsulation }: TunnelPath,
  ): void {
    this.#events.tell({
      event,
      session,
      bid,
      local: local.address,
      remote: remote.address,
      encapsulation,
    });
  }
}

function endsOf({ local, remote, encapsulation }: TunnelPath): string {
  return [local.address, local.port, remote.address, remote.port, encapsulation].join(' ');
}

function sameWeights(a: PathWeights, b: PathWeights): boolean {
  if (a.source !== b.source || a.weights.size !== b.weights.size) return false;
  for (const [bid, weight] of a.weights) if (b.weights.get(bid) !== weight) return false;
  return true;
}
