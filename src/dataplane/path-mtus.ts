/**
 * MTUs of outer paths as the network has shown them: a path takes no more than what is configured, what was learned (RFC 2473 §6.7,
 * RFC 4459 §3.2) and what a packet buffer holds; and what that comes to for a session. Learned by src/node/path-mtu.ts.
 */
import type { PathState } from './distribution-spec.ts';
import { encapsulationOverhead } from './overhead.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';

type Ends = Pick<PathSpec, 'local' | 'remote'>;

interface StatedPath {
  readonly spec: PathSpec;
  readonly state: PathState;
}

/** Octets of the largest inner packet, by family. */
export interface InnerMtus {
  readonly ipv4: number;
  readonly ipv6: number;
}

const MIN_IPV6_MTU = 1280;
/** A header with all its options, and the least that a fragment carries (RFC 791 §3.2). */
const MIN_IPV4_MTU = 68;

export class PathMtus {
  readonly #most: number;
  readonly #learned = new Map<string, number>();

  /** `most`: octets of a packet that a buffer has room for. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Octets that an outer packet of the path may have. */
  of(path: PathSpec): number {
    return Math.min(path.mtu, this.#most, this.#learned.get(keyOf(path)) ?? path.mtu);
  }

  learned(ends: Ends): number | null {
    return this.#learned.get(keyOf(ends)) ?? null;
  }

  /** Null: nothing is known any more. */
  set(ends: Ends, mtu: number | null): void {
    if (mtu === null) this.#learned.delete(keyOf(ends));
    else this.#learned.set(keyOf(ends), mtu);
  }

  /**
   * The states of a session's paths, where one counts as down that the session's packets do not all fit into: IPv6 packets of 1280 octets are
   * never cut (RFC 8200 §5). It is used all the same if no other carries the session.
   */
  states(session: SessionSpec, paths: readonly StatedPath[]): PathState[] {
    const fits = paths.map(({ spec }) => this.#inner(spec) >= leastMtu(session));
    const carried = paths.some(({ spec, state }, i) => fits[i] && state !== 'down' && spec.weight > 0);
    return paths.map(({ state }, i) => (carried && !fits[i] ? 'down' : state));
  }

  /**
   * The largest inner packets that all of a session's paths carry whole, octets. Also of those that are down, as it should not change when one
   * comes or goes, but not of those that are left out because of their MTU. Each family has its least MTU whatever they carry.
   */
  innerMtus(session: SessionSpec, paths: readonly StatedPath[]): InnerMtus {
    const states = this.states(session, paths);
    const present = paths.filter(({ state }, i) => states[i] === state).map(({ spec }) => spec);
    const used = present.filter((path) => path.weight > 0 || isNamed(session, path));
    const inner = (used.length ? used : present).map((path) => this.#inner(path));
    const mtu = Math.min(...inner);
    return { ipv4: Math.max(MIN_IPV4_MTU, mtu), ipv6: Math.max(leastMtu(session), mtu) };
  }

  #inner(path: PathSpec): number {
    return this.of(path) - encapsulationOverhead(path);
  }
}

/** What gets through, whatever the network said. */
function leastMtu({ prefixes }: SessionSpec): number {
  return prefixes.some((prefix) => prefix.includes(':')) ? MIN_IPV6_MTU : MIN_IPV4_MTU;
}

/** Whether a flow rule sends packets over the path. */
function isNamed(spec: SessionSpec, { bid, label }: PathSpec): boolean {
  return (spec.flows ?? []).some(({ action }) => {
    if (action.action === 'drop') return false;
    return action.action === 'labels' ? action.labels.includes(label ?? 0) : action.bids.includes(bid);
  });
}

/** Whether packets of the path must not be cut on their way, so that their size is ours to find. */
export function learnsMtu({ local, dontFragment }: PathSpec): boolean {
  return local.includes(':') || dontFragment !== 'clear';
}

/** What is known of two addresses is kept by this. */
export function keyOf({ local, remote }: Ends): string {
  return `${local} ${remote}`;
}
