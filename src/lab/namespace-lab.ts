/** The static lab as root: two hosts in network namespaces, one session from a plan instead of signaling, real TUN devices and sockets. */
import { setTimeout as pause } from 'node:timers/promises';
import type { SessionStatus } from '../dataplane/status.ts';
import { HostDataplane, type HostDataplaneOptions } from '../node/host-dataplane.ts';
import { ALL_OFFLOADS } from '../node/offload-options.ts';
import { type MeasuredLab, type Progress, type TransferEnds, measure, tcpTransfer } from './measurement.ts';
import {
  CORRESPONDENT,
  CORRESPONDENT_PREFIXES,
  type LabOptions,
  MOBILE,
  SESSION,
  labSession,
  withEqualDelay,
} from './plan.ts';
import { type EmulatedPathResult, type LabResult, type TransferResult, mergeDrops } from './report.ts';
import { stopAll } from './stop-all.ts';
import { LabTopology } from './topology.ts';

const LOOK_EVERY_MS = 10;
/** More than a kernel takes to notice a carrier. */
const MOST_WAIT_MS = 3000;

export class NamespaceLab implements MeasuredLab {
  readonly topology: LabTopology;
  readonly mag: HostDataplane;
  readonly lma: HostDataplane;
  readonly #options: LabOptions;

  static async start(options: LabOptions): Promise<NamespaceLab> {
    const topology = new LabTopology(options.paths, undefined, options.seed);
    const started: HostDataplane[] = [];
    try {
      for (const role of ['mag', 'lma'] as const) started.push(await startEnd(role, topology[role], options));
      for (let waited = 0; !topology.operational && waited < MOST_WAIT_MS; waited += LOOK_EVERY_MS) {
        await pause(LOOK_EVERY_MS);
      }
      return new NamespaceLab(options, topology, started[0]!, started[1]!);
    } catch (error) {
      await stopAll([...started.map((end) => () => end.stop()), () => topology.dispose()]).catch(() => {});
      throw error;
    }
  }

  private constructor(options: LabOptions, topology: LabTopology, mag: HostDataplane, lma: HostDataplane) {
    this.#options = options;
    this.topology = topology;
    this.mag = mag;
    this.lma = lma;
  }

  async stop(): Promise<void> {
    await stopAll([() => this.mag.stop(), () => this.lma.stop(), () => this.topology.dispose()]);
  }

  run(progress: Progress, signal?: AbortSignal): Promise<LabResult> {
    return measure(this, this.#options, progress, signal);
  }

  session(end: 'mag' | 'lma'): SessionStatus {
    return this[end].dataplane.session(SESSION);
  }

  drops(): Record<string, number> {
    return mergeDrops(this.mag.dataplane.status(), this.lma.dataplane.status());
  }

  deviceTx(index: number): number {
    return (
      this.topology.statistics('mag', index).txPackets + this.topology.statistics('lma', index).txPackets
    );
  }

  emulated(): EmulatedPathResult[] {
    return this.topology.wan.results();
  }

  countWirePackets(on: boolean): void {
    this.topology.countWirePackets(on);
  }

  /** One TCP stream through the tunnels. */
  tcp(direction: 'uplink' | 'downlink'): Promise<TransferResult> {
    return tcpTransfer(this.ends(direction), this.#options.duration);
  }

  ends(direction: 'uplink' | 'downlink'): TransferEnds {
    const { mag, lma } = this.topology;
    return direction === 'uplink'
      ? { from: mag, to: lma, source: MOBILE[6], destination: CORRESPONDENT[6] }
      : { from: lma, to: mag, source: CORRESPONDENT[4], destination: MOBILE[4] };
  }
}

function startEnd(role: 'mag' | 'lma', namespace: string, options: LabOptions): Promise<HostDataplane> {
  return startLabEnd(role, namespace, {
    workers: options.workers,
    offload: options.offload ?? ALL_OFFLOADS,
    health: options.health ?? null,
    customScheduler: options.customScheduler,
    sessions: [
      withEqualDelay(
        { ...labSession(role, options.paths, options.scheduler), ...options.session },
        role,
        options.equalDelay ?? [],
      ),
    ],
  });
}

type LabEnd = Pick<HostDataplaneOptions, 'sessions' | 'offload'> &
  Partial<Pick<HostDataplaneOptions, 'health' | 'customScheduler' | 'busyPollUs'>> & { workers: number };

/** Starts one end with the addresses and routes of the static lab; sizes and queue length are those of a configuration with defaults. */
export function startLabEnd(
  role: 'mag' | 'lma',
  namespace: string,
  { workers, ...end }: LabEnd,
): Promise<HostDataplane> {
  const own = role === 'mag' ? MOBILE : CORRESPONDENT;
  return HostDataplane.start({
    role,
    namespace,
    sizes: {
      workers,
      sessions: 64,
      paths: 256,
      buffers: 16384,
      bufferSize: 2048,
      heap: 16 << 20,
      supers: true,
    },
    busyPollUs: 0,
    tun: { name: 'tun0', mtu: null, addresses: [`${own[4]}/32`, `${own[6]}/128`], queueLength: 1000 },
    routing: {
      manage: true,
      table: 8278,
      rulePriority: 8278,
      access: [],
      routes: role === 'mag' ? CORRESPONDENT_PREFIXES : [],
    },
    gateways: [],
    ...end,
  });
}
