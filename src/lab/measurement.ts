/**
 * The traffic that every lab in namespaces is measured by: echo, a TCP stream and numbered datagrams in each direction, iperf3
 * where it is installed. The static lab and the one on signaling differ in who set up the session, not in this.
 */
import type { SessionStatus } from '../dataplane/status.ts';
import { hasIperf3, iperf3Goodput } from './iperf3.ts';
import type { PingResult } from './ping.ts';
import type { LabOptions } from './plan.ts';
import {
  type EmulatedPathResult,
  type LabResult,
  type TransferResult,
  type UdpResult,
  findProblems,
} from './report.ts';
import { startTraffic } from './traffic.ts';

const TCP_PORT = 5201;
const UDP_PORT = 5202;
const PINGS = 20;
const DATAGRAMS = { count: 5000, size: 1000, perSecond: 5000 };
/** More than the resequencer holds a datagram back. */
const QUIET_MS = 200;

/** Tells what the lab is doing, for a progress line. */
export type Progress = (step: string) => void;

/** A lab whose session is up. */
export interface MeasuredLab {
  ends(direction: 'uplink' | 'downlink'): TransferEnds;
  /** The session as each end sees it now. */
  session(end: 'mag' | 'lma'): SessionStatus;
  /** What was dropped at either end so far, by reason. */
  drops(): Record<string, number>;
  /** Packets that the kernel has sent on a path's devices, both ends together. */
  deviceTx(path: number): number;
  /** Whether devices get packets one by one, as on the wire. */
  countWirePackets(on: boolean): void;
  /** What the link emulator has done so far, by path. */
  emulated(): EmulatedPathResult[];
}

/** Runs all traffic and gives the result. Throws `signal`'s reason once that is aborted. */
export async function measure(
  lab: MeasuredLab,
  options: LabOptions,
  progress: Progress,
  signal?: AbortSignal,
): Promise<LabResult> {
  const step = (what: string): void => {
    signal?.throwIfAborted();
    progress(what);
  };
  const devicesBefore = options.paths.map((_, index) => lab.deviceTx(index));
  step('ping');
  const echo = await echoes(lab.ends('downlink'));
  step(`TCP uplink, ${options.duration} s`);
  const uplink = await tcpTransfer(lab.ends('uplink'), options.duration);
  step(`TCP downlink, ${options.duration} s`);
  const downlink = await tcpTransfer(lab.ends('downlink'), options.duration);
  const quietMs = QUIET_MS + Math.max(0, ...echo.rttMs);
  step('UDP uplink');
  const udpUplink = await datagrams(lab.ends('uplink'), quietMs);
  step('UDP downlink');
  const udpDownlink = await datagrams(lab.ends('downlink'), quietMs);
  const devices = options.paths.map((_, index) => lab.deviceTx(index) - devicesBefore[index]!);
  const paths = summarisePaths(lab.session('mag'), lab.session('lma'), devices);
  let iperf3: LabResult['iperf3'] = null;
  if (hasIperf3()) {
    step('iperf3');
    // Everything is counted: from here on speed is what matters.
    lab.countWirePackets(false);
    iperf3 = {
      uplink: await iperf3Goodput(lab.ends('uplink'), options.duration, signal),
      downlink: await iperf3Goodput(lab.ends('downlink'), options.duration, signal),
    };
  }
  const mag = lab.session('mag');
  const lma = lab.session('lma');
  const result = {
    mode: 'namespaces' as const,
    encapsulation: [...new Set(options.paths.map((path) => path.encapsulation))].join('+'),
    weights: options.paths.map((path) => path.weight),
    scheduler: options.scheduler ?? 'weighted',
    paths,
    tcp: { uplink, downlink },
    iperf3,
    udp: { uplink: udpUplink, downlink: udpDownlink },
    ping: {
      lossPercent: ((echo.sent - echo.received) * 100) / echo.sent,
      rttMs: median(echo.rttMs),
    },
    resequencer: { uplink: lma.resequencer, downlink: mag.resequencer },
    drops: lab.drops(),
    workers: options.workers,
    emulated: lab.emulated(),
    signaling: [],
    sessions: [],
  };
  return { ...result, problems: findProblems(result, lma.sequenced) };
}

/** From the mobile node, over IPv4. */
function echoes({ to, source, destination }: TransferEnds): Promise<PingResult> {
  return startTraffic<PingResult>({
    kind: 'ping',
    namespace: to,
    host: source,
    source: destination,
    count: PINGS,
    intervalMs: 2,
  }).result;
}

/** Nothing is on its way any more once nothing has come for `quietMs`. */
async function datagrams(ends: TransferEnds, quietMs: number): Promise<UdpResult> {
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
    sink.finish(quietMs);
    const { received, outOfOrder } = await sink.result;
    return { sent, received, lost: sent - received, outOfOrder };
  } finally {
    await sink.stop();
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
