/**
 * The access side of a MAG (RFC 5213 §6, RFC 5844 §3.4.1): notices nodes and tells the MAG (`attach`, `detach`), and gives them what
 * their bindings grant: Router Advertisements, DHCPv4, routes. The MAG daemon starts it and passes on the machine's effects.
 */
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import { EventEmitter } from 'node:events';
import { HostConfiguration } from '../net/host-configuration.ts';
import { InterfaceMonitor } from '../net/interface-monitor.ts';
import type { Readiness } from '../net/readiness.ts';
import type {
  AccessInterfaceConfig,
  Attachment,
  Detachment,
  LanInterfaceConfig,
  PrefixRelease,
} from './access-config.ts';
import type { AccessContext } from './access-context.ts';
import { AccessInterface } from './access-interface.ts';
import { LanInterface } from './lan-interface.ts';
import { OwnAddresses } from './own-addresses.ts';

const LINK_SCOPE = 253;

export interface AccessOptions {
  /** Network namespace to live in, null for the process's own. */
  readonly namespace: string | null;
  readonly interfaces: readonly AccessInterfaceConfig[];
  readonly lans: readonly LanInterfaceConfig[];
  /** The TUN device, which gets the addresses of logical nodes; null or left out: nothing does. */
  readonly tun?: string | null;
  /** Of rules for packets inside a LAN's delegated prefix; null or left out: they need none. */
  readonly insidePriority?: number | null;
  readonly readiness: Readiness;
  readonly now: () => number;
  readonly random: () => number;
  readonly log: AccessContext['log'];
  /** Gets every message on the access links; null or left out: nobody watches. */
  readonly watch?: AccessContext['watch'];
}

/** One node in the status. */
export interface AccessNodeStatus {
  readonly node: string;
  readonly interface: string;
  readonly linkLayer: string | null;
  readonly attached: boolean;
  readonly served: boolean;
}

interface AccessEvents {
  attach: [Attachment];
  detach: [Detachment];
  release: [PrefixRelease];
  /** The node that has given its IPv4 home address back. */
  addressRelease: [node: string];
  /** The node that asks for an IPv4 home address which its binding does not have. */
  address: [node: string];
  /** The node that asks for delegated prefixes again. */
  delegation: [node: string];
}

export class AccessSide extends EventEmitter<AccessEvents> {
  readonly #options: AccessOptions;
  readonly #host: HostConfiguration;
  readonly #context: AccessContext;
  #interfaces: readonly AccessInterface[] = [];
  #lans: readonly LanInterface[] = [];
  readonly #own: OwnAddresses | null;
  /** What logical nodes have, for networks that come later. */
  readonly #logical = new Map<string, { readonly grant: AccessGrant; readonly until: number }>();
  readonly #monitor: InterfaceMonitor;
  #timer: NodeJS.Timeout | undefined;

  /** Opens what is there; listen for events, then call begin(). Throws SystemCallError, SYSCTL or NETLINK. */
  constructor(options: AccessOptions) {
    super();
    this.#options = options;
    this.#host = new HostConfiguration(options.namespace);
    this.#context = {
      namespace: options.namespace,
      readiness: options.readiness,
      host: this.#host,
      insidePriority: options.insidePriority ?? null,
      now: options.now,
      random: options.random,
      linkLocalOf: (device) => this.#linkLocalOf(device),
      attached: (attachment) => this.emit('attach', attachment),
      detached: (detachment) => this.emit('detach', detachment),
      released: (release) => this.emit('release', release),
      addressReleased: (node) => this.emit('addressRelease', node),
      addressWanted: (node) => this.emit('address', node),
      delegationWanted: (node) => this.emit('delegation', node),
      watch: options.watch ?? null,
      changed: () => this.#schedule(),
      log: options.log,
    };
    this.#own = options.tun ? new OwnAddresses(options.tun, this.#host) : null;
    this.#interfaces = options.interfaces.map((config) => new AccessInterface(config, this.#context));
    this.#lans = options.lans.map((config) => new LanInterface(config, this.#context));
    this.#monitor = new InterfaceMonitor(options.namespace, options.readiness, (event) => {
      this.#attempt(event.device, () => {
        if (event.event === 'link') this.#linkChanged(event.device);
        else if (event.event === 'link-gone') this.#linkGone(event.device);
      });
      this.#schedule();
    });
  }

  /** Starts with the interfaces as they are; those that come later are taken when they do. */
  begin(): void {
    for (const { name } of [...this.#interfaces, ...this.#lans]) this.#linkChanged(name);
    this.#schedule();
  }

  /**
   * Goes over to other interfaces and networks. Nodes on those that stay are not disturbed; those that go are left as by stop(), and their
   * nodes are told of. What cannot be opened is logged, as if its interface were not there.
   */
  reconfigure(interfaces: readonly AccessInterfaceConfig[], lans: readonly LanInterfaceConfig[]): void {
    const now = this.#options.now();
    const before = [...this.#interfaces, ...this.#lans];
    this.#interfaces = interfaces.map((config) => {
      const present = this.#interfaces.find(({ name }) => name === config.name);
      return present ?? new AccessInterface(config, this.#context);
    });
    this.#lans = lans.map((config) => {
      const { name, node, subnet } = config;
      const present = this.#lans.find(
        ({ config }) => config.name === name && config.node === node && config.subnet === subnet,
      );
      return present ?? this.#newLan(config, now);
    });
    const after = new Set<AccessInterface | LanInterface>([...this.#interfaces, ...this.#lans]);
    for (const part of before) if (!after.has(part)) part.end();
    for (const lan of this.#lans) lan.restore();
    const changed = (one: object, other: object): boolean => JSON.stringify(one) !== JSON.stringify(other);
    for (const [i, config] of interfaces.entries()) {
      const access = this.#interfaces[i]!;
      if (changed(access.config, config)) access.reconfigure(config);
    }
    for (const [i, config] of lans.entries()) {
      const lan = this.#lans[i]!;
      if (changed(lan.config, config)) lan.reconfigure(config);
    }
    for (const part of after)
      if (!before.includes(part)) this.#attempt(part.name, () => this.#linkChanged(part.name));
    this.#tick();
  }

  /** Nodes that are there. */
  present(): Omit<Attachment, 'trigger'>[] {
    return this.#interfaces.flatMap((access) =>
      access
        .nodes()
        .filter(({ attached }) => attached)
        .map(({ identity, linkLayer }) => ({
          node: identity,
          interface: access.name,
          linkLayer,
          technology: access.config.technology,
        })),
    );
  }

  /** A binding gives a node this from now on, or gives it again; its lifetime counts from now. */
  grant(grant: AccessGrant): void {
    this.#serve(grant.node, grant);
  }

  /** The node's binding has ended: it is told, and the routes to it go. */
  withdraw(node: string): void {
    this.#serve(node, null);
  }

  /** What the tunnels of the node's session carry now, octets: advertised if it is less than was granted. */
  setMtu(identity: string, mtu: number): void {
    for (const access of this.#interfaces) {
      const node = access.known(identity);
      if (node) access.setMtu(node, mtu);
    }
    for (const lan of this.#lans) if (lan.config.node === identity) lan.setMtu(mtu);
    this.#schedule();
  }

  nodes(): AccessNodeStatus[] {
    return this.#interfaces.flatMap((access) =>
      access.nodes().map((node) => ({
        node: node.identity,
        interface: access.name,
        linkLayer:
          node.linkLayer &&
          Buffer.from(node.linkLayer)
            .toString('hex')
            .replace(/..(?!$)/g, '$&:'),
        attached: node.attached,
        served: node.grant !== null,
      })),
    );
  }

  /** Messages by interface and kind; what was refused, by reason. */
  counters(): Record<string, Readonly<Record<string, number>>> {
    return Object.fromEntries(
      [...this.#interfaces, ...this.#lans].map(({ name, port }) => [name, { ...port.counters }]),
    );
  }

  /** Tells all nodes that their prefixes are no good any more, and takes back addresses, routes and settings. */
  stop(): void {
    clearTimeout(this.#timer);
    this.removeAllListeners();
    for (const part of [...this.#interfaces, ...this.#lans]) part.end();
    this.#monitor.stop();
    this.#host.undo();
  }

  #newLan(config: LanInterfaceConfig, now: number): LanInterface {
    const lan = new LanInterface(config, this.#context);
    const known = this.#logical.get(config.node);
    if (known) lan.serve({ ...known.grant, lifetime: Math.max(0, known.until - now) / 1000 });
    return lan;
  }

  #serve(identity: string, grant: AccessGrant | null): void {
    if (grant?.interface === null) {
      this.#logical.set(identity, { grant, until: this.#options.now() + grant.lifetime * 1000 });
    } else this.#logical.delete(identity);
    for (const access of this.#interfaces) {
      // Elsewhere than where the binding says the node may have been before: nothing is granted there any more.
      const here = grant?.interface === access.name;
      const node = here ? access.take(identity) : access.known(identity);
      if (node && (here || node.grant !== null)) access.serve(node, here ? grant : null);
    }
    for (const lan of this.#lans) if (lan.config.node === identity) lan.serve(grant);
    this.#attempt(this.#options.tun ?? '', () => this.#own?.serve(identity, grant));
    this.#tick();
  }

  #linkChanged(device: string): void {
    const link = this.#monitor.links().find(({ name }) => name === device);
    if (!link) return;
    for (const part of [...this.#interfaces, ...this.#lans]) {
      if (part.name === device) part.linkChanged(link, this.#monitor.isUp(device));
    }
  }

  #attempt(device: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.log('warn', `${device}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #linkGone(device: string): void {
    for (const part of [...this.#interfaces, ...this.#lans]) if (part.name === device) part.linkGone();
  }

  #linkLocalOf(device: string): string | null {
    const own = this.#monitor
      .addresses(device)
      .find(({ family, scope }) => family === 6 && scope === LINK_SCOPE);
    return own?.address ?? null;
  }

  #tick(): void {
    const now = this.#options.now();
    for (const part of [...this.#interfaces, ...this.#lans]) part.tick(now);
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    let next = Infinity;
    for (const part of [...this.#interfaces, ...this.#lans])
      next = Math.min(next, part.nextDeadline() ?? Infinity);
    if (next === Infinity) return;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, Math.ceil(next - this.#options.now())));
  }
}
