/** How many system calls of each kind some threads make for a packet, counted by perf(1) at the kernel's tracepoints. */
import { spawn } from 'node:child_process';

/** Those of the workers' loop, and switches of context, which tell how often it sleeps. */
const CALLS = ['poll', 'read', 'readv', 'write', 'writev', 'sendmmsg', 'sendto', 'recvmmsg', 'futex'];
const PREFIX = 'syscalls:sys_enter_';
const SWITCHES = 'context-switches';

/** Calls a packet by name, without those that do not occur; empty where the kernel has no tracepoints. */
export async function countSystemCalls(
  threads: readonly string[],
  packets: () => number,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const events = [...CALLS.map((call) => PREFIX + call), SWITCHES].join();
  const options = ['stat', '-x', ',', '-e', events, '-t', threads.join(), '--', 'sleep', '1'];
  const before = packets();
  const started = performance.now();
  const perf = spawn('perf', options, { stdio: ['ignore', 'ignore', 'pipe'], signal });
  let output = '';
  perf.stderr.on('data', (data: Buffer) => (output += data.toString()));
  await new Promise<void>((resolve, reject) => {
    perf.once('error', reject);
    perf.once('close', () => resolve());
  });
  const aSecond = ((packets() - before) * 1000) / (performance.now() - started);
  const counts = Object.entries(readCounts(output));
  return Object.fromEntries(counts.map(([call, count]) => [call, count / aSecond]));
}

/** Lines of `perf stat -x ,`: count, unit, event, ... */
export function readCounts(output: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of output.split('\n')) {
    const [count, , event] = line.split(',');
    if (event && Number(count) > 0) counts[event.replace(PREFIX, '')] = Number(count);
  }
  return counts;
}
