/**
 * A data plane on a real host: TUN device, addresses, routes and rules around it, sockets for its paths. Everything is
 * taken back on stop(); what a killed predecessor left is removed at the start.
 */
import type { Gateway } from '../config/session-defaults.ts';
import { Dataplane } from '../dataplane/dataplane.ts';
import type { MemorySizes } from '../dataplane/memory.ts';
import { compileScheduler } from '../dataplane/scheduler-compiler.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import { TunloomError } from '../errors.ts';
import { EventCounter } from '../net/event-counter.ts';
import { HostConfiguration } from '../net/host-configuration.ts';
import { addressOf, close } from '../net/libc.ts';
import { MAIN_TABLE } from '../net/netlink/route.ts';
import type { Rule } from '../net/netlink/rule.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { pathMtu } from '../net/path-mtu.ts';
import { Readiness } from '../net/readiness.ts';
import { TooBigListener } from '../net/too-big-listener.ts';
import { type TunQueues, openTunQueues } from '../net/tun.ts';
import { HEALTH_DEFAULTS, type HealthConfig } from '../paths/path-health.ts';
import { HostPorts } from './host-ports.ts';
import { LinkMonitor } from './link-monitor.ts';
import type { OffloadOptions } from './offload-options.ts';
import { refuseTooFewFiles } from './open-files.ts';
import { PathWatch } from './path-watch.ts';
import { MtuKnowledge } from './mtu-knowledge.ts';
import { PathMtuMonitor } from './path-mtu.ts';
import { ReversePaths } from './reverse-paths.ts';
import { type RoutingStyle, SessionRoutes } from './session-routes.ts';
import { SourceRoutes } from './source-routes.ts';

export interface HostDataplaneOptions {
  readonly role: 'mag' | 'lma';
  readonly sizes: MemorySizes;
  /** AssemblyScript file of the scheduler `custom`, if there is one. */
  readonly customScheduler?: string | null | undefined;
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
  /** Probes on paths, and what follows from them; null: none are sent and none are answered. */
  readonly health?: HealthConfig | null;
  readonly routing: {
    readonly manage: boolean;
    readonly table: number;
    readonly rulePriority: number;
    /** MAG: access interfaces whose traffic goes into the TUN; without any, a rule for each prefix. */
    readonly access: readonly string[];
    /** MAG: interfaces whose traffic goes into the TUN besides. */
    readonly also?: readonly string[];
    /** Prefixes routed into the TUN in the main table. */
    readonly routes: readonly string[];
  };
  /** Source routing for paths: packets from `local` go by `via`. */
  readonly gateways: readonly Gateway[];
  readonly sessions: readonly SessionSpec[];
  /** Addresses of ours that ICMP errors may come from if the TUN has none. */
  readonly sources?: readonly string[];
}

/** An empty TUN has to have some MTU; IPv6 needs at least 1280 (RFC 8200 §5). */
const MTU_WITHOUT_SESSIONS = 1280;

/** Queues of interfaces that AF_XDP may take over, if it may. */
const XDP_SOCKETS = 16;

const MTU_DELAY_MS = 20;

export class HostDataplane {
  readonly dataplane: Dataplane;
  readonly ports: HostPorts;
  /** Null without probes. */
  readonly pathWatch: PathWatch | null;
  readonly #options: HostDataplaneOptions;
  readonly #host: HostConfiguration;
  readonly #tunName: string;
  readonly #release: () => void;
  #mtu: number;
  readonly #routes: SessionRoutes;
  /** Null if routing is somebody else's business. */
  readonly #sources: SourceRoutes | null;
  readonly #reverse: ReversePaths;
  #accessRules: readonly Rule[] = [];
  #mtuTimer: NodeJS.Timeout | null = null;
  /** Sessions have been installed or removed since the last flush(). */
  #unflushed = false;
  readonly #pathMtus: PathMtuMonitor;
  /** Null where the kernel needs no help with ICMPv6 errors. */
  readonly #tooBig: TooBigListener | null;
  /** Null if no path may go straight to its next hop. */
  readonly #links: { readonly readiness: Readiness; readonly monitor: LinkMonitor } | null;

  static async start(options: HostDataplaneOptions): Promise<HostDataplane> {
    const { namespace, customScheduler } = options;
    const xdpSockets = options.offload.xdp === 'off' ? 0 : XDP_SOCKETS;
    const sizes = { ...options.sizes, xdpSockets };
    const ends = options.sessions
      .flatMap(({ paths }) => paths)
      .map(({ local, localPort }) => `${local} ${localPort}`);
    refuseTooFewFiles(sizes.workers, new Set(ends).size);
    // First of all: what the user wrote may be wrong.
    const hotPath = customScheduler ? await compileScheduler(customScheduler) : undefined;
    const host = new HostConfiguration(namespace);
    let queues: TunQueues;
    try {
      refuseForeign(host, options);
      if (options.routing.manage) host.removeLeftovers(routingTables(options), options.tun.name);
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
    const ports = new HostPorts(namespace, options.offload);
    let instance: HostDataplane | undefined;
    let dataplane: Dataplane | undefined;
    try {
      const sourceOf = (v6: boolean): string | undefined =>
        options.tun.addresses.find((address) => address.includes(':') === v6)?.split('/')[0] ??
        options.sources?.find((address) => address.includes(':') === v6) ??
        localAddress(options.sessions, v6);
      dataplane = await Dataplane.start({
        role: options.role,
        sizes,
        hostBase: addressOf,
        ports,
        hotPath,
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
      instance = new HostDataplane(options, dataplane, host, ports, queues.name, release);
      instance.#begin();
      return instance;
    } catch (error) {
      instance?.pathWatch?.stop();
      if (instance) instance.#pathMtus.stop();
      if (instance) instance.#tooBig?.close();
      if (instance) await instance.#stopLinks();
      if (instance) await instance.#sources?.stop();
      await dataplane?.stop();
      release();
      throw error;
    }
  }

  private constructor(
    options: HostDataplaneOptions,
    dataplane: Dataplane,
    host: HostConfiguration,
    ports: HostPorts,
    tunName: string,
    release: () => void,
  ) {
    this.#options = options;
    this.dataplane = dataplane;
    this.#host = host;
    this.ports = ports;
    this.#tunName = tunName;
    this.#release = release;
    const tooBig = TooBigListener.open(options.namespace);
    const mtus = new MtuKnowledge(({ local, remote }, mtu) => {
      if (dataplane.setPathMtu(local, remote, mtu)) this.#updateMtuSoon();
    });
    this.#tooBig = tooBig;
    this.#pathMtus = new PathMtuMonitor({
      sessions: () => dataplane.specs(),
      now: () => performance.now() * 1000,
      errors: () => tooBig?.read() ?? [],
      ask: ({ local, remote, interface: device }) =>
        withNamespace(options.namespace, () => pathMtu(local, remote, device)),
      learned: (ends, mtu) => mtus.said(ends, mtu),
    });
    this.#links = watchLinks(options, dataplane);
    this.#mtu = options.tun.mtu ?? MTU_WITHOUT_SESSIONS;
    const { manage, table, rulePriority, routes } = options.routing;
    this.#routes = new SessionRoutes(host, routingStyle(options, tunName), routes);
    this.#sources = manage ? new SourceRoutes(options.namespace, host, table + 1, rulePriority - 1) : null;
    // At the start nobody listens yet.
    this.#reverse = new ReversePaths(options.namespace, host, manage, (event) =>
      setImmediate(() => dataplane.emit('event', event)),
    );
    // Last, because it has timers: what throws before leaves nothing running.
    const { health = HEALTH_DEFAULTS } = options;
    this.pathWatch = health && new PathWatch(dataplane, { health, follows: options.role === 'lma', mtus });
  }

  get mtu(): number {
    return this.#mtu;
  }

  get tunName(): string {
    return this.#tunName;
  }

  /** Other gateways from now on. Throws NETLINK or BAD_CONFIG; then everything is as before. */
  setGateways(gateways: readonly Gateway[]): void {
    this.#sources?.set(gateways);
  }

  /** Interfaces have changed: what goes by a gateway does so at once, before the kernel's event is heard here too. */
  renewGateways(): void {
    this.#sources?.renew();
  }

  /** Another device has the name of this interface now: paths go by it. False: not all can yet, for want of an address, say. */
  rebind(device: string): boolean {
    const done = this.ports.rebind(device);
    this.#reverse.loosen(device);
    this.dataplane.wakeWorkers();
    return done;
  }

  /** Signaling and tunnels come by the interface, whatever the host's best route to their senders is. */
  admitReplies(device: string): void {
    this.#reverse.loosen(device);
  }

  /** MAG: other interfaces whose traffic goes into the TUN besides. Throws NETLINK. */
  setAccess(also: readonly string[]): void {
    if (!this.#options.routing.manage) return;
    const before = this.#accessRules;
    const families = this.#families();
    this.#accessRules = accessRules(this.#options.routing, also).filter(({ family }) =>
      families.includes(family),
    );
    const wanted = new Set(this.#accessRules.map(({ iif }) => iif));
    this.#host.removeRules(before.filter(({ iif }) => !wanted.has(iif)));
    this.#host.addRules(this.#accessRules);
  }

  /** Stops the workers, then removes routes, rules and the TUN device. */
  async stop(): Promise<void> {
    if (this.#mtuTimer) clearTimeout(this.#mtuTimer);
    this.pathWatch?.stop();
    this.#pathMtus.stop();
    this.#tooBig?.close();
    await this.#stopLinks();
    await this.#sources?.stop();
    await this.dataplane.stop();
    this.#release();
  }

  async #stopLinks(): Promise<void> {
    this.#links?.monitor.stop();
    await this.#links?.readiness.stop();
  }

  /** Brings TUN MTU, routes and rules in line with the sessions; to be called after sessions changed. */
  sessionsChanged(): void {
    const present = new Map(this.dataplane.specs().map((spec) => [spec.name, spec.prefixes]));
    for (const name of this.#routes.names()) if (!present.has(name)) this.#routes.set(name, []);
    for (const [name, prefixes] of present) this.#routes.set(name, prefixes);
    for (const spec of this.dataplane.specs()) this.#reverse.see(spec);
    this.#routes.flush();
    this.#updateMtu();
  }

  /** Adds the session or goes over to `spec`; flush() follows. Throws what Dataplane throws. */
  install(spec: SessionSpec): void {
    if (this.dataplane.has(spec.name)) this.dataplane.updateSession(spec);
    else this.dataplane.addSession(spec);
    this.#reverse.see(spec);
    this.#routes.set(spec.name, spec.prefixes);
    this.#unflushed = true;
  }

  /** Removes a session that may be there; flush() follows. */
  remove(name: string): void {
    if (this.dataplane.has(name)) this.dataplane.removeSession(name);
    this.#routes.set(name, []);
    this.#unflushed = true;
  }

  /**
   * Routes and rules of what was installed and removed, in one batch; the TUN's MTU follows a little later, since working it out looks
   * at every session. Throws NETLINK.
   */
  flush(): void {
    if (!this.#unflushed) return;
    this.#updateMtuSoon();
    this.#routes.flush();
    this.#unflushed = false;
  }

  #updateMtuSoon(): void {
    this.#mtuTimer ??= setTimeout(() => {
      this.#mtuTimer = null;
      try {
        this.#updateMtu();
      } catch {
        // The TUN device is gone, which the workers notice and report.
      }
    }, MTU_DELAY_MS);
  }

  #updateMtu(): void {
    const wanted = this.#options.tun.mtu ?? this.dataplane.smallestMtu() ?? MTU_WITHOUT_SESSIONS;
    if (wanted === this.#mtu) return;
    this.#mtu = wanted;
    this.#host.setMtu(this.#tunName, wanted);
  }

  #begin(): void {
    const { tun, routing, sessions, gateways } = this.#options;
    for (const session of sessions) {
      this.dataplane.addSession(session);
      this.#reverse.see(session);
    }
    this.#mtu = tun.mtu ?? this.dataplane.smallestMtu() ?? MTU_WITHOUT_SESSIONS;
    this.#host.setLink(this.#tunName, { mtu: this.#mtu, queueLength: tun.queueLength });
    for (const address of tun.addresses) this.#host.addAddress(this.#tunName, address);
    if (!routing.manage) return;
    this.#host.forwardFrom(this.#tunName);
    this.#host.trustDevice(this.#tunName);
    this.#host.claimRoutes(routing.routes.map((prefix) => ({ prefix, device: this.#tunName })));
    if (this.#options.role === 'mag') this.#routeUplink();
    for (const { name, prefixes } of sessions) this.#routes.set(name, prefixes);
    this.#routes.flush();
    this.#sources?.set(gateways);
  }

  /**
   * MAG: packets from mobile nodes go into the TUN, by a table of its own; whatever else comes from their interfaces does as well, so that
   * it ends there (RFC 5213 §6.10.5). What comes out of the TUN goes to where a node is known to be: neither into the TUN again, though
   * it may be from a node of ours, nor by a default route to where it came from.
   */
  #routeUplink(): void {
    const { table, rulePriority, also = [] } = this.#options.routing;
    const tun = { iif: this.#tunName, priority: rulePriority - 1 };
    const families = this.#families();
    this.#host.addRoutes(
      families.map((family) => ({
        prefix: family === 4 ? '0.0.0.0/0' : '::/0',
        device: this.#tunName,
        table,
      })),
    );
    this.#host.addRules(
      families.flatMap((family) => [
        { ...tun, family, table: MAIN_TABLE, specificOnly: true },
        { ...tun, family, table: null },
      ]),
    );
    this.setAccess(also);
  }

  /** Those that the TUN device can carry on this host. */
  #families(): readonly (4 | 6)[] {
    return this.#host.carriesIpv6(this.#tunName) ? [4, 6] : [4];
  }
}

/** What comes from access interfaces goes into the TUN, whoever it is from. */
function accessRules(
  { table, rulePriority: priority, access }: HostDataplaneOptions['routing'],
  also: readonly string[],
): Rule[] {
  return [...new Set([...access, ...also])].flatMap((iif) => [
    { iif, family: 4, table, priority } as const,
    { iif, family: 6, table, priority } as const,
  ]);
}

function watchLinks(
  { namespace, offload: { link: mode } }: HostDataplaneOptions,
  dataplane: Dataplane,
): { readiness: Readiness; monitor: LinkMonitor } | null {
  if (mode === 'off') return null;
  const readiness = new Readiness();
  const monitor = new LinkMonitor({
    ...{ namespace, mode, readiness },
    paths: () => dataplane.specs().flatMap(({ paths }) => paths),
    setNextHops: (hopOf) => dataplane.setNextHops(hopOf),
  });
  return { readiness, monitor };
}

/** Throws TUN_IN_USE, TABLE_IN_USE: what another process works with must be left alone. */
function refuseForeign(host: HostConfiguration, options: HostDataplaneOptions): void {
  const { tun, routing } = options;
  if (host.inUse(tun.name)) {
    throw new TunloomError('TUN_IN_USE', `tun.name: another process has ${tun.name} open`);
  }
  if (!routing.manage) return;
  for (const table of routingTables(options)) {
    for (const { device, via } of host.defaultRoutes(table)) {
      // Of the uplink: it goes with its TUN when an instance dies, so this one lives. That of a gateway may be a dead one's.
      const uplink = via === undefined;
      if (device === tun.name || !(uplink || table === routing.table)) continue;
      throw new TunloomError(
        'TABLE_IN_USE',
        `routing.table: ${table} leads into ${device} of another instance`,
      );
    }
  }
}

/** That of the uplink, and one for each gateway. */
function routingTables({ role, routing: { table }, gateways }: HostDataplaneOptions): number[] {
  return [...(role === 'mag' ? [table] : []), ...gateways.map((_, i) => table + 1 + i)];
}

/** LMA: packets to a mobile node go into the TUN. MAG: packets from one, known by prefix unless access interfaces are named. */
function routingStyle({ role, routing }: HostDataplaneOptions, device: string): RoutingStyle {
  if (!routing.manage) return { style: 'none' };
  if (role === 'lma') return { style: 'routes', device };
  if (routing.access.length) return { style: 'none' };
  return { style: 'rules', table: routing.table, priority: routing.rulePriority };
}

function localAddress(sessions: readonly SessionSpec[], v6: boolean): string | undefined {
  return sessions.flatMap((session) => session.paths).find((path) => path.local.includes(':') === v6)?.local;
}
