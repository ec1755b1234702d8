/**
 * Whether this process may open as many files as a data plane needs. Checked at the start: where it may not, threads of Node.js end in the
 * middle of something, and not in words.
 */
import { readFileSync } from 'node:fs';
import { TunloomError } from '../errors.ts';

/** Files of a process without workers: libraries, event loops, netlink, control socket and its clients. */
const BASE = 80;
/** Of a worker: its event loop, a queue of the TUN, an eventfd, a packet socket. */
const WORKER = 16;

/** Throws TOO_FEW_FILES if `workers` workers and `ends` local ends of paths do not fit into what /proc/self/limits, `limits`, says. */
export function refuseTooFewFiles(
  workers: number,
  ends: number,
  limits = readFileSync('/proc/self/limits', 'utf8'),
): void {
  const limit = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
  // A socket for each worker and protocol, and one for strangers.
  const needed = BASE + workers * WORKER + ends * (2 * workers + 1);
  if (limit >= needed) return;
  const message = `only ${limit} files may be open (RLIMIT_NOFILE), and ${workers} worker(s) with ${ends} local end(s) of paths need ${needed}: raise LimitNOFILE= of the service, or ulimit -n`;
  throw new TunloomError('TOO_FEW_FILES', message);
}
