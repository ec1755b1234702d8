/** One queue of a TUN device (linux/if_tun.h): readv(2) and writev(2) carry one packet, or one super-packet, each. */
import * as L from '../../../assembly/layout.ts';
import { readVector, writeVector } from '../../net/libc.ts';
import type { PacketDevice } from './device.ts';

const EINTR = 4;
const EAGAIN = 11;
/** A packet or message longer than this surely holds several. */
export const MERGED_OCTETS = 4096;

/** Whether a receive that failed with `errno` just has nothing to give now. */
export function isTemporary(errno: number): boolean {
  return errno === EAGAIN || errno === EINTR;
}

export class TunDevice implements PacketDevice {
  readonly fd: number;
  /** Whether each packet has a struct virtio_net_hdr in front. */
  readonly vnet: boolean;
  readonly #base: number;
  readonly #u32: Uint32Array;

  /** `base` is the absolute address of the shared memory that `u32` views. */
  constructor(fd: number, vnet: boolean, base: number, u32: Uint32Array) {
    this.fd = fd;
    this.vnet = vnet;
    this.#base = base;
    this.#u32 = u32;
  }

  /** Ends with the first super-packet. The length in MMSGHDR_LEN is the packet's, without the virtio_net_hdr. */
  receive(headers: number, count: number): number {
    const front = this.vnet ? L.VNET_SIZE : 0;
    for (let i = 0; i < count; i++) {
      const header = headers + i * L.MMSGHDR_SIZE;
      const length = readVector(
        this.fd,
        this.#word(header + L.MMSGHDR_IOV),
        this.#u32[(header + L.MMSGHDR_IOVLEN) >> 2]!,
      );
      if (length < front) return i > 0 || isTemporary(-length) ? i : Math.min(length, -1);
      this.#u32[(header + L.MMSGHDR_LEN) >> 2] = length - front;
      if (length > MERGED_OCTETS) return i + 1;
    }
    return count;
  }

  /** Without virtio_net_hdr only: one packet a message. */
  send(headers: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const header = headers + i * L.MMSGHDR_SIZE;
      const written = this.write(this.#word(header + L.MMSGHDR_IOV) - this.#base, 1);
      if (written < 0) return i > 0 ? i : written;
    }
    return count;
  }

  /** Writes one packet from the `count` struct iovec at offset `iovecs`; octets written or -errno. */
  write(iovecs: number, count: number): number {
    return writeVector(this.fd, this.#base + iovecs, count);
  }

  /** A u64 below 2^53 without a BigInt. */
  #word(address: number): number {
    return this.#u32[address >> 2]! + this.#u32[(address >> 2) + 1]! * 0x1_0000_0000;
  }
}
