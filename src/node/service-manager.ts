/** What a service manager is told (sd_notify(3)): a datagram to the socket that it names in the environment. */
import { SystemCallError } from '../net/errno.ts';
import { close, sendTo, socket } from '../net/libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

export type ServiceState = 'READY' | 'RELOADING' | 'STOPPING';

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
