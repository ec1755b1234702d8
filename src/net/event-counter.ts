/** eventfd(2): wakes a thread that sleeps in poll(2). */
import { close, eventfd, writeBytes } from './libc.ts';

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

export class EventCounter {
  readonly fd = eventfd(EFD_NONBLOCK | EFD_CLOEXEC);
  readonly #one = new Uint8Array(BigUint64Array.of(1n).buffer);

  /** Makes the descriptor readable. */
  signal(): void {
    writeBytes(this.fd, this.#one);
  }

  close(): void {
    close(this.fd);
  }
}
