/**
 * A Mobile Access Gateway on this host: WAN sockets, state machine, data plane, access side. Lives in a network namespace if one is
 * named, so that a process can hold several. The daemon (mag-daemon.ts), the lab and tests start one.
 */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { AccessMessage } from '../access/access-config.ts';
import { AccessSide } from '../access/access-side.ts';
import type { MagDaemonConfig } from '../config/mag-config.ts';
import type { Attachment } from '../control/signaling-routes.ts';
import type { BindingStatus, SignalingStatus } from '../control/signaling-status.ts';
import type { DataplaneEvent } from '../dataplane/status.ts';
import type { Gateway } from '../config/session-defaults.ts';
import { TunloomError } from '../errors.ts';
import { MobilityTransport } from '../net/mobility-transport.ts';
import { Readiness } from '../net/readiness.ts';
import type { MagConfig } from '../pmipv6/mag/config.ts';
import type { MagEvent } from '../pmipv6/mag/event.ts';
import { MagMachine } from '../pmipv6/mag/machine.ts';
import type { MagSessionStatus } from '../pmipv6/mag/status.ts';
import type { WanState } from '../pmipv6/mag/wan-links.ts';
import type { TunnelSession } from '../pmipv6/tunnel-session.ts';
import type { WanMetrics } from '../pmipv6/tunnel-session.ts';
import { EventHub } from './event-hub.ts';
import { warnUnlessForwarding } from './forwarding.ts';
import { HostDataplane } from './host-dataplane.ts';
import { hostOptions } from './host-options.ts';
import { Keepalives } from './keepalives.ts';
import { MachineRunner } from './machine-runner.ts';
import { PeerSecurity } from './peer-security.ts';
import { raiseRestartCounter } from './restart-counter.ts';
import { SessionInstaller } from './session-installer.ts';
import { refusalLog, Signaling } from './signaling.ts';
import { WanSockets } from './wan-sockets.ts';

export interface MagNodeOptions {
  readonly config: MagDaemonConfig;
  readonly namespace: string | null;
  readonly log: Logger;
  /** Gets every message on the access links. */
  readonly watchAccess?: (message: AccessMessage) => void;
}

/** How long stop() waits for the LMA to confirm de-registrations: its first retransmission included. */
const FAREWELL_MS = 3000;
const FAREWELL_LOOK_MS = 20;
/** Access Technology Type of nodes that the operator attaches to an interface without configuration. */
const ETHERNET = 3;

export class MagNode {
  readonly host: HostDataplane;
  readonly events = new EventHub();
  readonly installer: SessionInstaller;
  readonly access: AccessSide;
  readonly #restartCounter: number;
  readonly #readiness: Readiness;
  readonly #transport: MobilityTransport;
  readonly #signaling: Signaling;
  readonly #machine: MagMachine;
  readonly #runner: MachineRunner<MagEvent>;
  readonly #keepalives: Keepalives;
  readonly #wan: WanSockets;
  #config: MagDaemonConfig;
  /** WAN interfaces that are not configured any more, and how packets leave by them until the LMA has been told. */
  readonly #closing = new Map<string, readonly Gateway[]>();
  /** By interface, where they are other than configured. */
  readonly #metrics = new Map<string, WanMetrics>();

  /** Throws what starting throws: SYSTEM_CALL, NETLINK, STATE, OUT_OF_MEMORY. */
  static async start(options: MagNodeOptions): Promise<MagNode> {
    const { config, namespace } = options;
    const restartCounter = raiseRestartCounter(config.host.state);
    warnUnlessForwarding(namespace, options.log);
    const host = await HostDataplane.start({
      role: 'mag',
      ...hostOptions(config.host, namespace),
      routing: {
        ...config.host.routing,
        also: accessNames(config),
      },
      gateways: config.gateways,
    });
    const readiness = new Readiness();
    let node: MagNode | undefined;
    try {
      node = new MagNode(options, restartCounter, host, readiness);
      node.#begin();
      return node;
    } catch (error) {
      if (node) node.#close();
      await readiness.stop();
      await host.stop();
      throw error;
    }
  }

  private constructor(
    { config, namespace, log, watchAccess }: MagNodeOptions,
    restartCounter: number,
    host: HostDataplane,
    readiness: Readiness,
  ) {
    this.host = host;
    this.#config = config;
    this.#restartCounter = restartCounter;
    this.#readiness = readiness;
    host.dataplane.on('event', (event) => {
      this.events.tell(event);
      if (event.event === 'pathMtuChanged') this.installer.sessions().forEach(this.#tellMtu);
    });
    this.installer = new SessionInstaller(host, 'uplink', this.events, config.weights, config.tunnels);
    this.#keepalives = new Keepalives(host.ports, () => this.installer.sessions(), config.natKeepalive, log);
    this.#machine = new MagMachine(this.#machineConfig(config));
    this.#transport = new MobilityTransport(namespace, readiness, (datagrams) =>
      this.#runner.receive(datagrams),
    );
    this.#signaling = new Signaling(
      this.#transport,
      new PeerSecurity('mag', config.keys, config.clockWindow),
      refusalLog(log),
    );
    this.#wan = new WanSockets(
      namespace,
      config.machine.interfaces.map(({ name }) => name),
      this.#transport,
      readiness,
      (state) => {
        log.info({ event: 'interface', interface: state.name }, describeWan(state));
        host.admitReplies(state.name);
        this.#wanChanged(state);
      },
      // Its paths may still receive, by sockets of the device that is gone.
      (name) => host.rebind(name),
      (text) => log.warn({ event: 'interface' }, text),
    );
    this.access = new AccessSide({
      namespace,
      interfaces: config.access,
      lans: config.lans,
      tun: config.host.routing.manage ? host.tunName : null,
      insidePriority: config.host.routing.manage ? config.host.routing.rulePriority - 1 : null,
      readiness,
      now: () => performance.now(),
      random: Math.random,
      log: (level, text, node) => log[level]({ node }, text),
      watch: watchAccess ?? null,
    });
    this.#runner = new MachineRunner<MagEvent>({
      machine: this.#machine,
      signaling: this.#signaling,
      installer: this.installer,
      host,
      events: this.events,
      log,
      socketFor: (from, device) => this.#wan.socketFor(from, device),
      refused: (_session, message) => message,
      takeBack: ({ node }) => ({ event: 'deregister', node }),
      access: this.access,
      close: (name) => {
        this.#wan.close(name);
        this.#closing.delete(name);
        this.#setGateways();
      },
      installed: (session) => {
        this.#keepalives.installed(session);
        this.#tellMtu(session);
      },
    });
  }

  #begin(): void {
    this.access.on('attach', ({ node, interface: device, linkLayer, technology }) =>
      this.#runner.handle({ event: 'attach', node, interface: device, linkLayer, technology }),
    );
    this.access.on('detach', ({ node, interface: device }) =>
      this.#runner.handle({ event: 'detach', node, interface: device }),
    );
    this.access.on('release', (release) => this.#runner.handle({ event: 'release', ...release }));
    this.access.on('addressRelease', (node) => this.#runner.handle({ event: 'release-address', node }));
    this.access.on('address', (node) => this.#runner.handle({ event: 'address', node }));
    this.access.on('delegation', (node) => this.#runner.handle({ event: 'delegation', node }));
    this.host.dataplane.on('event', this.#tellMachine);
    this.#wan.begin();
    this.access.begin();
  }

  /** Nodes are told what their tunnels carry (RFC 5213 §6.9.5). */
  readonly #tellMtu = ({ node, name }: TunnelSession): void =>
    this.access.setMtu(node, this.host.dataplane.innerMtu(name));

  /** What probes say of paths, for the machine; not in the middle of what that has just ordered. */
  readonly #tellMachine = (event: DataplaneEvent): void => {
    if (event.event !== 'pathState') return;
    const { session, bid, to } = event;
    queueMicrotask(() => this.#runner.handle({ event: 'path', session, bid, dead: to === 'down' }));
  };

  /** De-registers everything, waits a little for the LMA's word, and leaves nothing behind. */
  async stop(): Promise<void> {
    this.access.removeAllListeners();
    this.#runner.handle({ event: 'deregister' });
    const end = performance.now() + FAREWELL_MS;
    while (this.#isBusy() && performance.now() < end) {
      await new Promise((resolve) => {
        setTimeout(resolve, FAREWELL_LOOK_MS);
      });
    }
    this.#close();
    await this.#readiness.stop();
    await this.host.stop();
  }

  #close(): void {
    this.host.dataplane.off('event', this.#tellMachine);
    this.#keepalives.stop();
    this.#runner.stop();
    this.access.stop();
    this.#wan.stop();
    this.#transport.closeAll();
  }

  #isBusy(): boolean {
    return this.#machine.sessions().some(({ paths }) => paths.some(({ state }) => state === 'deregistering'));
  }

  /** The binding update list. */
  bindings(): BindingStatus[] {
    return this.#machine.sessions().map((session) => this.#status(session));
  }

  /** Throws UNKNOWN_SESSION. */
  binding(name: string): BindingStatus {
    const session = this.#machine.sessions().find((session) => session.name === name);
    if (!session) throw new TunloomError('UNKNOWN_SESSION', `there is no session "${name}"`);
    return this.#status(session);
  }

  signaling(): SignalingStatus {
    const { answered, ignored } = this.#machine.statistics();
    return {
      role: 'mag',
      restartCounter: this.#restartCounter,
      ...this.#signaling.counters(),
      answered,
      ignored,
    };
  }

  /** As if the node had appeared on an access interface; the first one of the configuration if none is named. Throws UNKNOWN_NODE. */
  attach({ node, interface: device, linkLayerId }: Attachment): void {
    const configured = this.#config.access.find(({ name }) => device === undefined || name === device);
    const name = device ?? configured?.name;
    if (name === undefined) {
      throw new TunloomError('BAD_REQUEST', 'interface: expected a name, as there are no access interfaces');
    }
    this.#runner.handle({
      event: 'attach',
      node,
      interface: name,
      linkLayer: linkLayerId === undefined ? null : Buffer.from(linkLayerId.replace(/[:-]/g, ''), 'hex'),
      technology: configured?.technology ?? ETHERNET,
    });
    if (!this.#machine.sessions().some((session) => session.node === node)) {
      throw new TunloomError(
        'UNKNOWN_NODE',
        `${node} fits none of \`nodes\` in the configuration of this MAG`,
      );
    }
  }

  /** Throws UNKNOWN_NODE. */
  detach(node: string): void {
    const session = this.#session(node);
    if (session.interface === null) {
      throw new TunloomError(
        'UNKNOWN_NODE',
        `${node} is a logical mobile node; end its session with deregister`,
      );
    }
    this.#runner.handle({ event: 'detach', node, interface: session.interface });
  }

  /** Registers the node again now, also if the LMA has refused it. Throws UNKNOWN_NODE. */
  register(node: string): void {
    this.#session(node);
    this.#runner.handle({ event: 'register', node });
  }

  /** Ends the node's session until it attaches anew or register() is called. Throws UNKNOWN_NODE. */
  deregister(node: string): void {
    this.#session(node);
    this.#runner.handle({ event: 'deregister', node });
  }

  /** Takes a WAN interface out of use or into it again. Throws UNKNOWN_INTERFACE. */
  setInterface(name: string, up: boolean): void {
    this.#wan.set(name, up);
  }

  /** What is known of a WAN interface from now on besides what is already, null: as configured; the LMA is told. Throws UNKNOWN_INTERFACE. */
  setMetrics(name: string, changes: WanMetrics | null): void {
    const wan = this.#config.machine.interfaces.find((wan) => wan.name === name);
    if (!wan) throw new TunloomError('UNKNOWN_INTERFACE', `${name} is no WAN interface`);
    const metrics = changes ? { ...(this.#metrics.get(name) ?? wan.metrics), ...changes } : wan.metrics;
    if (changes) this.#metrics.set(name, metrics);
    else this.#metrics.delete(name);
    this.#runner.handle({ event: 'metrics', name, metrics });
  }

  /** Goes over to another configuration. Throws NETLINK if the kernel does not take its gateways; then nothing has changed. */
  reconfigure(config: MagDaemonConfig): { readonly sessions: number } {
    const before = this.#config;
    this.#changeRouting(before, config);
    this.#config = config;
    this.#changeKeys(before, config);
    if (before.natKeepalive !== config.natKeepalive) this.#keepalives.setInterval(config.natKeepalive);
    this.installer.setTunnels(config.tunnels);
    const news = this.#wan.setNames(config.machine.interfaces.map(({ name }) => name));
    for (const { name, up, addresses } of news) {
      this.host.admitReplies(name);
      this.events.tell({ event: 'interface', interface: name, up, addresses });
    }
    this.#forgetMetrics(before, config);
    this.#runner.run((now) => this.#machine.reconfigure(this.#machineConfig(config), now, news));
    this.access.reconfigure(config.access, config.lans);
    this.#attachPresent();
    this.installer.sessions().forEach(this.#tellMtu);
    this.installer.setRules(config.weights);
    return { sessions: this.#machine.sessions().length };
  }

  /** Interfaces that are configured no more keep their gateways until the LMA has been told by them. */
  #changeRouting(before: MagDaemonConfig, after: MagDaemonConfig): void {
    const names = (config: MagDaemonConfig): Set<string> =>
      new Set(config.machine.interfaces.map(({ name }) => name));
    const old = new Map(this.#closing);
    for (const name of names(before)) {
      this.#closing.set(
        name,
        before.gateways.filter((gateway) => gateway.interface === name),
      );
    }
    for (const name of names(after)) this.#closing.delete(name);
    try {
      this.host.setAccess(accessNames(after));
      this.#setGateways(after);
    } catch (error) {
      this.#closing.clear();
      for (const [name, gateways] of old) this.#closing.set(name, gateways);
      this.host.setAccess(accessNames(before));
      throw error;
    }
  }

  #setGateways({ gateways }: MagDaemonConfig = this.#config): void {
    this.host.setGateways([...gateways, ...[...this.#closing.values()].flat()]);
  }

  /** Messages to LMAs that are configured no more are protected as before. */
  #changeKeys(before: MagDaemonConfig, after: MagDaemonConfig): void {
    const { keys, clockWindow } = after;
    if (isDeepStrictEqual([before.keys, before.clockWindow], [keys, clockWindow])) return;
    const { lma, logicalNodes, nodes } = after.machine;
    const lmas = [lma, ...[...logicalNodes, ...nodes].map((node) => node.lma)];
    const addresses = new Set(lmas.flatMap((lma) => [lma?.ipv6, lma?.ipv4]));
    const former = before.keys.filter(({ prefix }) => !addresses.has(prefix.split('/')[0]));
    this.#signaling.setKeys('mag', [...keys, ...former], clockWindow);
  }

  /** The operator's word on an interface holds until the file says something new. */
  #forgetMetrics(before: MagDaemonConfig, after: MagDaemonConfig): void {
    for (const name of this.#metrics.keys()) {
      const [old, fresh] = [before, after].map(({ machine }) =>
        machine.interfaces.find((wan) => wan.name === name),
      );
      if (!fresh || !isDeepStrictEqual(old?.metrics, fresh.metrics)) this.#metrics.delete(name);
    }
  }

  /** Nodes that are there already and had no profile before. */
  #attachPresent(): void {
    const served = new Set(
      this.#machine.sessions().flatMap(({ node, attached }) => (attached ? [node] : [])),
    );
    for (const attachment of this.access.present()) {
      if (!served.has(attachment.node)) this.#runner.handle({ event: 'attach', ...attachment });
    }
  }

  #machineConfig(config: MagDaemonConfig): MagConfig {
    return {
      ...config.machine,
      restartCounter: this.#restartCounter,
      random: () => randomBytes(4).readUInt32BE(),
    };
  }

  #session(node: string): MagSessionStatus {
    const session = this.#machine.sessions().find((session) => session.node === node);
    if (!session) throw new TunloomError('UNKNOWN_NODE', `there is no node "${node}"`);
    return session;
  }

  #wanChanged(state: WanState): void {
    this.host.renewGateways();
    const { name, up, addresses } = state;
    this.events.tell({ event: 'interface', interface: name, up, addresses });
    this.#runner.handle({ event: 'interface', ...state });
  }

  #stateOf({ name, paths }: MagSessionStatus): string {
    if (this.installer.has(name)) return 'active';
    return paths.length && paths.every(({ state }) => state === 'denied') ? 'revoked' : 'down';
  }

  #status(session: MagSessionStatus): BindingStatus {
    const weights = this.installer.weights(session.name);
    const now = performance.now();
    const wan = new Map(this.#config.machine.interfaces.map((one) => [one.bid, one]));
    return {
      session: session.name,
      node: session.node,
      peer: session.paths.find(({ lma }) => lma !== null)?.lma ?? null,
      state: session.denied ?? this.#stateOf(session),
      prefixes: session.homePrefixes,
      homeAddress: session.homeAddress,
      delegated: session.delegatedPrefixes,
      multipath: session.multipath === 'on',
      weightsFrom: weights?.source ?? null,
      paths: session.paths.map((path) => ({
        bid: path.bid,
        state: path.state,
        local: path.careOf ?? '-',
        remote: path.lma ?? '-',
        port: null,
        encapsulation: path.encapsulation,
        technology: wan.get(path.bid)?.technology ?? 0,
        label: wan.get(path.bid)?.label ?? null,
        interface: path.interface,
        metrics: this.#metrics.get(path.interface) ?? wan.get(path.bid)?.metrics ?? {},
        weight: weights?.weights.get(path.bid) ?? null,
        expiresInSeconds: path.expires === null ? null : Math.max(0, Math.round((path.expires - now) / 1000)),
      })),
    };
  }
}

function describeWan({ name, up, addresses }: WanState): string {
  return up ? `${name} is up with ${addresses.join(', ') || 'no address'}` : `${name} is down`;
}

/** Interfaces that hosts are behind. */
function accessNames({ access, lans }: MagDaemonConfig): string[] {
  return [...access, ...lans].map(({ name }) => name);
}
