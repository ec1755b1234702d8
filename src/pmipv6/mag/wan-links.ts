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

export interface WanLink {
  readonly config: WanInterface;
  up: boolean;
  addresses: readonly string[];
  metrics: WanMetrics;
}

export class WanLinks {
  /** In the order in which they are tried. */
  readonly all: readonly WanLink[];

  constructor(interfaces: readonly WanInterface[]) {
    this.all = interfaces
      .toSorted((a, b) => a.priority - b.priority)
      .map((config) => ({ config, up: false, addresses: [], metrics: config.metrics }));
  }

  named(name: string): WanLink | undefined {
    return this.all.find(({ config }) => config.name === name);
  }
}

/** How the link reaches the LMA: over IPv6 if both have it, else over IPv4; null: not at all. */
export function pairOf({ config, up, addresses }: WanLink, lma: LmaAddress): EndpointPair | null {
  if (!up) return null;
  const usable =
    config.careOf === null ? addresses : addresses.filter((address) => address === config.careOf);
  const v6 = usable.find((address) => address.includes(':'));
  if (lma.ipv6 !== null && v6 !== undefined) {
    return { careOf: { address: v6, port: null }, lma: { address: lma.ipv6, port: null } };
  }
  const v4 = usable.find((address) => !address.includes(':'));
  if (lma.ipv4 === null || v4 === undefined) return null;
  return {
    careOf: { address: v4, port: SIGNALING_PORT },
    lma: { address: lma.ipv4, port: SIGNALING_PORT },
  };
}
