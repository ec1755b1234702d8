/** The WAN interfaces as they are now: which can reach the LMA, from which care-of address. */
import type { Endpoint } from '../endpoint.ts';
import type { WanMetrics } from '../tunnel-session.ts';
import { SIGNALING_PORT } from '../wire/numbers.ts';
import type { LmaAddress, WanInterface } from './config.ts';

/** The two ends of a path's signaling. */
export interface EndpointPair {
  readonly careOf: Endpoint;
  readonly lma: Endpoint;
}

/** What is known of an LMA over one interface. */
export interface Contact {
  /** When it was last heard; elapsed milliseconds, -Infinity: never. */
  heard: number;
  /** Since then, PBUs have been repeated in vain. */
  silent: boolean;
  /** Given up in favour of the other IP version, over which the interface can reach the LMA as well. */
  failed: boolean;
}

export interface WanLink {
  config: WanInterface;
  up: boolean;
  addresses: readonly string[];
  metrics: WanMetrics;
  /** By LMA address. */
  readonly contacts: Map<string, Contact>;
}

/** What the kernel says of a WAN interface. */
export interface WanState {
  readonly name: string;
  readonly up: boolean;
  /** Global addresses that can be used, of both families. */
  readonly addresses: readonly string[];
}

export class WanLinks {
  /** In the order in which they are tried. */
  all: readonly WanLink[] = [];
  /** No longer configured, but the LMA has yet to be told over them. */
  leaving: readonly WanLink[] = [];

  constructor(interfaces: readonly WanInterface[]) {
    this.configure(interfaces);
  }

  /** Goes over to these interfaces; those of the same name stay what they are. Gives those of which the LMA hears something new. */
  configure(interfaces: readonly WanInterface[]): Set<WanLink> {
    const before = [...this.all, ...this.leaving];
    const changed = new Set<WanLink>();
    this.all = interfaces
      .toSorted((a, b) => a.priority - b.priority)
      .map((config): WanLink => {
        const link = before.find((each) => each.config.name === config.name);
        if (!link) return { config, up: false, addresses: [], metrics: config.metrics, contacts: new Map() };
        const old = link.config;
        link.config = config;
        // The operator's word on metrics holds until the file says something new.
        const measured = JSON.stringify(old.metrics) !== JSON.stringify(config.metrics);
        if (measured) link.metrics = config.metrics;
        if (measured || old.label !== config.label || old.technology !== config.technology) changed.add(link);
        return link;
      });
    this.leaving = before.filter((link) => !this.all.includes(link));
    return changed;
  }

  /** Forgets those that are not configured any more and not `inUse`, and gives them. */
  giveUp(inUse: ReadonlySet<WanLink>): WanLink[] {
    const gone = this.leaving.filter((link) => !inUse.has(link));
    this.leaving = this.leaving.filter((link) => inUse.has(link));
    return gone;
  }

  named(name: string): WanLink | undefined {
    return [...this.all, ...this.leaving].find(({ config }) => config.name === name);
  }

  /** The interface that has this address now. */
  withAddress(address: string): WanLink | undefined {
    return this.all.find(({ addresses }) => addresses.includes(address));
  }

  set({ name, up, addresses }: WanState): boolean {
    const link = this.named(name);
    if (!link) return false;
    const before = link.addresses;
    link.up = up;
    link.addresses = up ? addresses : [];
    // With other addresses IPv6 may work again.
    if (link.addresses.filter(isIpv6).join() !== before.filter(isIpv6).join()) {
      for (const each of link.contacts.values()) each.failed = false;
    }
    return true;
  }
}

/** What is known of an LMA over this link; a new record if that is nothing. */
export function contact({ contacts }: WanLink, lma: string): Contact {
  let known = contacts.get(lma);
  if (!known) contacts.set(lma, (known = { heard: -Infinity, silent: false, failed: false }));
  return known;
}

/** How the link reaches the LMA: over IPv6 if both have it and it has not failed, else over IPv4; null: not at all. */
export function pairOf(link: WanLink, lma: LmaAddress): EndpointPair | null {
  const [first, second] = pairsOf(link, lma);
  return (first && second && contact(link, first.lma.address).failed ? second : first) ?? null;
}

/** All ways, IPv6 first. */
export function pairsOf({ config, up, addresses }: WanLink, lma: LmaAddress): EndpointPair[] {
  if (!up) return [];
  const usable =
    config.careOf === null ? addresses : addresses.filter((address) => address === config.careOf);
  const pairs: EndpointPair[] = [];
  const v6 = usable.find(isIpv6);
  if (lma.ipv6 !== null && v6 !== undefined) {
    pairs.push({ careOf: { address: v6, port: null }, lma: { address: lma.ipv6, port: null } });
  }
  const v4 = usable.find((address) => !isIpv6(address));
  if (lma.ipv4 !== null && v4 !== undefined) {
    pairs.push({
      careOf: { address: v4, port: SIGNALING_PORT },
      lma: { address: lma.ipv4, port: SIGNALING_PORT },
    });
  }
  return pairs;
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}
