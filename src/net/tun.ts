/** TUN devices (Documentation/networking/tuntap.rst): opened by ioctl on /dev/net/tun, one queue a worker. */
import { close, ioctl, open } from './libc.ts';

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

export interface TunQueues {
  /** The name that the kernel gave (a %d in the wish is replaced). */
  readonly name: string;
  /** One non-blocking descriptor a queue; the device lives as long as one is open. */
  readonly fds: readonly number[];
}

/**
 * Creates TUN device `name` with `count` queues in the calling thread's network namespace. Throws SystemCallError:
 * EPERM without CAP_NET_ADMIN, EBUSY or EINVAL if the name is taken by something else.
 */
export function openTunQueues(name: string, count: number): TunQueues {
  const fds: number[] = [];
  let actual = name;
  try {
    for (let queue = 0; queue < count; queue++) {
      const fd = open('/dev/net/tun', O_RDWR | O_NONBLOCK | O_CLOEXEC);
      fds.push(fd);
      const request = new Uint8Array(IFREQ_SIZE);
      request.set(new TextEncoder().encode(actual).subarray(0, IFNAMSIZ - 1));
      new DataView(request.buffer).setUint16(IFNAMSIZ, IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE, true);
      ioctl(fd, TUNSETIFF, request, `TUNSETIFF ${actual}`);
      actual = new TextDecoder().decode(request.subarray(0, request.indexOf(0)));
    }
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
  return { name: actual, fds };
}
