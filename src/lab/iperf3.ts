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

/** What iperf3's receiver counted. */
export interface Iperf3Result {
  readonly bitsPerSecond: number;
  readonly bytes: number;
}

/** Bit/s that one TCP stream delivers, null if iperf3 gave no result. */
export async function iperf3Goodput(
  ends: TransferEnds,
  seconds: number,
  signal?: AbortSignal,
): Promise<number | null> {
  return (await iperf3(ends, seconds, 1, { signal }))?.bitsPerSecond ?? null;
}

export interface Iperf3Options {
  readonly signal?: AbortSignal | undefined;
  /** Of the sender; that of its namespace if left out. */
  readonly congestion?: string | undefined;
}

/** TCP streams through `ends` for whole seconds, null if iperf3 gave no result or `signal` ended it. */
export async function iperf3(
  ends: TransferEnds,
  seconds: number,
  streams = 1,
  { signal, congestion }: Iperf3Options = {},
): Promise<Iperf3Result | null> {
  const server = inNamespace(ends.to, ['-s', '-1', '-p', PORT, '-B', ends.destination], signal);
  try {
    for (let tries = 0; tries < CONNECT_TRIES && !signal?.aborted; tries++) {
      const client = inNamespace(
        ends.from,
        [
          ...['-c', ends.destination, '-B', ends.source, '-p', PORT, '-J', '-P', String(streams)],
          ...['-t', String(Math.max(1, Math.round(seconds)))],
          ...(congestion ? ['-C', congestion] : []),
        ],
        signal,
      );
      let output = '';
      client.stdout!.on('data', (data: Buffer) => (output += data.toString()));
      await new Promise((resolve) => client.once('close', resolve));
      const result = readResult(output);
      if (result) return result;
      // The server does not listen yet.
      await pause(50);
    }
    return null;
  } finally {
    server.kill('SIGKILL');
  }
}

function inNamespace(namespace: string, args: readonly string[], signal?: AbortSignal): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', namespace, 'iperf3', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
  });
  // Ended by the signal, or no ip(8): the caller sees that there is no result.
  child.on('error', () => {});
  return child;
}

function readResult(output: string): Iperf3Result | null {
  try {
    const { end } = JSON.parse(output) as {
      end?: { sum_received?: { bits_per_second?: number; bytes?: number } };
    };
    const { bits_per_second: bitsPerSecond, bytes } = end?.sum_received ?? {};
    return bitsPerSecond && bytes ? { bitsPerSecond, bytes } : null;
  } catch {
    return null;
  }
}
