/** A packet(7) socket that only sends: the addresses in the messages say on which link, and to whom. */
import { sendmmsg } from '../../net/libc.ts';
import type { PacketDevice } from './device.ts';

export class LinkDevice implements PacketDevice {
  /** poll(2) passes it over. */
  readonly fd = -1;
  readonly #socket: number;
  readonly #base: number;

  /** `base` is the absolute address of the shared memory. */
  constructor(socket: number, base: number) {
    this.#socket = socket;
    this.#base = base;
  }

  receive(): number {
    return 0;
  }

  send(headers: number, count: number): number {
    return sendmmsg(this.#socket, this.#base + headers, count);
  }
}
