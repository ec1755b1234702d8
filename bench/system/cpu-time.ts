/** CPU time by /proc/stat and /proc/PID/stat (proc(5)): of the machine, softirqs included, and of a tunnel's processes. */
import { readFileSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

/** USER_HZ: clock ticks of /proc a second, the same on every Linux. */
const TICKS = 100;

/** Seconds that all cores together were busy since boot: user, nice, system, irq, softirq; neither idle, iowait nor steal. */
export function machineBusySeconds(): number {
  return busySeconds(readFileSync('/proc/stat', 'utf8'));
}

export function busySeconds(stat: string): number {
  const line = stat.split('\n').find((line) => line.startsWith('cpu '));
  const [user, nice, system, , , irq, softirq] = (line ?? '').split(/\s+/).slice(1).map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS;
}

/** What part of all cores something else keeps busy, watched for a second in which we do nothing. */
export async function otherLoad(signal: AbortSignal): Promise<number> {
  const before = machineBusySeconds();
  await pause(1000, undefined, { signal });
  return Math.min(1, (machineBusySeconds() - before) / cpus().length);
}

/** User and system seconds of processes; those that are gone count 0. */
export function processSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      // The name, in parentheses, may hold anything: fields are counted behind it. utime and stime are fields 14 and 15.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      return sum + (Number(fields[11]) + Number(fields[12])) / TICKS;
    } catch {
      return sum;
    }
  }, 0);
}

/** A process and all its descendants. */
export function processTree(pid: number): number[] {
  const all = [pid];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8');
      for (const child of children.split(' ').filter(Boolean)) all.push(...processTree(Number(child)));
    }
  } catch {
    // It has ended.
  }
  return all;
}
