/** How the MAG's sessions stand, for the control socket, `tunloom status` and tests. */
import type { TunnelEncapsulation } from '../tunnel-session.ts';
import type { MagSession, Path } from './update-list.ts';

/**
 * `idle`: not wanted or not possible now. `waiting`: for another path to find out what the LMA can do. `denied`: the LMA has
 * refused, and nothing is sent until the operator says so or the node attaches anew.
 */
export type PathState =
  'idle' | 'waiting' | 'registering' | 'active' | 'refreshing' | 'deregistering' | 'denied';

export interface MagPathStatus {
  readonly bid: number;
  readonly interface: string;
  readonly state: PathState;
  /** Proxy care-of address and LMA address; null while there is none. */
  readonly careOf: string | null;
  readonly lma: string | null;
  readonly encapsulation: TunnelEncapsulation;
  /** Elapsed milliseconds; null without a binding. */
  readonly expires: number | null;
  /** Status of the last PBA; null: none yet. */
  readonly lastStatus: number | null;
}

export interface MagSessionStatus {
  /** As in `install` and `remove` effects. */
  readonly name: string;
  readonly node: string;
  /** Access interface; null for a logical mobile node. */
  readonly interface: string | null;
  /** It is there: always of a logical node, otherwise on an access link. */
  readonly attached: boolean;
  /** Whether the LMA has granted multipath for this node; `unknown` before its first answer. */
  readonly multipath: 'unknown' | 'on' | 'off';
  readonly homePrefixes: readonly string[];
  /** With the prefix length of its subnet. */
  readonly homeAddress: string | null;
  readonly delegatedPrefixes: readonly string[];
  /** Why the LMA refuses the node; null: it does not. */
  readonly denied: string | null;
  readonly paths: readonly MagPathStatus[];
  /** Flow bindings that are wanted; `new`: not asked for yet, or not answered. */
  readonly flows: readonly {
    readonly flow: number;
    readonly priority: number;
    readonly bids: readonly number[];
    readonly state: 'new' | 'granted' | 'refused';
  }[];
}

export function sessionStatus(session: MagSession): MagSessionStatus {
  return {
    name: session.name,
    node: session.node,
    interface: session.access,
    attached: session.present,
    multipath: session.multipath,
    homePrefixes: session.prefixes,
    homeAddress: session.homeAddress,
    delegatedPrefixes: session.delegated,
    denied: session.denied,
    flows: session.flows.status().map(({ binding: { flow, priority, bids }, state }) => ({
      flow,
      priority,
      bids,
      state,
    })),
    paths: session.paths.map((path) => ({
      bid: path.bid,
      interface: path.link.config.name,
      state: stateOf(session, path),
      careOf: path.careOf?.address ?? null,
      lma: path.lma?.address ?? null,
      encapsulation: path.encapsulation,
      expires: path.expires,
      lastStatus: path.lastStatus,
    })),
  };
}

function stateOf(session: MagSession, path: Path): PathState {
  if (path.revoked || session.denied !== null) return 'denied';
  if (path.active) return path.round ? 'refreshing' : 'active';
  if (path.round) return 'registering';
  if (session.farewells.some((farewell) => farewell.path === path)) return 'deregistering';
  return session.present && !session.suspended && path.link.up && session.multipath === 'unknown'
    ? 'waiting'
    : 'idle';
}
