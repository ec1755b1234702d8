/** The lab's result: its JSON form (documented in docs/lab.md), its verdict, and what a person reads. */
import type { DataplaneStatus, ResequencerStatus } from '../dataplane/status.ts';

interface LabPathResult {
  readonly bid: number;
  readonly name: string;
  readonly encapsulation: string;
  readonly weight: number;
  /** Counted by tunloom, MAG and LMA sending. */
  readonly txPackets: number;
  readonly rxPackets: number;
  /** Counted by the kernel on the path's devices; null with in-memory ports. */
  readonly deviceTxPackets: number | null;
  /** Of the uplink packets. */
  readonly share: number;
  readonly configuredShare: number;
}

export interface TransferResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly bitsPerSecond: number;
  readonly sha256Match: boolean;
}

export interface UdpResult {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly outOfOrder: number;
}

/** What the link emulator did to the frames of a path, both directions. */
export interface EmulatedPathResult {
  readonly name: string;
  readonly uplink: string;
  readonly downlink: string;
  readonly offered: number;
  /** Lost on the way, and refused by the full queue of the link. */
  readonly lost: number;
  readonly queueFull: number;
}

/** One message, or a tunnel that came up. */
export interface SignalingLine {
  /** Seconds since the mobile node was switched on. */
  readonly time: number;
  readonly from: Column;
  readonly to: Column;
  /** RS, RA, DHCPOFFER, PBU, PBA ...; TUNNEL. */
  readonly message: string;
  readonly bid: number | null;
  /** Of a PBA. */
  readonly status: number | null;
  readonly text: string;
}

/** Who takes part in figure 2 of RFC 8278. */
export type Column = 'mn' | 'mag' | 'lma';

export interface LabSessionResult {
  readonly end: 'mag' | 'lma';
  readonly name: string;
  readonly node: string;
  readonly prefixes: readonly string[];
  readonly paths: readonly {
    readonly bid: number;
    readonly local: string;
    readonly remote: string;
    readonly encapsulation: string;
    readonly weight: number;
  }[];
}

export interface LabResult {
  readonly mode: 'namespaces' | 'memory';
  readonly encapsulation: string;
  readonly weights: readonly number[];
  readonly scheduler: string;
  readonly paths: readonly LabPathResult[];
  readonly tcp: { readonly uplink: TransferResult; readonly downlink: TransferResult };
  /** Bit/s of one TCP stream measured by iperf3; null where iperf3 is not installed or with in-memory ports. */
  readonly iperf3: { readonly uplink: number | null; readonly downlink: number | null } | null;
  readonly udp: { readonly uplink: UdpResult; readonly downlink: UdpResult };
  readonly ping: { readonly lossPercent: number; readonly rttMs: number };
  /** Of the LMA (uplink) and the MAG (downlink). */
  readonly resequencer: { readonly uplink: ResequencerStatus; readonly downlink: ResequencerStatus };
  readonly drops: Readonly<Record<string, number>>;
  readonly workers: number;
  /** Paths with an emulated link. */
  readonly emulated: readonly EmulatedPathResult[];
  /** Messages of the set-up as they went, in order of time; empty in a static lab. */
  readonly signaling: readonly SignalingLine[];
  /** Sessions as both ends ended up with them; empty in a static lab. */
  readonly sessions: readonly LabSessionResult[];
  /** What is wrong; empty if everything arrived intact and the shares hold. */
  readonly problems: readonly string[];
}

/** Packets that neighbour discovery and the like may add on a device, and the share that they may move. */
const DEVICE_TOLERANCE = 0.01;
const DEVICE_NOISE = 64;

/** What keeps a result from being a success. */
export function findProblems(result: Omit<LabResult, 'problems'>, sequenced: boolean): string[] {
  const problems: string[] = [];
  const total = result.paths.reduce((sum, path) => sum + path.txPackets, 0);
  // An emulated link that loses packets was asked to.
  const lossy = result.emulated.some(({ lost, queueFull }) => lost + queueFull > 0);
  for (const direction of ['uplink', 'downlink'] as const) {
    const { sha256Match, bytes } = result.tcp[direction];
    if (!sha256Match || !bytes) problems.push(`TCP ${direction}: what arrived is not what was sent`);
    const udp = result.udp[direction];
    if (udp.lost && !lossy) problems.push(`UDP ${direction}: ${udp.lost} of ${udp.sent} datagrams lost`);
    // Late packets are delivered, as configured; what the resequencer did not count as late must be in order.
    const { late } = result.resequencer[direction];
    if (sequenced && udp.outOfOrder > late)
      problems.push(`UDP ${direction}: ${udp.outOfOrder} datagrams out of order, but only ${late} came late`);
  }
  if (result.ping.lossPercent && !lossy) problems.push(`ping: ${result.ping.lossPercent} % lost`);
  for (const path of result.paths) {
    if (byWeight(result) && Math.abs(path.share - path.configuredShare) > DEVICE_TOLERANCE) {
      problems.push(`${path.name}: share ${percent(path.share)} instead of ${percent(path.configuredShare)}`);
    }
    if (path.deviceTxPackets === null) continue;
    const difference = Math.abs(path.deviceTxPackets - path.txPackets);
    if (difference > DEVICE_NOISE + total * DEVICE_TOLERANCE) {
      problems.push(
        `${path.name}: ${path.txPackets} packets sent, but its devices counted ${path.deviceTxPackets}`,
      );
    }
  }
  return problems;
}

/** Drops of both ends by reason. */
export function mergeDrops(...all: readonly DataplaneStatus[]): Record<string, number> {
  const merged: Record<string, number> = {};
  for (const status of all) {
    for (const [reason, count] of Object.entries(status.drops))
      merged[reason] = (merged[reason] ?? 0) + count;
  }
  return merged;
}

/** Other schedulers go by what they see. */
function byWeight({ scheduler }: Pick<LabResult, 'scheduler'>): boolean {
  return scheduler === 'weighted';
}

/** The report as lines of text, none longer than 80 columns. */
export function formatReport(result: LabResult): string {
  const lines = [
    ...(result.sessions.length ? [] : [staticTitle(result), '']),
    ...formatPaths(result),
    ...formatEmulated(result),
    '',
    `ping           ${result.ping.rttMs.toFixed(3)} ms median, ${result.ping.lossPercent} % lost`,
    ...directions(
      (direction) => `TCP ${direction}`,
      (direction) => transfer(result.tcp[direction]),
    ),
    ...(result.iperf3
      ? [`iperf3         ${mbit(result.iperf3.uplink)} up, ${mbit(result.iperf3.downlink)} down`]
      : []),
    ...directions(
      (direction) => `UDP ${direction}`,
      (direction) => datagrams(result.udp[direction]),
    ),
    '',
    'resequencer      in order    put back     late duplicate  lost: proven  timeout   full',
    ...directions(
      (direction) => direction,
      (direction) => resequencer(result.resequencer[direction]),
    ),
    '',
    ...formatDrops(result.drops),
    '',
    result.problems.length
      ? ['FAILED:', ...result.problems.map((problem) => `  ${problem}`)].join('\n')
      : `Everything arrived intact, in order (but for late packets), ${
          byWeight(result)
            ? 'in the configured shares'
            : `in shares of the ${result.scheduler} scheduler's choice`
        }.`,
  ];
  return lines.join('\n');
}

function formatEmulated({ emulated }: LabResult): string[] {
  return emulated.flatMap(({ name, uplink, downlink, lost, queueFull }) => [
    ...(uplink === downlink
      ? [`${name}: ${uplink}`]
      : [`${name} up: ${uplink}`, `${name} down: ${downlink}`]),
    `  the emulator lost ${lost} packets, its queue refused ${queueFull}`,
  ]);
}

function staticTitle({ mode, encapsulation, weights, workers }: LabResult): string {
  const where =
    mode === 'memory' ? 'in-memory ports (no TUN, no kernel)' : 'network namespaces, static session';
  return `tunloom lab: ${where}, ${encapsulation}, weights ${weights.join(':')}, ${workers} worker(s) an end`;
}

function formatPaths(result: LabResult): string[] {
  return [
    'path         encapsulation  weight  packets sent  by the kernel     share   wanted',
    ...result.paths.map(
      (path) =>
        `${path.name.padEnd(12)} ${path.encapsulation.padEnd(14)} ${String(path.weight).padStart(6)} ` +
        `${String(path.txPackets).padStart(13)} ${String(path.deviceTxPackets ?? '-').padStart(14)} ` +
        `${percent(path.share).padStart(9)} ${(byWeight(result) ? percent(path.configuredShare) : '-').padStart(8)}`,
    ),
  ];
}

function directions(
  title: (direction: 'uplink' | 'downlink') => string,
  text: (direction: 'uplink' | 'downlink') => string,
): string[] {
  return (['uplink', 'downlink'] as const).map(
    (direction) => `${title(direction).padEnd(14)} ${text(direction)}`,
  );
}

function transfer({ bitsPerSecond, bytes, seconds, sha256Match }: TransferResult): string {
  const volume = `${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(2)} s`;
  return `${mbit(bitsPerSecond)}, ${volume}, SHA-256 ${sha256Match ? 'equal' : 'DIFFERENT'}`;
}

function datagrams({ received, sent, lost, outOfOrder }: UdpResult): string {
  return `${received} of ${sent} datagrams, ${lost} lost, ${outOfOrder} out of order`;
}

/** Widths of the columns under the heading of the report. */
const RESEQUENCER_COLUMNS = [10, 11, 8, 9, 13, 8, 6];

function resequencer(status: ResequencerStatus): string {
  const { inOrder, reordered, late, duplicates, lostProven, lostTimeout, lostWindow } = status;
  const counts = [inOrder, reordered, late, duplicates, lostProven, lostTimeout, lostWindow];
  return counts.map((count, i) => String(count).padStart(RESEQUENCER_COLUMNS[i]!)).join(' ');
}

function formatDrops(drops: LabResult['drops']): string[] {
  const entries = Object.entries(drops).map(([reason, count]) => `${reason} ${count}`);
  if (!entries.length) return ['drops          none'];
  return entries.map((entry, i) => `${i ? '' : 'drops'}`.padEnd(15) + entry);
}

function mbit(rate: number | null): string {
  return rate === null ? 'no result' : `${(rate / 1e6).toFixed(0)} Mbit/s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
