/** Home network prefixes, home addresses and delegated prefixes: who gets which, and nobody the same (RFC 5213 §5.3.2). */
import { parsePrefix } from '../../ip.ts';
import { ANY_IPV4, ANY_IPV6 } from '../any-prefix.ts';
import { Ipv4Status, Status } from '../wire/numbers.ts';
import { splitPrefix } from '../wire/octets.ts';
import { hostPrefix } from './binding-cache.ts';
import type { LmaConfig, NodeProfile } from './config.ts';
import { PrefixPool } from './prefix-pool.ts';

/** A grant, or the status with which the PBA rejects. */
export type Grant<T> = { readonly granted: T } | { readonly status: number; readonly ipv4Status?: number };

function isGranted<T>(grant: Grant<T>): grant is { readonly granted: T } {
  return 'granted' in grant;
}

export class Allocation {
  private readonly inUse = new Set<string>();
  /** Static prefixes, which no pool may give out and no other node may ask for. */
  private readonly owned = new Set<string>();
  private readonly home: PrefixPool[];
  private readonly ipv4: PrefixPool | null;
  private readonly ipv4Length: number;
  private readonly delegated: PrefixPool[];
  private readonly router: string | null;

  constructor(config: LmaConfig) {
    const reserved = {
      has: (prefix: string) => this.inUse.has(prefix) || this.owned.has(prefix),
    } as Set<string>;
    this.home = config.homePrefixPools.map(
      (pool) => new PrefixPool(pool, config.homePrefixLength, reserved, false),
    );
    this.ipv4 = config.ipv4 ? new PrefixPool(config.ipv4.pool, 32, reserved, true) : null;
    this.ipv4Length = config.ipv4 ? parsePrefix(config.ipv4.pool).length : 32;
    this.delegated = config.delegatedPools.map(
      ({ pool, length }) => new PrefixPool(pool, length, reserved, false),
    );
    this.router = config.ipv4 ? `${config.ipv4.router}/32` : null;
    this.setProfiles(config.nodes);
  }

  /** Other profiles: their static prefixes are kept from the pools from now on. What is in use stays so. */
  setProfiles(nodes: readonly NodeProfile[]): void {
    this.owned.clear();
    if (this.router !== null) this.owned.add(this.router);
    for (const profile of nodes) this.own(profile);
  }

  private own({ homePrefixes, homeAddress, delegated }: NodeProfile): void {
    for (const prefix of [...homePrefixes, ...delegated]) this.owned.add(prefix);
    if (homeAddress) this.owned.add(hostPrefix(homeAddress));
  }

  /** Whether any prefix can be delegated at all; if not, the option is one that this LMA does not know. */
  delegates(profile: NodeProfile): boolean {
    return profile.delegated.length > 0 || (profile.delegation && this.delegated.length > 0);
  }

  private take(prefix: string): string {
    this.inUse.add(prefix);
    return prefix;
  }

  release(prefix: string): void {
    if (!this.inUse.delete(prefix) || this.owned.has(prefix)) return;
    for (const pool of [...this.home, ...this.delegated, ...(this.ipv4 ? [this.ipv4] : [])]) {
      if (pool.covers(prefix)) pool.giveBack(prefix);
    }
  }

  /** `requested` without ALL_ZERO; empty: the LMA chooses. Status 155 or 130. */
  homePrefixes(profile: NodeProfile, requested: readonly string[]): Grant<string[]> {
    if (requested.length) {
      for (const prefix of requested) {
        const mine = profile.homePrefixes.includes(prefix);
        const free =
          profile.homePrefixes.length === 0 && !this.owned.has(prefix) && covered(this.home, prefix);
        if ((!mine && !free) || this.inUse.has(prefix)) {
          return { status: Status.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX };
        }
      }
      return { granted: [...new Set(requested)].map((prefix) => this.take(prefix)) };
    }
    if (profile.homePrefixes.length) {
      // A node with static prefixes has one session at a time.
      if (profile.homePrefixes.some((prefix) => this.inUse.has(prefix))) {
        return { status: Status.INSUFFICIENT_RESOURCES };
      }
      return { granted: profile.homePrefixes.map((prefix) => this.take(prefix)) };
    }
    const prefix = choose(this.home);
    return prefix === null ? { status: Status.INSUFFICIENT_RESOURCES } : { granted: [this.take(prefix)] };
  }

  /** `requested` is the option's prefix; the grant has the prefix length of the subnet (RFC 5844 §3.1.2.2, with the status codes). */
  homeAddress(profile: NodeProfile, requested: string): Grant<string> {
    const { address } = splitPrefix(requested);
    const wanted = address === '0.0.0.0' ? null : `${address}/32`;
    if (!profile.ipv4 || (!this.ipv4 && !profile.homeAddress)) {
      return {
        status: Status.NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE,
        ipv4Status: Ipv4Status.ADMINISTRATIVELY_PROHIBITED,
      };
    }
    const own = profile.homeAddress && hostPrefix(profile.homeAddress);
    if (own) {
      if ((wanted !== null && wanted !== own) || this.inUse.has(own)) return NOT_THIS_ADDRESS;
      this.take(own);
      return { granted: profile.homeAddress! };
    }
    if (wanted !== null) {
      const free = this.ipv4!.covers(wanted) && !this.inUse.has(wanted) && !this.owned.has(wanted);
      if (!free) return NOT_THIS_ADDRESS;
      this.take(wanted);
      return { granted: `${address}/${this.ipv4Length}` };
    }
    const chosen = this.ipv4!.choose();
    if (chosen === null) {
      return {
        status: Status.INSUFFICIENT_RESOURCES,
        ipv4Status: Ipv4Status.FAILURE_UNSPECIFIED,
      };
    }
    this.take(chosen);
    return { granted: `${splitPrefix(chosen).address}/${this.ipv4Length}` };
  }

  /**
   * RFC 7148 §5.2.2: one prefix for each request; ALL_ZERO of a family asks for assignment. Status 177 if there is none to give, 178 for a
   * certain one that another node has or that no pool of the node's covers.
   */
  delegatedPrefixes(profile: NodeProfile, requested: readonly string[]): Grant<string[]> {
    const granted: string[] = [];
    const refuse = (status: number): Grant<string[]> => {
      for (const prefix of granted) this.release(prefix);
      return { status };
    };
    for (const wanted of requested) {
      const v4 = !wanted.includes(':');
      if (wanted === ANY_IPV6 || wanted === ANY_IPV4) {
        const own = profile.delegated.filter((prefix) => !prefix.includes(':') === v4);
        const free = own.filter((prefix) => !this.inUse.has(prefix));
        const pools = profile.delegation ? this.delegated.filter((pool) => pool.v4 === v4) : [];
        const chosen = own.length ? free : [choose(pools)].filter((prefix) => prefix !== null);
        if (!chosen.length) return refuse(Status.NOT_AUTHORIZED_FOR_DELEGATED_MNP);
        granted.push(...chosen.map((prefix) => this.take(prefix)));
        continue;
      }
      const mine = profile.delegated.includes(wanted);
      const allowed = profile.delegation && !this.owned.has(wanted) && covered(this.delegated, wanted);
      if ((!mine && !allowed) || this.inUse.has(wanted)) return refuse(Status.REQUESTED_DMNP_IN_USE);
      granted.push(this.take(wanted));
    }
    return { granted };
  }

  /** Prefixes in use, for tests and status. */
  get used(): number {
    return this.inUse.size;
  }
}

export { isGranted };

/** The node must not have the IPv4 home address that the PBU names (RFC 5844 §3.1.2.2). */
export const NOT_THIS_ADDRESS = {
  status: Status.NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS,
  ipv4Status: Ipv4Status.ADMINISTRATIVELY_PROHIBITED,
};

function choose(pools: readonly PrefixPool[]): string | null {
  for (const pool of pools) {
    const prefix = pool.choose();
    if (prefix !== null) return prefix;
  }
  return null;
}

function covered(pools: readonly PrefixPool[], prefix: string): boolean {
  try {
    return pools.some((pool) => pool.covers(prefix));
  } catch {
    // A prefix of the wire may have host bits, or a length that there is not.
    return false;
  }
}
