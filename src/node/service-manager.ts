/** What a service manager is told (sd_notify(3)): a datagram to the socket that it names in the environment; and what its log wants. */
import { fstatSync } from 'node:fs';
import { SystemCallError } from '../net/errno.ts';
import { close, sendTo, socket } from '../net/libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

export type ServiceState = 'READY' | 'RELOADING' | 'STOPPING' | 'WATCHDOG';

/** Tells it, if there is one. If that fails, it is no business of the daemon's (sd_notify(3), Notes). */
export function tellServiceManager(state: ServiceState): void {
  const path = process.env['NOTIFY_SOCKET'];
  if (!path) return;
  const name = new TextEncoder().encode(path);
  // Abstract sockets are written with @ for the leading zero (unix(7)).
  if (path.startsWith('@')) name[0] = 0;
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  // sd_notify(3): RELOADING comes with the time of CLOCK_MONOTONIC in microseconds.
  const time = state === 'RELOADING' ? `\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}` : '';
  try {
    const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    try {
      sendTo(fd, new TextEncoder().encode(`${state}=1${time}`), address, address.length, path);
    } finally {
      close(fd);
    }
  } catch (error) {
    // Nobody listens, or there are no descriptors left.
    if (!(error instanceof SystemCallError)) throw error;
  }
}

/**
 * Tells it at intervals that the control thread is alive, if it wants to know (sd_watchdog_enabled(3)): one that hangs is restarted. Gives a
 * function that ends that.
 */
export function feedWatchdog(): () => void {
  const { WATCHDOG_USEC: timeout, WATCHDOG_PID: pid } = process.env;
  if (!timeout || (pid && Number(pid) !== process.pid)) return () => {};
  const timer = setInterval(() => tellServiceManager('WATCHDOG'), Number(timeout) / 2000);
  return () => clearInterval(timer);
}

/** Whether standard error is a stream to the journal (systemd.exec(5), JOURNAL_STREAM), which takes priorities in front of lines. */
export function logsToJournal(): boolean {
  const { dev, ino } = fstatSync(2);
  return process.env['JOURNAL_STREAM'] === `${dev}:${ino}`;
}

/** The prefix that says a line's priority (sd-daemon(3)), by its level in pino's numbers. */
export function journalPriority(level: number): string {
  if (level >= 60) return '<2>';
  if (level >= 50) return '<3>';
  if (level >= 40) return '<4>';
  return level >= 30 ? '<6>' : '<7>';
}
