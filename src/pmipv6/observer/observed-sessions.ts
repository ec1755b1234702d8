/** The sessions that the observer believes in, found by node, by prefix and by name. */
import { SessionNames } from '../session-names.ts';
import type { TunnelEncapsulation, TunnelPath, TunnelSession, WanMetrics } from '../tunnel-session.ts';
import { DATA_PORT } from '../wire/numbers.ts';
import { PLAIN_BID } from '../lma/binding-cache.ts';
import type { Keys } from './grant.ts';

export interface ObservedBinding {
  /** 1..254, or PLAIN_BID. */
  readonly bid: number;
  careOf: string;
  anchor: string;
  /** Where the MAG's signaling comes from. */
  mag: string;
  encapsulation: TunnelEncapsulation;
  technology: number;
  label: number | null;
  metrics: WanMetrics;
  /** Elapsed milliseconds. */
  expires: number;
}

export interface ObservedSession {
  readonly name: string;
  /** Identity of the node in words. */
  readonly node: string;
  homePrefixes: readonly string[];
  /** As /32. */
  homeAddress: string | null;
  delegated: readonly string[];
  /** Hex, empty if unknown: tells the interfaces of a node apart. */
  linkLayerId: string;
  technology: number;
  /** MAG Identifier in words; null without multipath. */
  magIdentity: string | null;
  keys: Keys | null;
  readonly bindings: Map<number, ObservedBinding>;
  /** What the data plane has, as text. */
  installed: string;
}

/** All prefixes of the session, its home address among them. */
export function prefixesOf(session: ObservedSession): string[] {
  const { homePrefixes, homeAddress, delegated } = session;
  return [...homePrefixes, ...(homeAddress === null ? [] : [homeAddress]), ...delegated];
}

/** The session in the data plane's words, from the end that `role` is. */
export function tunnelSessionOf(session: ObservedSession, role: 'mag' | 'lma'): TunnelSession {
  const { keys } = session;
  const paths = [...session.bindings.values()]
    .map((binding): TunnelPath => {
      const { encapsulation, technology, label, metrics } = binding;
      const port = encapsulation === 'udp' || encapsulation === 'udp-gre' ? DATA_PORT : null;
      const anchor = { address: binding.anchor, port };
      const careOf = { address: binding.careOf, port };
      const [local, remote] = role === 'lma' ? [anchor, careOf] : [careOf, anchor];
      const bid = binding.bid === PLAIN_BID ? 1 : binding.bid;
      return { bid, local, remote, encapsulation, technology, label, metrics, interface: null };
    })
    .sort((a, b) => a.bid - b.bid);
  return {
    name: session.name,
    node: session.node,
    prefixes: prefixesOf(session),
    sendKey: (role === 'lma' ? keys?.downlink : keys?.uplink) ?? null,
    receiveKey: (role === 'lma' ? keys?.uplink : keys?.downlink) ?? null,
    paths,
  };
}

export class ObservedSessions {
  readonly #names = new SessionNames();
  readonly #byName = new Map<string, ObservedSession>();
  readonly #byNode = new Map<string, ObservedSession[]>();
  readonly #byPrefix = new Map<string, ObservedSession>();

  get size(): number {
    return this.#byName.size;
  }

  all(): IterableIterator<ObservedSession> {
    return this.#byName.values();
  }

  has(session: ObservedSession): boolean {
    return this.#byName.get(session.name) === session;
  }

  ofNode(node: string): readonly ObservedSession[] {
    return this.#byNode.get(node) ?? [];
  }

  withPrefix(prefix: string): ObservedSession | undefined {
    return this.#byPrefix.get(prefix);
  }

  /** An empty session for a node, not found by prefix yet. */
  create(node: string): ObservedSession {
    const session: ObservedSession = {
      name: this.#names.take(node),
      node,
      homePrefixes: [],
      homeAddress: null,
      delegated: [],
      linkLayerId: '',
      technology: 0,
      magIdentity: null,
      keys: null,
      bindings: new Map(),
      installed: '',
    };
    this.#byName.set(session.name, session);
    const others = this.#byNode.get(node);
    if (others) others.push(session);
    else this.#byNode.set(node, [session]);
    return session;
  }

  /** Gives the session its prefixes; those that another session has must have been taken from it. */
  setPrefixes(
    session: ObservedSession,
    prefixes: Pick<ObservedSession, 'homePrefixes' | 'homeAddress' | 'delegated'>,
  ): void {
    for (const prefix of prefixesOf(session)) this.#byPrefix.delete(prefix);
    Object.assign(session, prefixes);
    for (const prefix of prefixesOf(session)) this.#byPrefix.set(prefix, session);
  }

  remove(session: ObservedSession): void {
    this.setPrefixes(session, { homePrefixes: [], homeAddress: null, delegated: [] });
    this.#byName.delete(session.name);
    this.#names.release(session.name);
    const others = this.ofNode(session.node).filter((other) => other !== session);
    if (others.length) this.#byNode.set(session.node, others);
    else this.#byNode.delete(session.node);
  }
}
