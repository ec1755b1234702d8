/**
 * The lab on signaling: a real MAG and a real LMA as their daemons run them, a mobile node that configures itself, a correspondent.
 * Nothing is set up beforehand but links and addresses of the WAN: switching the node on starts figure 2 of RFC 8278.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import type { AccessMessage } from '../access/access-config.ts';
import { parseLmaConfig } from '../config/lma-config.ts';
import { parseMagConfig } from '../config/mag-config.ts';
import type { DataplaneEvent, SessionStatus } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';
import { Readiness } from '../net/readiness.ts';
import type { NodeEvent } from '../node/event-hub.ts';
import { LmaNode } from '../node/lma-node.ts';
import { MagNode } from '../node/mag-node.ts';
import { Deployment, FAR_HOST, HOST_DEVICE, HOST_MAC } from './deployment.ts';
import { type DhcpLease, obtainLease } from './dhcp-client.ts';
import { LAB_NODE, lmaConfiguration, magConfiguration } from './lab-configuration.ts';
import { type MeasuredLab, type Progress, type TransferEnds, measure } from './measurement.ts';
import { folderPrefix } from './leftovers.ts';
import type { LabOptions } from './plan.ts';
import {
  type EmulatedPathResult,
  type LabResult,
  type LabSessionResult,
  type SignalingLine,
  mergeDrops,
} from './report.ts';
import { shortAccess, shortMessage } from './short-message.ts';
import { stopAll } from './stop-all.ts';

/** The signaling takes some hundredths of a second; retransmissions on a busy machine some seconds. */
const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 10;
/** For what kernels say to multicast routers on a new link. */
const SETTLING_MS = 200;

/** Addresses that the node has given itself. */
export interface ConfiguredHost {
  readonly address6: string;
  readonly lease: DhcpLease;
}

export class SignaledLab implements MeasuredLab {
  readonly topology: Deployment;
  readonly mag: MagNode;
  readonly lma: LmaNode;
  readonly #options: LabOptions;
  readonly #readiness = new Readiness();
  readonly #state: string;
  readonly #signaling: SignalingLine[] = [];
  readonly #watch: (line: SignalingLine) => void;
  #started = 0;
  #stopped = false;
  /** A kernel greets the multicast routers on a new TUN, which nobody has a session for. */
  #dropsBefore: Readonly<Record<string, number>> = {};
  #configured: ConfiguredHost | null = null;

  /** `watch` is told of every message as it passes. */
  static async start(options: LabOptions, watch: (line: SignalingLine) => void): Promise<SignaledLab> {
    const state = mkdtempSync(join(tmpdir(), folderPrefix(process.pid)));
    const log = pino({ level: 'silent' });
    let topology: Deployment | undefined;
    let lma: LmaNode | undefined;
    try {
      topology = new Deployment(options.paths, undefined, options.seed);
      const lmaFile = parseLmaConfig(lmaConfiguration(options, join(state, 'lma')), 'lma.yaml');
      const magFile = parseMagConfig(magConfiguration(options, join(state, 'mag')), 'mag.yaml');
      lma = await LmaNode.start({ config: lmaFile, namespace: topology.lma, log });
      const access: { note: (message: AccessMessage) => void } = { note: () => {} };
      const mag = await MagNode.start({
        config: magFile,
        namespace: topology.mag,
        log,
        watchAccess: (message) => access.note(message),
      });
      const lab = new SignaledLab(options, topology, mag, lma, state, watch);
      access.note = (message) => lab.#noteAccess(message);
      return lab;
    } catch (error) {
      await stopAll([
        async () => lma?.stop(),
        async () => topology?.dispose(),
        () => rmSync(state, { recursive: true }),
      ]).catch(() => {});
      throw error;
    }
  }

  private constructor(
    options: LabOptions,
    topology: Deployment,
    mag: MagNode,
    lma: LmaNode,
    state: string,
    watch: (line: SignalingLine) => void,
  ) {
    this.#options = options;
    this.topology = topology;
    this.mag = mag;
    this.lma = lma;
    this.#state = state;
    this.#watch = watch;
    mag.events.on('event', (event) => this.#note(event));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await stopAll([
      () => this.#readiness.stop(),
      () => this.mag.stop(),
      () => this.lma.stop(),
      () => this.topology.dispose(),
      () => rmSync(this.#state, { recursive: true }),
    ]);
  }

  async run(progress: Progress, signal?: AbortSignal): Promise<LabResult> {
    if (!this.#configured) await this.switchOn();
    const result = await measure(this, this.#options, progress, signal);
    return {
      ...result,
      signaling: this.#signaling,
      sessions: [this.#session('mag'), this.#session('lma')],
    };
  }

  /** Switches the node on and waits until all is set up. Throws LAB_SIGNALING, saying what is missing. */
  async switchOn(): Promise<ConfiguredHost> {
    this.topology.plugIn();
    await this.#eventually('the access link has no carrier', () => this.topology.plugged || undefined);
    await pause(SETTLING_MS);
    this.#dropsBefore = this.#allDrops();
    this.#started = performance.now();
    this.topology.switchOn();
    // Its address first, as IPv6 hosts do; DHCP then finds the binding there already.
    const address6 = await this.#eventually('the mobile node has no IPv6 address', () =>
      this.topology.homeAddresses().at(0),
    );
    const hardware = Uint8Array.from(HOST_MAC.split(':'), (octet) => parseInt(octet, 16));
    const lease = await obtainLease(this.topology.mn, HOST_DEVICE, hardware, this.#readiness);
    this.topology.takeLease(lease);
    const wanted = this.#options.paths.length;
    for (const end of ['mag', 'lma'] as const) {
      await this.#eventually(`the ${end.toUpperCase()} has not got ${wanted} paths`, () => {
        const [session] = this[end].host.dataplane.specs();
        return session?.paths.length === wanted ? session : undefined;
      });
    }
    this.#configured = { address6, lease };
    return this.#configured;
  }

  /** What the node has configured. */
  get host(): ConfiguredHost {
    if (!this.#configured) throw new TunloomError('LAB_SIGNALING', 'the mobile node is not configured');
    return this.#configured;
  }

  ends(direction: 'uplink' | 'downlink'): TransferEnds {
    const { mn, cn } = this.topology;
    const { address6, lease } = this.host;
    return direction === 'uplink'
      ? { from: mn, to: cn, source: address6, destination: FAR_HOST[6] }
      : { from: cn, to: mn, source: FAR_HOST[4], destination: lease.address };
  }

  session(end: 'mag' | 'lma'): SessionStatus {
    const { dataplane } = this[end].host;
    return dataplane.session(dataplane.specs()[0]!.name);
  }

  deviceTx(path: number): number {
    const { topology } = this;
    return topology.statistics('mag', path).txPackets + topology.statistics('lma', path).txPackets;
  }

  drops(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.#allDrops()).flatMap(([reason, count]) => {
        const fresh = count - (this.#dropsBefore[reason] ?? 0);
        return fresh ? [[reason, fresh]] : [];
      }),
    );
  }

  /** Both ends together since they started. */
  #allDrops(): Record<string, number> {
    return mergeDrops(this.mag.host.dataplane.status(), this.lma.host.dataplane.status());
  }

  emulated(): EmulatedPathResult[] {
    return this.topology.wan.results();
  }

  countWirePackets(on: boolean): void {
    this.topology.countWirePackets(on);
  }

  #noteAccess({ direction, message, text }: AccessMessage): void {
    const [from, to] = direction === 'out' ? (['mag', 'mn'] as const) : (['mn', 'mag'] as const);
    this.#tell({
      time: this.#time(),
      from,
      to,
      message,
      bid: null,
      status: null,
      text: shortAccess(message, text),
    });
  }

  #note(event: NodeEvent | DataplaneEvent): void {
    const time = this.#time();
    const name = (bid: number): string | undefined => this.#options.paths[bid - 1]?.name;
    if (event.event === 'message') {
      const { direction, message, bid, status, text } = event;
      const [from, to] = direction === 'out' ? (['mag', 'lma'] as const) : (['lma', 'mag'] as const);
      const words = shortMessage(text, bid, status, bid === null ? undefined : name(bid));
      this.#tell({ time, from, to, message, bid, status, text: words });
    } else if (event.event === 'pathAdded') {
      const { bid, encapsulation } = event;
      const text = `tunnel ${name(bid) ?? ''}: ${encapsulation}, BID ${bid}`;
      this.#tell({ time, from: 'mag', to: 'lma', message: 'TUNNEL', bid, status: null, text });
    }
  }

  /** Seconds since the node was switched on. */
  #time(): number {
    return (performance.now() - this.#started) / 1000;
  }

  #tell(line: SignalingLine): void {
    // Whatever happens before, or when the lab ends, is not part of the figure.
    if (!this.#started || this.#stopped) return;
    this.#signaling.push(line);
    this.#watch(line);
  }

  #session(end: 'mag' | 'lma'): LabSessionResult {
    const { name, prefixes, paths } = this.session(end);
    return {
      end,
      name,
      node: LAB_NODE,
      prefixes,
      paths: paths.map(({ bid, local, remote, encapsulation, weight }) => ({
        bid,
        local,
        remote,
        encapsulation,
        weight,
      })),
    };
  }

  async #eventually<T>(complaint: string, look: () => T | undefined): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (performance.now() > deadline) {
        throw new TunloomError('LAB_SIGNALING', `${complaint} after ${PATIENCE_MS / 1000} s`);
      }
      await pause(LOOK_EVERY_MS);
    }
  }
}
