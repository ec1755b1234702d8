/**
 * A Local Mobility Anchor on this host: sockets, state machine, data plane. Lives in a network namespace if one is named, so that a
 * process can hold several. The daemon (lma-daemon.ts), the lab and tests start one.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { LmaDaemonConfig } from '../config/lma-config.ts';
import type { BindingPath, BindingStatus, SignalingStatus } from '../control/signaling-status.ts';
import { TunloomError } from '../errors.ts';
import { MobilityTransport } from '../net/mobility-transport.ts';
import { Readiness } from '../net/readiness.ts';
import { type Binding, PLAIN_BID, type Session } from '../pmipv6/lma/binding-cache.ts';
import type { LmaConfig } from '../pmipv6/lma/config.ts';
import { type LmaEvent, LmaMachine } from '../pmipv6/lma/machine.ts';
import type { Message } from '../pmipv6/wire/mobility-header.ts';
import { SIGNALING_PORT, Status } from '../pmipv6/wire/numbers.ts';
import { EventHub } from './event-hub.ts';
import { FormerPeers } from './former-peers.ts';
import { warnUnlessForwarding } from './forwarding.ts';
import { HostDataplane } from './host-dataplane.ts';
import { hostOptions } from './host-options.ts';
import { MachineRunner } from './machine-runner.ts';
import { PeerSecurity } from './peer-security.ts';
import { raiseRestartCounter } from './restart-counter.ts';
import { SessionInstaller } from './session-installer.ts';
import { refusalLog, Signaling } from './signaling.ts';

export interface LmaNodeOptions {
  readonly config: LmaDaemonConfig;
  readonly namespace: string | null;
  readonly log: Logger;
}

/** Without gateways an LMA uses neither. */
const ROUTING_TABLE = 8278;
const RULE_PRIORITY = 8278;

/** How often the MAGs are looked at that a restart would have to be told to. */
const KEEP_INTERVAL_MS = 10_000;

export class LmaNode {
  readonly host: HostDataplane;
  readonly events: EventHub;
  readonly installer: SessionInstaller;
  readonly #config: LmaDaemonConfig;
  readonly #restartCounter: number;
  readonly #readiness: Readiness;
  readonly #transport: MobilityTransport;
  readonly #signaling: Signaling;
  readonly #machine: LmaMachine;
  readonly #runner: MachineRunner<LmaEvent>;
  readonly #sockets = new Map<string, number>();
  readonly #formerPeers: FormerPeers;
  readonly #log: Logger;
  #keeping: NodeJS.Timeout | null = null;

  /** Throws what starting throws: SYSTEM_CALL, NETLINK, STATE, OUT_OF_MEMORY. */
  static async start({ config, namespace, log }: LmaNodeOptions): Promise<LmaNode> {
    const restartCounter = raiseRestartCounter(config.host.state);
    warnUnlessForwarding(namespace, log);
    const { routing } = config.host;
    const { homePrefixPools, ipv4, delegatedPools } = config.machine;
    const host = await HostDataplane.start({
      role: 'lma',
      ...hostOptions(config.host, namespace),
      routing: {
        manage: routing.manage,
        table: ROUTING_TABLE,
        rulePriority: RULE_PRIORITY,
        access: [],
        // Pools as a whole, so that the kernel's table does not grow with the nodes.
        routes: [
          ...routing.routes,
          ...homePrefixPools,
          ...(ipv4 ? [ipv4.pool] : []),
          ...delegatedPools.map(({ pool }) => pool),
        ],
      },
      gateways: [],
      sources: config.addresses,
    });
    const readiness = new Readiness();
    let node: LmaNode | undefined;
    try {
      warnIfOpen(config, log);
      node = new LmaNode(config, restartCounter, host, readiness, namespace, log);
      node.#listen();
      node.#announceRestart();
      return node;
    } catch (error) {
      if (node) node.#transport.closeAll();
      await readiness.stop();
      await host.stop();
      throw error;
    }
  }

  private constructor(
    config: LmaDaemonConfig,
    restartCounter: number,
    host: HostDataplane,
    readiness: Readiness,
    namespace: string | null,
    log: Logger,
  ) {
    this.host = host;
    this.events = new EventHub();
    this.#config = config;
    this.#restartCounter = restartCounter;
    this.#formerPeers = new FormerPeers(config.host.state);
    this.#log = log;
    this.#readiness = readiness;
    host.dataplane.on('event', (event) => this.events.tell(event));
    this.installer = new SessionInstaller(host, 'downlink', this.events, config.weights, config.tunnels);
    host.dataplane.onStranger((session, bid, port) => {
      log.info({ session, bid, port }, 'the MAG sends from another port: there is a NAT');
      this.installer.learnPort(session, bid, port);
    });
    this.#machine = new LmaMachine(this.#machineConfig(config));
    this.#transport = new MobilityTransport(namespace, readiness, (datagrams) =>
      this.#runner.receive(datagrams),
    );
    this.#signaling = new Signaling(
      this.#transport,
      new PeerSecurity('lma', config.keys, config.clockWindow),
      refusalLog(log),
    );
    this.#runner = new MachineRunner<LmaEvent>({
      machine: this.#machine,
      signaling: this.#signaling,
      installer: this.installer,
      host,
      events: this.events,
      log,
      socketFor: ({ address }) => this.#sockets.get(address) ?? null,
      refused: (_session, message) => withoutTunnel(message),
      takeBack: ({ name }) => ({ event: 'refused', session: name }),
    });
  }

  #listen(): void {
    for (const local of this.#config.addresses) {
      const port = local.includes(':') ? null : SIGNALING_PORT;
      this.#sockets.set(local, this.#transport.open({ local, port }));
    }
  }

  /** MAGs of the last run are told that it is over, and those of this one kept for the next. */
  #announceRestart(): void {
    try {
      const peers = this.#formerPeers.read();
      for (const { endpoint, spi } of peers) if (spi !== undefined) this.#signaling.useKey(endpoint, spi);
      this.#runner.handle({ event: 'restarted', peers });
    } catch (error) {
      this.#log.warn(
        { event: 'state' },
        `MAGs of before are not told of the restart: ${(error as Error).message}`,
      );
    }
    this.#keeping = setInterval(() => this.#keepPeers(), KEEP_INTERVAL_MS).unref();
  }

  #keepPeers(): void {
    try {
      const peers = this.#machine.formerPeers().map((peer) => {
        const spi = this.#signaling.keyOf(peer.endpoint);
        return spi === undefined ? peer : { ...peer, spi };
      });
      this.#formerPeers.write(peers);
    } catch (error) {
      this.#log.warn({ event: 'state' }, `state: ${(error as Error).message}`);
    }
  }

  /** Ends everything and leaves nothing behind but the state directory. MAGs notice by their heartbeats, when it starts again or at the next refresh. */
  async stop(): Promise<void> {
    if (this.#keeping) clearInterval(this.#keeping);
    this.#keepPeers();
    this.#runner.stop();
    this.#transport.closeAll();
    await this.#readiness.stop();
    await this.host.stop();
  }

  /** The binding cache. */
  bindings(): BindingStatus[] {
    return [...this.#machine.sessions()].map((session) => this.#status(session));
  }

  /** Throws UNKNOWN_SESSION. */
  binding(name: string): BindingStatus {
    return this.#status(this.#session(name));
  }

  /** Takes a session or one binding back and tells the MAG (RFC 5846). Throws UNKNOWN_SESSION, UNKNOWN_BID. */
  revoke(name: string, bid?: number): void {
    const { bindings } = this.#session(name);
    // A single path is shown as BID 1 and is the whole session.
    const whole = bid === undefined || (bid === 1 && bindings.has(PLAIN_BID));
    if (!whole && !bindings.has(bid)) {
      throw new TunloomError('UNKNOWN_BID', `session "${name}" has no binding with BID ${bid}`);
    }
    this.#runner.handle({ event: 'revoke', session: name, ...(whole ? {} : { bid }) });
  }

  /** Goes over to what can be changed while running; what was revoked by it is in the log. */
  reconfigure(config: LmaDaemonConfig): { readonly sessions: number; readonly revoked: number } {
    const before = [...this.#machine.sessions()].length;
    this.#signaling.setKeys('lma', config.keys, config.clockWindow);
    this.installer.setTunnels(config.tunnels);
    this.#runner.run((now) => this.#machine.reconfigure(this.#machineConfig(config), now));
    this.installer.setRules(config.weights);
    const sessions = [...this.#machine.sessions()].length;
    return { sessions, revoked: before - sessions };
  }

  #machineConfig(config: LmaDaemonConfig): LmaConfig {
    return {
      ...config.machine,
      restartCounter: this.#restartCounter,
      randomKey: () => randomBytes(4).readUInt32BE(),
    };
  }

  signaling(): SignalingStatus {
    const { answered, ignored } = this.#machine.statistics();
    return {
      role: 'lma',
      restartCounter: this.#restartCounter,
      ...this.#signaling.counters(),
      answered,
      ignored,
    };
  }

  #session(name: string): Session {
    const session = this.#machine.session(name);
    if (!session) throw new TunloomError('UNKNOWN_SESSION', `there is no session "${name}"`);
    return session;
  }

  #status(session: Session): BindingStatus {
    const weights = this.installer.weights(session.name);
    const now = performance.now();
    return {
      session: session.name,
      node: session.nodeKey,
      peer: session.mag,
      state: session.bindings.size ? 'active' : 'lingering',
      prefixes: session.prefixes,
      homeAddress: session.homeAddress,
      delegated: session.delegated,
      multipath: session.mag !== null,
      weightsFrom: weights?.source ?? null,
      paths: [...session.bindings.values()]
        .map((binding) => pathOf(binding, weights?.weights, now))
        .sort((a, b) => a.bid - b.bid),
    };
  }
}

function pathOf(
  binding: Binding,
  weights: ReadonlyMap<number, number> | undefined,
  now: number,
): BindingPath {
  const bid = binding.bid === PLAIN_BID ? 1 : binding.bid;
  return {
    bid,
    state: 'active',
    local: binding.local.address,
    remote: binding.careOf.address,
    port: binding.signaling.port,
    encapsulation: binding.encapsulation,
    technology: binding.technology,
    label: binding.label,
    interface: null,
    metrics: binding.metrics,
    weight: weights?.get(bid) ?? null,
    expiresInSeconds: Math.max(0, Math.round((binding.expires - now) / 1000)),
  };
}

/** An accepting PBA whose tunnel could not be made is a lie: status 130 instead. */
function withoutTunnel(message: Message): Message {
  if (message.message !== 'binding-ack' || message.status >= 128) return message;
  return { ...message, status: Status.INSUFFICIENT_RESOURCES, lifetime: 0 };
}

/** Warns of MAGs that are anybody: an entry for all addresses, of which some come without a key. */
function warnIfOpen({ machine, keys }: LmaDaemonConfig, log: Logger): void {
  for (const { prefix } of machine.mags) {
    if (!prefix.endsWith('/0') || keys.some((key) => key.prefix === prefix)) continue;
    log.warn({ event: 'open' }, `mags: ${prefix} without authentication: anybody may register nodes`);
  }
}
