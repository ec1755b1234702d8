/**
 * A data plane on a real host: TUN device, addresses, routes and rules around it, sockets for its paths. Everything is
 * taken back on stop(); what a killed predecessor left is removed at the start.
 */
import { Dataplane } from '../dataplane/dataplane.ts';
import type { MemorySizes } from '../dataplane/memory.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import { TunloomError } from '../errors.ts';
import { EventCounter } from '../net/event-counter.ts';
import { HostConfiguration } from '../net/host-configuration.ts';
import { addressOf, close } from '../net/libc.ts';
import type { Route } from '../net/netlink/route.ts';
import type { Rule } from '../net/netlink/rule.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { type TunQueues, openTunQueues } from '../net/tun.ts';
import { HostPorts } from './host-ports.ts';

/** Which of the kernel's segmentation offloads may be used. */
export interface OffloadOptions {
  /** Super-packets on the TUN (IFF_VNET_HDR, TSO, USO). */
  readonly tun: boolean;
  /** Several datagrams of a path in one message: sent by UDP_SEGMENT, received by UDP_GRO. */
  readonly segment: boolean;
  readonly merge: boolean;
}

/** From the words of a configuration file: auto, or off. */
export function offloadOptions(
  words: Readonly<Record<keyof OffloadOptions, 'auto' | 'off'>>,
): OffloadOptions {
  return { tun: words.tun === 'auto', segment: words.segment === 'auto', merge: words.merge === 'auto' };
}

export const ALL_OFFLOADS: OffloadOptions = { tun: true, segment: true, merge: true };

export interface HostDataplaneOptions {
  readonly role: 'mag' | 'lma';
  readonly sizes: MemorySizes;
  /** Network namespace to live in, null for the process's own. */
  readonly namespace: string | null;
  readonly tun: {
    readonly name: string;
    /** null: follow the smallest path. */
    readonly mtu: number | null;
    readonly addresses: readonly string[];
    readonly queueLength: number;
  };
  /** Offloads that may be used where the kernel has them (docs/performance.md). */
  readonly offload: OffloadOptions;
  /** Microseconds that a worker looks for input before it sleeps; 0: it sleeps at once. */
  readonly busyPollUs: number;
  readonly routing: {
    readonly manage: boolean;
    readonly table: number;
    readonly rulePriority: number;
    /** MAG: access interfaces whose traffic goes into the TUN; without any, a rule for each prefix. */
    readonly access: readonly string[];
    /** Prefixes routed into the TUN in the main table. */
    readonly routes: readonly string[];
  };
  /** Source routing for paths: packets from `local` go by `via`. */
  readonly gateways: readonly {
    readonly local: string;
    readonly via: string;
    readonly interface?: string | undefined;
  }[];
  readonly sessions: readonly SessionSpec[];
}

/** An empty TUN has to have some MTU; IPv6 needs at least 1280 (RFC 8200 §5). */
const MTU_WITHOUT_SESSIONS = 1280;

export class HostDataplane {
  readonly dataplane: Dataplane;
  readonly #options: HostDataplaneOptions;
  readonly #host: HostConfiguration;
  readonly #tunName: string;
  readonly #release: () => void;
  #mtu: number;
  /** Routes or rules by session name. */
  readonly #routes = new Map<string, Route[]>();

  static async start(options: HostDataplaneOptions): Promise<HostDataplane> {
    const { namespace, sizes } = options;
    const host = new HostConfiguration(namespace);
    if (options.routing.manage) host.removeLeftovers(options.routing.table);
    let queues: TunQueues;
    try {
      queues = withNamespace(namespace, () =>
        openTunQueues(options.tun.name, sizes.workers, options.offload.tun),
      );
    } catch (error) {
      host.undo();
      throw error;
    }
    const wake = Array.from({ length: sizes.workers }, () => new EventCounter());
    const release = (): void => {
      host.undo();
      for (const fd of queues.fds) close(fd);
      for (const counter of wake) counter.close();
    };
    let instance: HostDataplane | undefined;
    let dataplane: Dataplane | undefined;
    try {
      const sourceOf = (v6: boolean): string | undefined =>
        [...options.tun.addresses.map((address) => address.split('/')[0]!)].find(
          (address) => address.includes(':') === v6,
        ) ?? localAddress(options.sessions, v6);
      dataplane = await Dataplane.start({
        role: options.role,
        sizes,
        hostBase: addressOf,
        ports: new HostPorts(namespace, options.offload),
        tun: {
          name: queues.name,
          mtu: () => instance?.mtu ?? MTU_WITHOUT_SESSIONS,
          devices: queues.fds.map((fd) => ({ kind: 'tun', fd, vnet: queues.offload.vnet })),
          offload: queues.offload,
        },
        wake: wake.map((counter) => ({
          fd: counter.fd,
          bell: new SharedArrayBuffer(4),
          signal: () => counter.signal(),
        })),
        busyPollUs: options.busyPollUs,
        icmpSource4: sourceOf(false),
        icmpSource6: sourceOf(true),
      });
      instance = new HostDataplane(options, dataplane, host, queues.name, release);
      instance.#begin();
      return instance;
    } catch (error) {
      await dataplane?.stop();
      release();
      throw error;
    }
  }

  private constructor(
    options: HostDataplaneOptions,
    dataplane: Dataplane,
    host: HostConfiguration,
    tunName: string,
    release: () => void,
  ) {
    this.#options = options;
    this.dataplane = dataplane;
    this.#host = host;
    this.#tunName = tunName;
    this.#release = release;
    this.#mtu = options.tun.mtu ?? MTU_WITHOUT_SESSIONS;
  }

  get mtu(): number {
    return this.#mtu;
  }

  get tunName(): string {
    return this.#tunName;
  }

  /** Stops the workers, then removes routes, rules and the TUN device. */
  async stop(): Promise<void> {
    await this.dataplane.stop();
    this.#release();
  }

  /** Brings TUN MTU and routes in line with the sessions; to be called after sessions changed. */
  sessionsChanged(): void {
    const wanted = this.#options.tun.mtu ?? this.dataplane.smallestMtu() ?? MTU_WITHOUT_SESSIONS;
    if (wanted !== this.#mtu) {
      this.#mtu = wanted;
      this.#host.setMtu(this.#tunName, wanted);
    }
    if (this.#options.routing.manage && this.#options.role === 'lma') this.#updateRoutes();
  }

  #begin(): void {
    const { tun, routing, sessions, gateways } = this.#options;
    for (const session of sessions) this.dataplane.addSession(session);
    this.#mtu = tun.mtu ?? this.dataplane.smallestMtu() ?? MTU_WITHOUT_SESSIONS;
    this.#host.setLink(this.#tunName, { mtu: this.#mtu, queueLength: tun.queueLength });
    for (const address of tun.addresses) this.#host.addAddress(this.#tunName, address);
    if (!routing.manage) return;
    this.#host.addRoutes(routing.routes.map((prefix) => ({ prefix, device: this.#tunName })));
    if (this.#options.role === 'lma') this.#updateRoutes();
    else this.#routeUplink();
    this.#routeSources(gateways);
  }

  /** LMA: packets to a mobile node go into the TUN. */
  #updateRoutes(): void {
    const present = new Map(this.dataplane.specs().map((spec) => [spec.name, spec.prefixes]));
    const gone: Route[] = [];
    const fresh: Route[] = [];
    for (const [name, routes] of this.#routes) {
      if (present.get(name)?.join() === routes.map((route) => route.prefix).join()) continue;
      gone.push(...routes);
      this.#routes.delete(name);
    }
    for (const [name, prefixes] of present) {
      if (this.#routes.has(name)) continue;
      const routes = prefixes.map((prefix) => ({ prefix, device: this.#tunName }));
      this.#routes.set(name, routes);
      fresh.push(...routes);
    }
    if (gone.length) this.#host.removeRoutes(gone);
    this.#host.addRoutes(fresh);
  }

  /** MAG: packets from mobile nodes go into the TUN, by a table of its own. */
  #routeUplink(): void {
    const { routing, sessions } = this.#options;
    const { table, rulePriority: priority } = routing;
    this.#host.addRoutes([
      { prefix: '0.0.0.0/0', device: this.#tunName, table },
      { prefix: '::/0', device: this.#tunName, table },
    ]);
    const rules: Rule[] = routing.access.length
      ? routing.access.flatMap((iif) => [
          { iif, family: 4 as const, table, priority },
          { iif, family: 6 as const, table, priority },
        ])
      : sessions.flatMap((session) =>
          session.prefixes.map((from) => ({
            from,
            family: from.includes(':') ? (6 as const) : (4 as const),
            table,
            priority,
          })),
        );
    this.#host.addRules(rules);
  }

  #routeSources(gateways: HostDataplaneOptions['gateways']): void {
    const { table, rulePriority } = this.#options.routing;
    gateways.forEach((gateway, i) => {
      if (gateway.interface === undefined) {
        throw new TunloomError('BAD_CONFIG', `gateway ${gateway.via}: the path needs an interface`);
      }
      const family = gateway.local.includes(':') ? 6 : 4;
      const own = table + 1 + i;
      const prefix = family === 6 ? '::/0' : '0.0.0.0/0';
      this.#host.addRoutes([{ prefix, via: gateway.via, device: gateway.interface, table: own }]);
      this.#host.addRules([{ from: gateway.local, family, table: own, priority: rulePriority - 1 }]);
    });
  }
}

function localAddress(sessions: readonly SessionSpec[], v6: boolean): string | undefined {
  return sessions.flatMap((session) => session.paths).find((path) => path.local.includes(':') === v6)?.local;
}
