/**
 * The data plane of one node: shared memory, tables, workers. It knows nothing of configuration files, sockets or
 * namespaces; ports come from a PortProvider, changes through DataplaneControl.
 */
import { EventEmitter } from 'node:events';
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import { parseAddress } from '../ip.ts';
import { readDrops, readWorkerCounter, sumResequencers, sumWorkerCounters } from './counters.ts';
import type { DeviceHandle } from './device/device.ts';
import type { DistributionSpec, FlowName, PathEstimates, PathState } from './distribution-spec.ts';
import { EndpointRegistry, type PortProvider } from './endpoints.ts';
import { GracePeriods } from './grace.ts';
import { DataplaneMemory, type MemorySizes } from './memory.ts';
import { ProbePort } from './probe-port.ts';
import type { PathTraffic, ProbeListener, ProbedPaths } from './probed-paths.ts';
import type { Numbering } from '../paths/probe.ts';
import type { WaitBounds } from '../paths/wait-bounds.ts';
import type { NextHop } from './path-links.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';
import { SessionStore } from './session-store.ts';
import type {
  DataplaneControl,
  DataplaneEvent,
  DataplaneStatus,
  OffloadStatus,
  SessionStatus,
} from './status.ts';
import { watchStrangers } from './strangers.ts';
import { compileHotPath, instantiateHotPath } from './wasm.ts';
import { type WakeUp, WorkerPool } from './worker-pool.ts';
import { monotonicMicroseconds } from './clock.ts';

export interface DataplaneOptions {
  readonly role: 'mag' | 'lma';
  readonly sizes: MemorySizes;
  /** Absolute address of the memory once it exists; 0 for in-memory devices. */
  readonly hostBase: (memory: WebAssembly.Memory) => number;
  readonly ports: PortProvider;
  /** One TUN queue a worker. */
  readonly tun: {
    readonly name: string;
    readonly mtu: () => number;
    readonly devices: readonly DeviceHandle[];
    /** What the devices were opened with: struct virtio_net_hdr, and UDP super-packets as well as TCP's. */
    readonly offload?: { readonly vnet: boolean; readonly udp: boolean };
  };
  readonly wake: readonly WakeUp[];
  /** How long workers look for input before they sleep, in microseconds. */
  readonly busyPollUs?: number;
  /** The hot path with a user's scheduler (scheduler-compiler.ts); the built-in one by default. */
  readonly hotPath?: WebAssembly.Module | undefined;
  /** Sources of the ICMP errors that we originate. */
  readonly icmpSource4?: string | undefined;
  readonly icmpSource6?: string | undefined;
}

/** RFC 7600: the IPv4 dummy address, source of ICMP errors where there is no better one. */
const DUMMY_ADDRESS = '192.0.0.8';
/** Between two looks at whether workers have passed a batch end. */
const COLLECT_MS = 50;
/** Between two looks at the workers, and two tries of changes that there was no room for. */
const HEALTH_MS = 1000;
/** A path that has been given up receives for so long: a far end behind a satellite hears of it, and what it has sent until then comes. */
const LINGER_MS = 1000;

export interface DataplaneEvents {
  event: [DataplaneEvent];
}

export class Dataplane extends EventEmitter<DataplaneEvents> implements DataplaneControl, ProbedPaths {
  readonly memory: DataplaneMemory;
  readonly #options: DataplaneOptions;
  readonly #grace: GracePeriods;
  readonly #endpoints: EndpointRegistry;
  readonly #sessions: SessionStore;
  readonly #probes: ProbePort;
  readonly #pool: WorkerPool;
  readonly #started = performance.now();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #lingering = new Set<NodeJS.Timeout>();
  #forgetStrangers: () => void = () => {};
  #collection: NodeJS.Timeout | null = null;
  /** Sessions for which a change of their paths was refused, and why. */
  readonly #refused = new Map<string, string>();

  /** Compiles the hot path, lays out the memory and starts the workers. */
  static async start(options: DataplaneOptions): Promise<Dataplane> {
    const dataplane = new Dataplane(options, options.hotPath ?? (await compileHotPath()));
    dataplane.#pool.start();
    dataplane.#timers.push(
      setInterval(() => {
        dataplane.#pool.checkHealth();
        dataplane.#tryAgain();
      }, HEALTH_MS),
    );
    dataplane.emit('event', { event: 'started' });
    return dataplane;
  }

  private constructor(options: DataplaneOptions, module: WebAssembly.Module) {
    super();
    this.#options = options;
    const memory = new DataplaneMemory(options.sizes);
    this.memory = memory;
    memory.u64[(L.CONTROL + L.CONTROL_HOST_BASE) / 8] = BigInt(options.hostBase(memory.memory));
    const { vnet = false, udp = false } = options.tun.offload ?? {};
    memory.setControl(
      L.CONTROL_TUN_OFFLOAD,
      vnet ? L.TUN_OFFLOAD_VNET | L.TUN_OFFLOAD_MERGE_TCP | (udp ? L.TUN_OFFLOAD_MERGE_UDP : 0) : 0,
    );
    memory.setControl(L.CONTROL_ROLE, options.role === 'mag' ? L.ROLE_MAG : L.ROLE_LMA);
    memory.bytes.set(
      parseAddress(options.icmpSource4 ?? DUMMY_ADDRESS).bytes,
      L.CONTROL + L.CONTROL_ICMP_SOURCE4,
    );
    if (options.icmpSource6) {
      memory.bytes.set(parseAddress(options.icmpSource6).bytes, L.CONTROL + L.CONTROL_ICMP_SOURCE6);
    }
    const wasm = instantiateHotPath(module, memory.memory);
    wasm.fillPool();
    wasm.initialiseWorker(memory.sizes.workers, memory.timers[memory.sizes.workers]!);
    this.#grace = new GracePeriods(
      memory,
      (worker) => this.#pool.isRunning(worker),
      () => this.#collectSoon(),
    );
    this.#endpoints = new EndpointRegistry(memory, options.ports, (handles, worker) =>
      this.#pool.announce(worker, handles),
    );
    this.#sessions = new SessionStore(memory, wasm, this.#grace, this.#endpoints, (letGo) => {
      const timer = setTimeout(() => {
        this.#lingering.delete(timer);
        letGo();
      }, LINGER_MS);
      this.#lingering.add(timer);
    });
    this.#probes = new ProbePort(memory, this.#sessions, this.#endpoints);
    this.#pool = new WorkerPool({
      memory,
      wasm,
      module,
      tun: options.tun.devices,
      wake: options.wake,
      busyPollUs: options.busyPollUs ?? 0,
      handles: (worker) => this.#endpoints.handles(worker),
      emit: (event) => this.emit('event', event),
    });
  }

  /** Stops the workers and closes the endpoints. The TUN devices belong to the caller. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const timer of this.#lingering) clearTimeout(timer);
    this.#forgetStrangers();
    if (this.#collection) clearTimeout(this.#collection);
    await this.#pool.stop();
    // What waited for the workers, such as sockets of paths that have gone.
    this.#grace.collect();
    this.#sessions.xdp?.closeAll();
    this.#endpoints.closeAll();
    this.emit('event', { event: 'stopped' });
  }

  status(): DataplaneStatus {
    const { memory } = this;
    const counter = (worker: number, field: number): number => readWorkerCounter(memory, worker, field);
    return {
      role: this.#options.role,
      tun: { name: this.#options.tun.name, mtu: this.#options.tun.mtu() },
      uptimeSeconds: (performance.now() - this.#started) / 1000,
      sessions: this.#sessions.size,
      paths: this.#sessions.pathCount,
      workers: Array.from({ length: memory.sizes.workers }, (_, worker) => ({
        ...this.#pool.status(worker),
        tunRxPackets: counter(worker, L.COUNTER_TUN_RX),
        tunTxPackets: counter(worker, L.COUNTER_TUN_TX),
        pathRxPackets: counter(worker, L.COUNTER_PATH_RX),
        pathTxPackets: counter(worker, L.COUNTER_PATH_TX),
      })),
      buffers: {
        total: memory.sizes.buffers,
        free: memory.control(L.CONTROL_POOL_CHAINS) * L.POOL_CHAIN,
      },
      offload: this.#offloadStatus(),
      distribution: {
        classified: sumWorkerCounters(memory, L.COUNTER_CLASSIFIED),
        copies: sumWorkerCounters(memory, L.COUNTER_COPIES),
        picksRefused: sumWorkerCounters(memory, L.COUNTER_PICK_REFUSED),
      },
      drops: this.#drops(),
      resequencer: sumResequencers(this.sessions().map((session) => session.resequencer)),
    };
  }

  #drops(): Record<string, number> {
    const drops = { ...readDrops(this.memory), ...this.#options.ports.drops?.() };
    const full = this.#sessions.xdp?.drops() ?? 0;
    if (full) drops['receive-queue-full'] = (drops['receive-queue-full'] ?? 0) + full;
    return drops;
  }

  #offloadStatus(): OffloadStatus {
    const { memory } = this;
    const flags = memory.control(L.CONTROL_TUN_OFFLOAD);
    return {
      tun: flags & L.TUN_OFFLOAD_VNET ? 'on' : 'off',
      mergeTcp: (flags & L.TUN_OFFLOAD_MERGE_TCP) !== 0,
      mergeUdp: (flags & L.TUN_OFFLOAD_MERGE_UDP) !== 0,
      endpoints: this.#endpoints.offloads(),
      links: this.#sessions.linkCounts(),
      xdp: this.#sessions.xdp?.status() ?? null,
      tunRxSupers: sumWorkerCounters(memory, L.COUNTER_TUN_RX_SUPER),
      tunTxSupers: sumWorkerCounters(memory, L.COUNTER_TUN_TX_SUPER),
      pathRxMerged: sumWorkerCounters(memory, L.COUNTER_PATH_RX_MERGED),
      pathTxMerged: sumWorkerCounters(memory, L.COUNTER_PATH_TX_MERGED),
    };
  }

  sessions(): SessionStatus[] {
    return this.#sessions.specs().map(({ name }) => this.#sessions.status(name));
  }

  session(name: string): SessionStatus {
    return this.#sessions.status(name);
  }

  specs(): SessionSpec[] {
    return this.#sessions.specs();
  }

  spec(name: string): SessionSpec {
    return this.#sessions.spec(name);
  }

  has(name: string): boolean {
    return this.#sessions.has(name);
  }

  /** Bounds of the wait at a gap, as measured; in force at once, no packet is touched. */
  setWaits(name: string, waits: WaitBounds): void {
    this.#sessions.setWaits(name, waits);
  }

  waits(name: string): WaitBounds {
    return this.#sessions.waits(name);
  }

  hasPath(name: string, bid: number): boolean {
    return this.#sessions.installed(name, bid) !== null;
  }

  addSession(session: SessionSpec): void {
    this.#sessions.add(session);
    this.emit('event', { event: 'sessionAdded', session: session.name });
  }

  removeSession(name: string): void {
    this.#sessions.remove(name);
    this.#refused.delete(name);
    this.emit('event', { event: 'sessionRemoved', session: name });
  }

  updateSession(session: SessionSpec): void {
    this.#sessions.update(session);
    this.emit('event', { event: 'sessionChanged', session: session.name });
  }

  setWeights(name: string, weights: ReadonlyMap<number, number>): void {
    this.#sessions.setWeights(name, weights);
    const paths = this.#sessions.spec(name).paths;
    this.emit('event', {
      event: 'weightsChanged',
      session: name,
      weights: Object.fromEntries(paths.map((path) => [path.bid, path.weight])),
    });
  }

  setDistribution(name: string, distribution: Partial<DistributionSpec>): void {
    this.updateSession({ ...this.spec(name), distribution });
  }

  setPathState(name: string, bid: number, state: PathState): void {
    this.#sessions.setPathState(name, bid, state, 'word');
  }

  /** What probes say; the operator's word holds beside it, and the worse of the two counts. Throws UNKNOWN_BID. */
  setMeasuredState(name: string, bid: number, state: PathState): void {
    this.#sessions.setPathState(name, bid, state, 'measured');
  }

  /** A path gets 1 / `divisor` of its weight: it is eased in. Throws UNKNOWN_BID. */
  setPathDivisor(name: string, bid: number, divisor: number): void {
    this.#sessions.setPathDivisor(name, bid, divisor);
    this.emit('event', { event: 'pathEased', session: name, bid, share: 1 / divisor });
  }

  /** Weights by BID as they are in effect: those of paths that are left out are 0. */
  weightsInUse(name: string): ReadonlyMap<number, number> {
    return this.#sessions.weightsInUse(name);
  }

  /**
   * Makes a change of a session's paths that follows from what was seen on the network: nobody waits for an answer, so if there is no room
   * for it (OUT_OF_MEMORY, TOO_MANY_PATHS), an event tells, the session goes on as it is, and what its paths are known to be is tried again.
   */
  attempt(session: string, change: () => void): void {
    try {
      change();
      this.#refused.delete(session);
    } catch (error) {
      if (!(error instanceof TunloomError)) throw error;
      if (this.#refused.get(session) === error.message) return;
      this.#refused.set(session, error.message);
      this.emit('event', { event: 'changeRefused', session, error: error.message });
    }
  }

  #tryAgain(): void {
    for (const name of [...this.#refused.keys()]) {
      this.attempt(name, () => {
        if (this.#sessions.has(name)) this.#sessions.update(this.#sessions.spec(name));
      });
    }
  }

  setPathEstimates(name: string, bid: number, estimates: PathEstimates): void {
    this.#sessions.setPathEstimates(name, bid, estimates);
  }

  canProbe(session: string, bid: number): boolean {
    return this.#probes.canProbe(session, bid);
  }

  sendProbe(session: string, bid: number, message: Uint8Array, octets?: number): boolean {
    return this.#probes.send(session, bid, message, octets);
  }

  traffic(session: string, bid: number): PathTraffic | null {
    return this.#probes.traffic(session, bid);
  }

  /** How far we have numbered a session's packets. Throws UNKNOWN_SESSION. */
  numbering(session: string): Numbering {
    return this.#sessions.numbering(session);
  }

  /** The far end numbers a session's packets anew, and has come to `next`. Throws UNKNOWN_SESSION. */
  expectNumbers(session: string, next: number): void {
    this.#sessions.expectNumbers(session, next);
  }

  onProbes(listener: ProbeListener): () => void {
    return this.#probes.listen(listener);
  }

  pollProbes(): void {
    this.#probes.poll();
  }

  /** From now on `listener` hears of packets for a path that come from another UDP port than it has. */
  onStranger(listener: (session: string, bid: number, port: number) => void): void {
    this.#forgetStrangers = watchStrangers(this.memory, (stranger) => {
      const path = this.#sessions.pathOfStranger(stranger);
      if (path) this.attempt(path.session, () => listener(path.session, path.bid, stranger.port));
    });
  }

  moveFlow(name: string, flow: FlowName, bid: number | null): void {
    this.#sessions.moveFlow(name, flow, bid, monotonicMicroseconds());
  }

  /** What the network takes between two addresses (path-mtus.ts); null: what is configured. True if that changed anything. */
  setPathMtu(local: string, remote: string, mtu: number | null): boolean {
    const attempt = (session: string, change: () => void): void => this.attempt(session, change);
    if (!this.#sessions.setPathMtu(local, remote, mtu, attempt)) return false;
    this.emit('event', { event: 'pathMtuChanged', local, remote, mtu });
    return true;
  }

  /** The largest inner packet that all paths of the session carry whole, octets. Throws UNKNOWN_SESSION. */
  innerMtu(name: string): number {
    return this.#sessions.innerMtu(name);
  }

  /** Where the packets of each path go straight to, past the kernel's IP output; null: by the path's own socket. */
  setNextHops(hopOf: (path: PathSpec) => NextHop | null): void {
    this.#sessions.setNextHops(hopOf);
  }

  /** The smallest inner MTU of all sessions: what the TUN's MTU should be. Null without sessions. */
  smallestMtu(): number | null {
    return this.#sessions.smallestMtu();
  }

  /** Workers that sleep look at their descriptors anew, which may be other sockets now. */
  wakeWorkers(): void {
    this.#pool.wakeAll();
  }

  /** Frees what was retired, with a wake-up for workers that are idle. */
  #collectSoon(): void {
    this.#collection = setTimeout(() => {
      this.#grace.collect();
      if (!this.#grace.pending) return;
      this.#pool.wakeAll();
      this.#collectSoon();
    }, COLLECT_MS);
  }
}
