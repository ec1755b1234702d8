/** Goodput by iperf3(1), where it is installed: a figure that others can compare, without the cost of hashing. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { TransferEnds } from './measurement.ts';

const PORT = '5203';
const CONNECT_TRIES = 20;

/** Whether iperf3 can be run. */
export function hasIperf3(): boolean {
  return spawnSync('iperf3', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Bit/s that one TCP stream delivers, null if iperf3 gave no result. */
export async function iperf3Goodput(ends: TransferEnds, seconds: number): Promise<number | null> {
  const server = inNamespace(ends.to, ['-s', '-1', '-p', PORT, '-B', ends.destination]);
  try {
    for (let tries = 0; tries < CONNECT_TRIES; tries++) {
      const client = inNamespace(ends.from, [
        ...['-c', ends.destination, '-B', ends.source, '-p', PORT, '-J'],
        ...['-t', String(Math.max(1, Math.round(seconds)))],
      ]);
      let output = '';
      client.stdout!.on('data', (data: Buffer) => (output += data.toString()));
      await new Promise((resolve) => client.once('close', resolve));
      const rate = readRate(output);
      if (rate !== null) return rate;
      // The server does not listen yet.
      await pause(50);
    }
    return null;
  } finally {
    server.kill('SIGKILL');
  }
}

function inNamespace(namespace: string, args: readonly string[]): ChildProcess {
  return spawn('ip', ['netns', 'exec', namespace, 'iperf3', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function readRate(output: string): number | null {
  try {
    const { end } = JSON.parse(output) as { end?: { sum_received?: { bits_per_second?: number } } };
    return end?.sum_received?.bits_per_second ?? null;
  } catch {
    return null;
  }
}
