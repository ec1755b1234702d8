/** A raw(7), udp(7) or packet(7) socket: one system call a batch, straight from and into the shared memory. */
import { recvmmsg, sendmmsg } from '../../net/libc.ts';
import { isTemporary } from './tun-device.ts';
import type { PacketDevice } from './device.ts';

export class SocketDevice implements PacketDevice {
  readonly fd: number;
  readonly #base: number;

  /** `base` is the absolute address of the shared memory. */
  constructor(fd: number, base: number) {
    this.fd = fd;
    this.#base = base;
  }

  receive(headers: number, count: number): number {
    const result = recvmmsg(this.fd, this.#base + headers, count);
    return result < 0 && isTemporary(-result) ? 0 : result;
  }

  send(headers: number, count: number): number {
    return sendmmsg(this.fd, this.#base + headers, count);
  }
}
