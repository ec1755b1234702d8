/**
 * How accurate the link emulator is: its rate beside that of the kernel's tbf(8), its delay by echoes beside a bare veth pair. Prints the
 * table of docs/emulator.md. Needs root and tc(8). Decides whether figures of emulated links can be trusted.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { PingResult } from '../src/lab/ping.ts';
import { pathAddresses, planPaths } from '../src/lab/plan.ts';
import { LabTopology } from '../src/lab/topology.ts';
import { startTraffic } from '../src/lab/traffic.ts';
import { runFlows } from './policy/flows.ts';

const RATES_MBIT = [2, 10, 50, 100, 200];
const DELAYS_MS = [1, 10, 50, 150];
const PAYLOAD = 1400;
/** UDP and IPv4 headers; the emulator counts IP octets. */
const OCTETS = PAYLOAD + 28;
const ETHERNET_HEADER = 14;
const SECONDS = 2;
/** Offered beyond the rate, so that the link is always full. */
const OVERLOAD = 1.25;
const PINGS = 31;

/** Does something with the outer addresses of a network of one path. */
async function withPath<T>(path: string, use: (topology: LabTopology) => Promise<T>): Promise<T> {
  const paths = planPaths({ paths: [path], weights: '1', encapsulation: 'udp-gre', family: '4' });
  const topology = new LabTopology(paths);
  try {
    // Frames pass one by one, as on the emulated link, and the kernels have noticed the carrier.
    topology.countWirePackets(true);
    for (let i = 0; i < 100 && !topology.operational; i++) await pause(20);
    return await use(topology);
  } finally {
    await topology.dispose();
  }
}

/** Mbit/s of IP octets that come while more is offered. */
async function rateOf({ mag, lma }: LabTopology, mbit: number): Promise<number> {
  const { mag: source, lma: destination } = pathAddresses(0, 4);
  const perSecond = Math.ceil((OVERLOAD * mbit * 1e6) / (OCTETS * 8));
  const flows = { flows: 1, perSecond, seconds: SECONDS, size: PAYLOAD };
  const { receivedMs } = await runFlows({ from: mag, to: lma, source, destination }, flows);
  const times = receivedMs.filter((ms) => ms > 0).sort();
  return ((times.length - 1) * OCTETS * 8) / (times.at(-1)! - times[0]!) / 1000;
}

async function echoes({ mag }: LabTopology): Promise<number[]> {
  const { mag: source, lma: host } = pathAddresses(0, 4);
  const task = { kind: 'ping', namespace: mag, host, source, count: PINGS, intervalMs: 5 } as const;
  const { rttMs } = await startTraffic<PingResult>(task).result;
  // The first one waits for the neighbour's address.
  return rttMs.slice(1).sort((a, b) => a - b);
}

function tbf(topology: LabTopology, mbit: number): void {
  // tbf counts Ethernet frames; a burst of two of them, a queue of 100 ms.
  const rate = Math.round((mbit * 1e6 * (OCTETS + ETHERNET_HEADER)) / OCTETS);
  const limit = Math.max(64 << 10, Math.round((mbit * 1e6) / 80));
  const settings = ['rate', `${rate}bit`, 'burst', '3100', 'limit', String(limit)];
  execFileSync('tc', ['-n', topology.mag, 'qdisc', 'add', 'dev', 'a', 'root', 'tbf', ...settings]);
}

const lines = ['| set | emulator | tbf |', '| --- | --- | --- |'];
const percent = (is: number, set: number): string =>
  `${is.toFixed(2)} (${((is / set - 1) * 100).toFixed(2)} %)`;
for (const mbit of RATES_MBIT) {
  const own = await withPath(`a,rate=${mbit}mbit`, (topology) => rateOf(topology, mbit));
  const kernel = await withPath('a', (topology) => {
    tbf(topology, mbit);
    return rateOf(topology, mbit);
  });
  lines.push(`| ${mbit} Mbit/s | ${percent(own, mbit)} | ${percent(kernel, mbit)} |`);
}
lines.push(
  '',
  '| one-way delay set | round trip: least | median | 99th percentile |',
  '| --- | --- | --- | --- |',
);
for (const ms of [null, ...DELAYS_MS]) {
  const rtts = await withPath(ms === null ? 'a' : `a,delay=${ms}ms`, echoes);
  const at = (part: number): string => `${rtts[Math.ceil(part * rtts.length) - 1]!.toFixed(2)} ms`;
  lines.push(
    `| ${ms === null ? 'bare veth' : `${ms} ms`} | ${rtts[0]!.toFixed(2)} ms | ${at(0.5)} | ${at(0.99)} |`,
  );
}
process.stdout.write(`${lines.join('\n')}\n`);
