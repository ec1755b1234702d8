/** One queue of a TUN device (linux/if_tun.h): read(2) and write(2) carry one packet each. */
import * as L from '../../../assembly/layout.ts';
import { readInto, writeFrom } from '../../net/libc.ts';
import type { PacketDevice } from './device.ts';

const EINTR = 4;
const EAGAIN = 11;

/** Whether a receive that failed with `errno` just has nothing to give now. */
export function isTemporary(errno: number): boolean {
  return errno === EAGAIN || errno === EINTR;
}

export class TunDevice implements PacketDevice {
  readonly fd: number;
  readonly #base: number;
  readonly #u32: Uint32Array;

  /** `base` is the absolute address of the shared memory that `u32` views. */
  constructor(fd: number, base: number, u32: Uint32Array) {
    this.fd = fd;
    this.#base = base;
    this.#u32 = u32;
  }

  receive(headers: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const header = headers + i * L.MMSGHDR_SIZE;
      const iovec = this.#iovec(header);
      const length = readInto(this.fd, this.#word(iovec), this.#u32[(iovec + 8) >> 2]!);
      if (length < 0) return i > 0 || isTemporary(-length) ? i : length;
      this.#u32[(header + L.MMSGHDR_LEN) >> 2] = length;
    }
    return count;
  }

  send(headers: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const iovec = this.#iovec(headers + i * L.MMSGHDR_SIZE);
      const written = writeFrom(this.fd, this.#word(iovec), this.#u32[(iovec + 8) >> 2]!);
      if (written < 0) return i > 0 ? i : written;
    }
    return count;
  }

  #iovec(header: number): number {
    return this.#word(header + L.MMSGHDR_IOV) - this.#base;
  }

  /** A u64 below 2^53 without a BigInt. */
  #word(address: number): number {
    return this.#u32[address >> 2]! + this.#u32[(address >> 2) + 1]! * 0x1_0000_0000;
  }
}
