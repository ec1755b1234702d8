/** TUN devices (Documentation/networking/tuntap.rst): opened by ioctl on /dev/net/tun, one queue a worker. */
import { TunloomError } from '../errors.ts';
import { SystemCallError } from './errno.ts';
import { close, ioctl, ioctlNumber, open } from './libc.ts';

const TUN_FILE = '/dev/net/tun';
const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const TUNSETOFFLOAD = 0x400454d0;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_TSO_ECN = 0x08;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;
const ENOENT = 2;
const EBUSY = 16;
const EINVAL = 22;
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

/** What the kernel hands over and takes in one piece (Documentation/networking/tuntap.rst). */
export interface TunOffload {
  /** Every packet has a struct virtio_net_hdr; checksums may be partial; TCP comes and may be written as super-packets. */
  readonly vnet: boolean;
  /** UDP super-packets too (Linux 6.2). */
  readonly udp: boolean;
}

export interface TunQueues {
  /** The name that the kernel gave (a %d in the wish is replaced). */
  readonly name: string;
  /** One non-blocking descriptor a queue; the device lives as long as one is open. */
  readonly fds: readonly number[];
  readonly offload: TunOffload;
}

/**
 * Creates TUN device `name` with `count` queues in the calling thread's network namespace, with segmentation offload if it
 * is wanted and the kernel has it. Throws NO_TUN, TUN_IN_USE if something else has the name, and SystemCallError: EPERM without
 * CAP_NET_ADMIN.
 */
export function openTunQueues(name: string, count: number, offload: boolean): TunQueues {
  const plain = { vnet: false, udp: false };
  try {
    return openQueues(name, count, offload ? { vnet: true, udp: true } : plain);
  } catch (error) {
    if (!offload || !isErrno(error, EINVAL)) throw explained(error, name);
  }
  try {
    // No virtio_net_hdr here; if the name is the trouble, this fails as well.
    return openQueues(name, count, plain);
  } catch (error) {
    throw explained(error, name);
  }
}

/** What the errors come to in words of the configuration; others as they are. */
function explained(error: unknown, name: string): unknown {
  if (isErrno(error, ENOENT)) {
    const message = `there is no ${TUN_FILE}: load the kernel module tun, or give the container this device`;
    return new TunloomError('NO_TUN', message, { cause: error });
  }
  if (isErrno(error, EINVAL) || isErrno(error, EBUSY)) {
    const message = `tun.name: there is another device ${name}, which is no TUN device with several queues`;
    return new TunloomError('TUN_IN_USE', message, { cause: error });
  }
  return error;
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof SystemCallError && error.errno === errno;
}

function openQueues(name: string, count: number, wanted: TunOffload): TunQueues {
  const fds: number[] = [];
  let actual = name;
  let udp = wanted.udp;
  try {
    for (let queue = 0; queue < count; queue++) {
      const fd = open(TUN_FILE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
      fds.push(fd);
      const request = new Uint8Array(IFREQ_SIZE);
      request.set(new TextEncoder().encode(actual).subarray(0, IFNAMSIZ - 1));
      const flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | (wanted.vnet ? IFF_VNET_HDR : 0);
      new DataView(request.buffer).setUint16(IFNAMSIZ, flags, true);
      ioctl(fd, TUNSETIFF, request, `TUNSETIFF ${actual}`);
      actual = new TextDecoder().decode(request.subarray(0, request.indexOf(0)));
      if (wanted.vnet) udp = setOffload(fd, actual, udp);
    }
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
  return { name: actual, fds, offload: { vnet: wanted.vnet, udp: wanted.vnet && udp } };
}

/** Announces what we can take; false if UDP super-packets are unknown to the kernel. */
function setOffload(fd: number, name: string, udp: boolean): boolean {
  const tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (udp && tryOffload(fd, tcp | TUN_F_USO4 | TUN_F_USO6)) return true;
  if (!tryOffload(fd, tcp)) throw new SystemCallError(`ioctl(TUNSETOFFLOAD ${name})`, EINVAL);
  return false;
}

function tryOffload(fd: number, flags: number): boolean {
  const result = ioctlNumber(fd, TUNSETOFFLOAD, flags);
  if (result < 0 && result !== -EINVAL) throw new SystemCallError('ioctl(TUNSETOFFLOAD)', -result);
  return result >= 0;
}
