/** CPU time of the threads of a process (proc(5), task/TID/schedstat), so that the control thread is told from the workers. */
import { readFileSync, readdirSync } from 'node:fs';

/** Seconds of CPU by thread number; threads that end meanwhile are left out. */
export function threadSeconds(pid: number): Map<number, number> {
  const seconds = new Map<number, number>();
  for (const name of readdirSync(`/proc/${pid}/task`)) {
    try {
      // Nanoseconds on a CPU, nanoseconds waiting for one, time slices.
      const [running] = readFileSync(`/proc/${pid}/task/${name}/schedstat`, 'utf8').split(' ');
      seconds.set(Number(name), Number(running) / 1e9);
    } catch {
      // It has ended.
    }
  }
  return seconds;
}

/** Seconds since `before`: of the thread that the process began with, and of all others together. */
export function secondsSince(
  pid: number,
  before: ReadonlyMap<number, number>,
): { main: number; others: number } {
  let main = 0;
  let others = 0;
  for (const [thread, seconds] of threadSeconds(pid)) {
    const spent = seconds - (before.get(thread) ?? 0);
    if (thread === pid) main += spent;
    else others += spent;
  }
  return { main, others };
}
