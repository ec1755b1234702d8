/** The lab as root: two hosts in network namespaces, real TUN devices and sockets, real TCP and UDP. */
import type { SessionStatus } from '../dataplane/status.ts';
import { ALL_OFFLOADS, HostDataplane } from '../node/host-dataplane.ts';
import { hasIperf3, iperf3Goodput } from './iperf3.ts';
import type { PingResult } from './ping.ts';
import {
  CORRESPONDENT,
  CORRESPONDENT_PREFIXES,
  type LabOptions,
  MOBILE,
  SESSION,
  labSession,
} from './plan.ts';
import { type LabResult, type TransferResult, type UdpResult, findProblems, mergeDrops } from './report.ts';
import { LabTopology } from './topology.ts';
import { startTraffic } from './traffic.ts';

const TCP_PORT = 5201;
const UDP_PORT = 5202;
const PINGS = 50;
const DATAGRAMS = { count: 5000, size: 1000, perSecond: 5000 };

/** Tells what the lab is doing, for a progress line. */
export type Progress = (step: string) => void;

export class NamespaceLab {
  readonly topology: LabTopology;
  readonly mag: HostDataplane;
  readonly lma: HostDataplane;
  readonly #options: LabOptions;

  static async start(options: LabOptions): Promise<NamespaceLab> {
    const topology = new LabTopology(options.paths);
    const started: HostDataplane[] = [];
    try {
      for (const role of ['mag', 'lma'] as const) started.push(await startEnd(role, topology[role], options));
      return new NamespaceLab(options, topology, started[0]!, started[1]!);
    } catch (error) {
      for (const end of started) await end.stop();
      topology.dispose();
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
    try {
      await this.mag.stop();
      await this.lma.stop();
    } finally {
      this.topology.dispose();
    }
  }

  /** Runs all traffic and gives the result. */
  async run(progress: Progress): Promise<LabResult> {
    const options = this.#options;
    const devicesBefore = options.paths.map((_, index) => this.#deviceTx(index));
    progress('ping');
    const echo = await this.#ping();
    progress(`TCP uplink, ${options.duration} s`);
    const uplink = await this.tcp('uplink');
    progress(`TCP downlink, ${options.duration} s`);
    const downlink = await this.tcp('downlink');
    progress('UDP uplink');
    const udpUplink = await this.#udp('uplink');
    progress('UDP downlink');
    const udpDownlink = await this.#udp('downlink');
    const devices = options.paths.map((_, index) => this.#deviceTx(index) - devicesBefore[index]!);
    const paths = summarisePaths(
      this.mag.dataplane.session(SESSION),
      this.lma.dataplane.session(SESSION),
      devices,
    );
    let iperf3: LabResult['iperf3'] = null;
    if (hasIperf3()) {
      progress('iperf3');
      // Everything is counted: from here on speed is what matters.
      this.topology.countWirePackets(false);
      iperf3 = {
        uplink: await iperf3Goodput(this.#ends('uplink'), options.duration),
        downlink: await iperf3Goodput(this.#ends('downlink'), options.duration),
      };
    }

    const mag = this.mag.dataplane.session(SESSION);
    const lma = this.lma.dataplane.session(SESSION);
    const result = {
      mode: 'namespaces' as const,
      encapsulation: [...new Set(options.paths.map((path) => path.encapsulation))].join('+'),
      weights: options.paths.map((path) => path.weight),
      paths,
      tcp: { uplink, downlink },
      iperf3,
      udp: { uplink: udpUplink, downlink: udpDownlink },
      ping: {
        lossPercent: ((echo.sent - echo.received) * 100) / echo.sent,
        rttMs: median(echo.rttMs),
      },
      resequencer: { uplink: lma.resequencer, downlink: mag.resequencer },
      drops: mergeDrops(this.mag.dataplane.status(), this.lma.dataplane.status()),
      workers: options.workers,
    };
    return { ...result, problems: findProblems(result, lma.sequenced) };
  }

  #deviceTx(index: number): number {
    return (
      this.topology.statistics('mag', index).txPackets + this.topology.statistics('lma', index).txPackets
    );
  }

  #ping(): Promise<PingResult> {
    return startTraffic<PingResult>({
      kind: 'ping',
      namespace: this.topology.mag,
      host: CORRESPONDENT[4],
      source: MOBILE[4],
      count: PINGS,
      intervalMs: 2,
    }).result;
  }

  /** One TCP stream through the tunnels. */
  tcp(direction: 'uplink' | 'downlink'): Promise<TransferResult> {
    return tcpTransfer(this.#ends(direction), this.#options.duration);
  }

  async #udp(direction: 'uplink' | 'downlink'): Promise<UdpResult> {
    const ends = this.#ends(direction);
    const sink = startTraffic<{ received: number; outOfOrder: number }>({
      kind: 'udp-sink',
      namespace: ends.to,
      host: ends.destination,
      port: UDP_PORT,
    });
    try {
      await sink.ready;
      const { sent } = await startTraffic<{ sent: number }>({
        kind: 'udp-source',
        namespace: ends.from,
        host: ends.destination,
        port: UDP_PORT,
        source: ends.source,
        ...DATAGRAMS,
      }).result;
      sink.finish();
      const { received, outOfOrder } = await sink.result;
      return { sent, received, lost: sent - received, outOfOrder };
    } finally {
      await sink.stop();
    }
  }

  #ends(direction: 'uplink' | 'downlink'): TransferEnds {
    const { mag, lma } = this.topology;
    return direction === 'uplink'
      ? { from: mag, to: lma, source: MOBILE[6], destination: CORRESPONDENT[6] }
      : { from: lma, to: mag, source: CORRESPONDENT[4], destination: MOBILE[4] };
  }
}

/** Namespaces and addresses of a transfer. */
export interface TransferEnds {
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
}

/** Sends for some seconds over one TCP connection and compares SHA-256 sums. */
export async function tcpTransfer(ends: TransferEnds, seconds: number): Promise<TransferResult> {
  const server = startTraffic<{ bytes: number; seconds: number; sha256: string }>({
    kind: 'tcp-server',
    namespace: ends.to,
    host: ends.destination,
    port: TCP_PORT,
  });
  try {
    await server.ready;
    const client = startTraffic<{ bytes: number; sha256: string }>({
      kind: 'tcp-client',
      namespace: ends.from,
      host: ends.destination,
      port: TCP_PORT,
      source: ends.source,
      seconds,
    });
    const [sent, received] = await Promise.all([client.result, server.result]);
    return {
      bytes: received.bytes,
      seconds: received.seconds,
      bitsPerSecond: (received.bytes * 8) / received.seconds,
      sha256Match: sent.sha256 === received.sha256 && sent.bytes === received.bytes,
    };
  } finally {
    await server.stop();
  }
}

function startEnd(role: 'mag' | 'lma', namespace: string, options: LabOptions): Promise<HostDataplane> {
  const own = role === 'mag' ? MOBILE : CORRESPONDENT;
  return HostDataplane.start({
    role,
    namespace,
    sizes: {
      workers: options.workers,
      sessions: 64,
      paths: 256,
      buffers: 16384,
      bufferSize: 2048,
      heap: 16 << 20,
      supers: true,
    },
    offload: options.offload ?? ALL_OFFLOADS,
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
    sessions: [labSession(role, options.paths)],
  });
}

/** Per path: both directions together, share of what the MAG sent. */
export function summarisePaths(
  mag: SessionStatus,
  lma: SessionStatus,
  devices: readonly number[] | null,
): LabResult['paths'] {
  const total = mag.paths.reduce((sum, path) => sum + path.txPackets, 0);
  const weights = mag.paths.reduce((sum, path) => sum + path.weight, 0);
  return mag.paths.map((path, index) => ({
    bid: path.bid,
    name: path.name,
    encapsulation: path.encapsulation,
    weight: path.weight,
    txPackets: path.txPackets + lma.paths[index]!.txPackets,
    rxPackets: path.rxPackets + lma.paths[index]!.rxPackets,
    deviceTxPackets: devices ? devices[index]! : null,
    share: total ? path.txPackets / total : 0,
    configuredShare: path.weight / weights,
  }));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
