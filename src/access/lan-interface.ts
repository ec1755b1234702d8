/**
 * A network behind a MAG that is itself the (logical) mobile node: each of its delegated prefixes (RFC 7148) gives one /64 to the
 * interface, which is advertised to all hosts there (RFC 8278 §3.1, steps 9 and 10 of figure 2).
 */
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import { formatAddress, parsePrefix } from '../ip.ts';
import type { Link } from '../net/netlink/link.ts';
import { MAIN_TABLE, type Route } from '../net/netlink/route.ts';
import type { Rule } from '../net/netlink/rule.ts';
import type { LanInterfaceConfig } from './access-config.ts';
import { type AccessContext, prepareRouter } from './access-context.ts';
import { AccessPort } from './access-port.ts';
import { Advertiser } from './advertiser.ts';

const HOST_PREFIX = 64;
/** RFC 8200 §5. */
const LEAST_MTU = 1280;
const FALLBACK_LINK_LOCAL = 'fe80::1';
/** Behind the routes to what is used of a delegated prefix (RFC 7084 §4.2, WPD-5). */
const UNREACHABLE_METRIC = 65_535;

export class LanInterface {
  readonly port: AccessPort;
  #config: LanInterfaceConfig;
  readonly #context: AccessContext;
  readonly #advertiser: Advertiser;
  /** Of the tunnels (RFC 5213 §6.9.5). */
  #mtu = LEAST_MTU;
  #addresses: readonly string[] = [];
  #routes: readonly Route[] = [];

  constructor(config: LanInterfaceConfig, context: AccessContext) {
    this.#config = config;
    this.#context = context;
    this.#advertiser = new Advertiser({
      maxInterval: () => this.#config.maxAdvertisementInterval * 1000,
      random: context.random,
    });
    this.port = new AccessPort(config.name, context, {
      solicited: (_linkLayer, asker) => this.#advertiser.solicit(asker, context.now()),
      dhcp: () => this.port.count('dhcp.ignored'),
      dhcp6: () => this.port.count('dhcp6.ignored'),
      arp: null,
      heard: null,
    });
  }

  get name(): string {
    return this.#config.name;
  }

  get config(): LanInterfaceConfig {
    return this.#config;
  }

  /** Other times and name servers; another node or subnet needs another LanInterface. */
  reconfigure(config: LanInterfaceConfig): void {
    this.#config = config;
    this.#advertiser.announce(this.#context.now());
  }

  linkChanged(link: Link): void {
    const fresh = this.port.link?.index !== link.index;
    this.port.open(link);
    if (!fresh) return;
    prepareRouter(this.#context, this.name);
    this.#configure(this.#addresses, this.#routes);
  }

  /** Another network of the node has taken with it what both had. */
  restore(): void {
    this.#configure(this.#addresses, this.#routes);
  }

  linkGone(): void {
    this.port.close();
  }

  serve(grant: AccessGrant | null): void {
    const now = this.#context.now();
    if (grant) this.setMtu(grant.mtu);
    const delegated = (grant?.delegatedPrefixes ?? []).filter((prefix) => prefix.includes(':'));
    const prefixes = delegated.flatMap((prefix) => subnetOf(prefix, this.#config.subnet) ?? []);
    this.#configure(
      prefixes.map((prefix) => prefix.replace(/::\/64$/, '::1/64')),
      delegated.map((prefix) => ({ prefix, device: null, metric: UNREACHABLE_METRIC })),
    );
    if (grant && prefixes.length) {
      const advertised = prefixes.map((prefix) => ({ prefix, onLink: true }));
      this.#advertiser.advertise({ prefixes: advertised, until: now + grant.lifetime * 1000 }, now);
    } else {
      this.#advertiser.withdraw(now);
    }
  }

  /** The session's tunnels carry this from now on (RFC 5213 §6.9.5). */
  setMtu(mtu: number): void {
    if (mtu !== this.#mtu) this.#advertiser.announce(this.#context.now());
    this.#mtu = mtu;
  }

  nextDeadline(): number | null {
    return this.#advertiser.nextDeadline();
  }

  tick(now: number): void {
    for (const due of this.#advertiser.tick(now)) {
      this.port.advertise(due, {
        linkLocal: this.#context.linkLocalOf(this.name) ?? FALLBACK_LINK_LOCAL,
        linkLayer: null,
        mtu: Math.min(this.#mtu, this.port.link?.mtu ?? this.#mtu),
        dns: this.#config.dns,
      });
    }
  }

  /** The network is none of ours any more: hosts are told as much, and nothing is left behind. */
  end(): void {
    this.serve(null);
    this.tick(this.#context.now());
    this.port.close();
    this.#context.host.releaseSettings(this.name);
  }

  #configure(addresses: readonly string[], routes: readonly Route[]): void {
    const { host } = this.#context;
    const gone = this.#routes.filter((route) => !routes.some(({ prefix }) => prefix === route.prefix));
    host.removeRoutes(gone);
    host.removeRules(this.#insideRules(gone));
    for (const address of this.#addresses) {
      if (!addresses.includes(address)) host.removeAddress(this.name, address);
    }
    this.#addresses = addresses;
    this.#routes = routes;
    if (!this.port.link) return;
    for (const address of addresses) host.addAddress(this.name, address);
    host.addRoutes(routes);
    host.addRules(this.#insideRules(routes));
  }

  /** What stays inside the delegated prefix, such as our own answers to hosts, is not sent to the LMA and back. */
  #insideRules(routes: readonly Route[]): Rule[] {
    const { insidePriority: priority } = this.#context;
    if (priority === null) return [];
    return routes.map(({ prefix }) => ({ from: prefix, to: prefix, family: 6, table: MAIN_TABLE, priority }));
  }
}

/** Subnet `number` of 64 bits of a prefix; null if it has no such. */
export function subnetOf(prefix: string, number: number): string | null {
  const { bytes, length } = parsePrefix(prefix);
  if (length > HOST_PREFIX || number >= 2 ** Math.min(32, HOST_PREFIX - length)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(4, (view.getUint32(4) | number) >>> 0);
  return `${formatAddress(bytes)}/${HOST_PREFIX}`;
}
