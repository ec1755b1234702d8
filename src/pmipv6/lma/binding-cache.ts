/** The Binding Cache (RFC 5213 §5.1, RFC 8278 §3): sessions with their bindings, found by node and by prefix. */
import { type Endpoint, endpointKey } from '../endpoint.ts';
import type { FlowBinding } from '../flow-binding.ts';
import { SessionNames } from '../session-names.ts';
import type { TunnelEncapsulation, WanMetrics } from '../tunnel-session.ts';
import { splitPrefix } from '../wire/octets.ts';
import type { Identifier } from '../wire/option/identifier.ts';

/** BID of a binding that was registered without a MAG Multipath Binding option. */
export const PLAIN_BID = 0;

/** One Proxy-CoA of a session. */
export interface Binding {
  /** 1..254, or PLAIN_BID. */
  readonly bid: number;
  careOf: Endpoint;
  /** Where answers and revocations go: the source of the last good PBU. */
  signaling: Endpoint;
  /** MAG Identifier of who registered it, known by its key or, without one, by what it said; null: neither. */
  speaker: string | null;
  /** Our address that the PBU came to. */
  local: Endpoint;
  technology: number;
  label: number | null;
  encapsulation: TunnelEncapsulation;
  metrics: WanMetrics;
  /** When it was last registered other than by an extension (HI 5); elapsed milliseconds, as `expires`. */
  since: number;
  expires: number;
  lastSequence: number;
  /** null in sequence mode. */
  lastTimestamp: bigint | null;
}

/** One Binding Cache Entry. */
export interface Session {
  readonly name: string;
  readonly nodeKey: string;
  readonly identity: Identifier;
  prefixes: string[];
  /** IPv4 home address with the prefix length of its subnet. */
  homeAddress: string | null;
  delegated: string[];
  /** Hex; empty: unknown. */
  linkLayerId: string;
  linkLocal: string;
  technology: number;
  /** MAG Identifier in words; null: registered without MMB. */
  mag: string | null;
  /** GRE as agreed (RFC 5845): the keys are null for GRE without keys. */
  gre: { downlinkKey: number | null; uplinkKey: number | null } | null;
  readonly bindings: Map<number, Binding>;
  /** By FID. */
  flows: ReadonlyMap<number, FlowBinding>;
  /** All bindings are gone; the session is kept until then (MinDelayBeforeBCEDelete). */
  lingerUntil: number | null;
  /** Last accepted order marks of BIDs that are gone, so that an old message cannot bring them back. */
  readonly past: Map<number, { sequence: number; timestamp: bigint | null }>;
  /** MAG Identifiers and care-of addresses of MAGs that the node was handed off from; null: of none. */
  departed: Set<string> | null;
  /** Whether the data plane has it. */
  installed: boolean;
}

export class BindingCache {
  private readonly byNode = new Map<string, Session[]>();
  private readonly byPrefix = new Map<string, Session>();
  private readonly byName = new Map<string, Session>();
  readonly names = new SessionNames();
  private readonly byCareOf = new Map<string, Set<Session>>();

  get size(): number {
    return this.byName.size;
  }

  sessions(): IterableIterator<Session> {
    return this.byName.values();
  }

  named(name: string): Session | undefined {
    return this.byName.get(name);
  }

  ofNode(nodeKey: string): readonly Session[] {
    return this.byNode.get(nodeKey) ?? [];
  }

  /** By home network prefix, or home address (/32 text). */
  withPrefix(prefix: string): Session | undefined {
    return this.byPrefix.get(prefix);
  }

  withCareOf(careOf: Endpoint): readonly Session[] {
    return [...(this.byCareOf.get(endpointKey(careOf)) ?? [])];
  }

  add(session: Session): void {
    this.byName.set(session.name, session);
    const others = this.byNode.get(session.nodeKey);
    if (others) others.push(session);
    else this.byNode.set(session.nodeKey, [session]);
    for (const prefix of session.prefixes) this.byPrefix.set(prefix, session);
    if (session.homeAddress) this.byPrefix.set(hostPrefix(session.homeAddress), session);
  }

  remove(session: Session): void {
    this.byName.delete(session.name);
    this.names.release(session.name);
    const others = this.ofNode(session.nodeKey).filter((other) => other !== session);
    if (others.length) this.byNode.set(session.nodeKey, others);
    else this.byNode.delete(session.nodeKey);
    for (const prefix of session.prefixes) this.byPrefix.delete(prefix);
    if (session.homeAddress) this.byPrefix.delete(hostPrefix(session.homeAddress));
    const bindings = [...session.bindings.values()];
    session.bindings.clear();
    for (const binding of bindings) this.unindex(session, binding.careOf);
  }

  setPrefixes(session: Session, prefixes: string[]): void {
    for (const prefix of session.prefixes) this.byPrefix.delete(prefix);
    session.prefixes = prefixes;
    for (const prefix of prefixes) this.byPrefix.set(prefix, session);
  }

  setHomeAddress(session: Session, homeAddress: string | null): void {
    if (session.homeAddress) this.byPrefix.delete(hostPrefix(session.homeAddress));
    session.homeAddress = homeAddress;
    if (homeAddress) this.byPrefix.set(hostPrefix(homeAddress), session);
  }

  setBinding(session: Session, binding: Binding): void {
    this.deleteBinding(session, binding.bid);
    session.bindings.set(binding.bid, binding);
    const key = endpointKey(binding.careOf);
    const sessions = this.byCareOf.get(key);
    if (sessions) sessions.add(session);
    else this.byCareOf.set(key, new Set([session]));
  }

  deleteBinding(session: Session, bid: number): void {
    const binding = session.bindings.get(bid);
    if (!binding) return;
    session.bindings.delete(bid);
    this.unindex(session, binding.careOf);
  }

  /** Called when the binding is out of the session already. */
  private unindex(session: Session, careOf: Endpoint): void {
    const key = endpointKey(careOf);
    for (const other of session.bindings.values()) if (endpointKey(other.careOf) === key) return;
    const sessions = this.byCareOf.get(key);
    sessions?.delete(session);
    if (sessions?.size === 0) this.byCareOf.delete(key);
  }
}

/** The /32 of a home address that has the prefix length of its subnet. */
export function hostPrefix(homeAddress: string): string {
  return `${splitPrefix(homeAddress).address}/32`;
}

/** Takes a binding out; its order mark stays, so that an old message cannot bring it back. */
export function unbind(
  cache: BindingCache,
  session: Session,
  { bid, lastSequence, lastTimestamp }: Binding,
): void {
  session.past.set(bid, { sequence: lastSequence, timestamp: lastTimestamp });
  cache.deleteBinding(session, bid);
}
