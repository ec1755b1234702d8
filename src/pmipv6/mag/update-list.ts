/** The Binding Update List (RFC 6275 §11.1, RFC 5213 §6.1): the MAG's sessions, their paths, and what is on its way. */
import { Deadlines } from '../deadlines.ts';
import type { Endpoint } from '../endpoint.ts';
import { SessionNames } from '../session-names.ts';
import type { TunnelEncapsulation, TunnelPath, WanMetrics } from '../tunnel-session.ts';
import type { Identifier } from '../wire/option/identifier.ts';
import type { Flows } from './flows.ts';
import type { OptionOf } from '../wire/options.ts';
import type { LmaAddress, MagNode } from './config.ts';
import type { Pace } from './pace.ts';
import type { WanLink } from './wan-links.ts';

export type Purpose = 'register' | 'refresh' | 'bulk' | 'deregister';

export interface Transmission {
  readonly sequence: number;
  /** Address that it left from, which is where the answer goes (RFC 5213 §5.3.6). */
  readonly from: string;
  /** Elapsed milliseconds. */
  readonly at: number;
  /** When the LMA forgets what it has made of it. */
  readonly until: number;
  /** What the answer has to repeat (RFC 5213 §6.9.1.2): it may come when the node is on another access link already. */
  readonly handoff: number;
  readonly technology: number;
  readonly linkLayer: Uint8Array | null;
  /** O was set. */
  readonly overwrite: boolean;
  /** The flows that it defined (RFC 6089). */
  readonly flows: readonly OptionOf<'flow-identification'>[];
}

/** One request to the LMA with its retransmissions; each has a sequence number (and a timestamp) of its own. */
export interface Round {
  purpose: Purpose;
  /** Transmissions so far, oldest first. */
  readonly sent: Transmission[];
  /** First transmission since the back-off last began; null: there is none yet. Elapsed milliseconds. */
  began: number | null;
  /** When the next transmission is due. */
  due: number;
  /** At that time it has a place within the LMA's rate. */
  reserved: boolean;
  /** What the one after it will wait. */
  delay: number;
  /** What the last transmission held. */
  multipath: boolean;
  gre: boolean;
  forcedUdp: boolean;
  /** Times that the request was changed because of an answer. */
  corrections: number;
}

/** A session over one WAN interface. */
export interface Path {
  readonly bid: number;
  readonly link: WanLink;
  /** null: not in use. */
  careOf: Endpoint | null;
  lma: Endpoint | null;
  encapsulation: TunnelEncapsulation;
  metrics: WanMetrics;
  /** The LMA has the binding with this care-of address: packets may use it. */
  active: boolean;
  /** When the LMA forgets the binding, also one with the care-of address before; null: there is none. */
  expires: number | null;
  refreshAt: number | null;
  round: Round | null;
  /** Revoked by the LMA: not registered again without the operator. */
  revoked: boolean;
  /** Of the PBUs about it. */
  pace: Pace;
  /** The LMA has had this binding since the node came. */
  known: boolean;
  lastStatus: number | null;
  /** Probes in the data path go unanswered (docs/probes.md). */
  dead: boolean;
}

/** A binding that the LMA still has and should not: its path is gone, or its node; or an address that the node has given back. */
export interface Farewell {
  readonly path: Path;
  readonly careOf: Endpoint;
  readonly lma: Endpoint;
  readonly multipath: boolean;
  /** When the LMA forgets it by itself. */
  readonly until: number;
  /** The IPv4 home address that it is about, and not the binding (RFC 5844 §3.1.2.5). */
  readonly homeAddress: string | null;
  /** What packets still come by while the LMA has not let go; null: nothing. */
  readonly draining: TunnelPath | null;
  /** null: there is no way to tell it at present. */
  round: Round | null;
}

export interface MagSession {
  /** Letters, digits and . _ @ -, unique. */
  readonly name: string;
  readonly identity: Identifier;
  readonly node: string;
  profile: MagNode;
  logical: boolean;
  lma: LmaAddress;
  /** The node is attached; always of a logical one. */
  present: boolean;
  /** The operator has ended the session. */
  suspended: boolean;
  /** What its profile asks for now is another session: this one ends first, then that one begins. */
  renewing: boolean;
  /** Why the LMA refuses the node. */
  denied: string | null;
  /** Denied as the node is at another MAG by now: until it shows itself here. */
  away: boolean;
  /** Access interface; null for a logical node. */
  access: string | null;
  technology: number;
  linkLayer: Uint8Array | null;
  /** Handoff Indicator of the first registration. */
  handoff: number;
  multipath: 'unknown' | 'on' | 'off';
  /** The path that registers first, or alone. */
  lead: Path | null;
  /** PBUs of the node have gone out by another lead before. */
  moved: boolean;
  paths: readonly Path[];
  farewells: Farewell[];
  /** Granted, or to be asked for again. */
  prefixes: string[];
  offLink: ReadonlySet<string>;
  homeAddress: string | null;
  router: string | null;
  /** Home address that the node has given back, until the LMA has confirmed that; null: none. */
  formerAddress: string | null;
  /** The node has given its home address back: it may ask for one again. */
  addressReleased: boolean;
  delegated: string[];
  linkLocal: string;
  /** What is asked for: less than the profile allows once the LMA has refused a part. */
  asks: { ipv6: boolean; ipv4: boolean; delegated: readonly string[]; gre: boolean; forceUdp: boolean };
  readonly flows: Flows;
  readonly downlinkKey: number;
  /** As agreed (RFC 5845); null: no GRE. */
  gre: { readonly sendKey: number | null; readonly receiveKey: number | null } | null;
  sequence: number;
  lastTimestamp: bigint;
  /** Before this time an old binding may be at the LMA, which a bulk re-registration would keep alive. */
  bulkFrom: number;
  /** BID of the last bulk re-registration. */
  bulkTurn: number;
  /** When the last binding ends: so long the node keeps what it was granted. */
  boundUntil: number | null;
  /** What the active paths carried, when there last were any. */
  mtu: number;
  /** What the data plane and the access side have, as text; null: nothing. */
  installed: string | null;
  granted: string | null;
}

export class UpdateList {
  private readonly byNode = new Map<string, MagSession>();
  private readonly byName = new Map<string, MagSession>();
  private readonly keys = new Set<number>();
  readonly names = new SessionNames();
  readonly deadlines = new Deadlines<MagSession>((session) => this.deadlineOf(session));

  get size(): number {
    return this.byNode.size;
  }

  all(): IterableIterator<MagSession> {
    return this.byNode.values();
  }

  hasKey(key: number): boolean {
    return this.keys.has(key);
  }

  ofNode(node: string): MagSession | undefined {
    return this.byNode.get(node);
  }

  named(name: string): MagSession | undefined {
    return this.byName.get(name);
  }

  add(session: MagSession): void {
    this.byNode.set(session.node, session);
    this.byName.set(session.name, session);
    this.keys.add(session.downlinkKey);
  }

  remove(session: MagSession): void {
    this.byNode.delete(session.node);
    this.byName.delete(session.name);
    this.names.release(session.name);
    this.keys.delete(session.downlinkKey);
    this.deadlines.forget(session);
  }

  private deadlineOf(session: MagSession): number | null {
    if (this.byNode.get(session.node) !== session) return null;
    let next = session.boundUntil ?? Infinity;
    // While a bulk re-registration is under way the other paths wait for its answer.
    const waits = bulkUnderWay(session);
    for (const { round, refreshAt, expires } of session.paths) {
      const refresh = round || waits ? null : refreshAt;
      next = Math.min(next, round?.due ?? Infinity, refresh ?? Infinity, expires ?? Infinity);
    }
    for (const { round, until } of session.farewells) next = Math.min(next, until, round?.due ?? Infinity);
    return next === Infinity ? null : next;
  }
}

/** Takes a path out of use. */
export function clearPath(path: Path): void {
  path.careOf = null;
  path.lma = null;
  path.active = false;
  path.expires = null;
  path.refreshAt = null;
  path.round = null;
  path.dead = false;
}

/** Whether a bulk re-registration is under way. */
export function bulkUnderWay(session: MagSession): boolean {
  return session.paths.some(({ round }) => round?.purpose === 'bulk');
}
