/**
 * In-memory ports: rings of packets in SharedArrayBuffers between threads, for the lab without root and for tests. Whole
 * outer packets travel, exactly as the hot path writes them. A ring that is full refuses (EAGAIN), like a socket.
 *
 *   i32 words:  0 read position | 1 write position | 2 lock | 3 doorbell of the reader   then RING_SLOTS packets
 */
import * as L from '../../../assembly/layout.ts';
import type { PacketDevice } from './device.ts';

const RING_SLOTS = 1024;
const SLOT_SIZE = 4096;
const HEADER = 16;
const READ = 0;
const WRITE = 1;
const LOCK = 2;
const BELL = 3;
const EAGAIN = 11;

/** A new ring of RING_SLOTS packets of up to 4092 octets. */
export function createRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER + RING_SLOTS * SLOT_SIZE);
}

/** One side of a ring: any number of threads may push and take; each ring keeps order. */
export class PacketRing {
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Appends a packet; false if the ring is full or the packet too long. */
  push(packet: Uint8Array): boolean {
    if (packet.length > SLOT_SIZE - 4) return false;
    this.#lock();
    const read = Atomics.load(this.words, READ);
    const write = Atomics.load(this.words, WRITE);
    const fits = ((write - read) | 0) < RING_SLOTS;
    if (fits) {
      const at = this.#slot(write);
      this.words[at >> 2] = packet.length;
      this.#bytes.set(packet, at + 4);
      Atomics.store(this.words, WRITE, (write + 1) | 0);
    }
    this.#unlock();
    if (fits) {
      Atomics.add(this.words, BELL, 1);
      Atomics.notify(this.words, BELL);
    }
    return fits;
  }

  /** Takes the oldest packet into `into` (cut to its size); its length, or -1 if there is none. */
  take(into: Uint8Array): number {
    if (this.isEmpty) return -1;
    this.#lock();
    const read = Atomics.load(this.words, READ);
    let length = -1;
    if (read !== Atomics.load(this.words, WRITE)) {
      const at = this.#slot(read);
      length = this.words[at >> 2]!;
      into.set(this.#bytes.subarray(at + 4, at + 4 + Math.min(length, into.length)));
      Atomics.store(this.words, READ, (read + 1) | 0);
    }
    this.#unlock();
    return length;
  }

  get isEmpty(): boolean {
    return Atomics.load(this.words, READ) === Atomics.load(this.words, WRITE);
  }

  #slot(position: number): number {
    return HEADER + (position & (RING_SLOTS - 1)) * SLOT_SIZE;
  }

  #lock(): void {
    while (Atomics.compareExchange(this.words, LOCK, 0, 1) !== 0) Atomics.wait(this.words, LOCK, 1, 1);
  }

  #unlock(): void {
    Atomics.store(this.words, LOCK, 0);
    Atomics.notify(this.words, LOCK, 1);
  }
}

export class MemoryDevice implements PacketDevice {
  readonly fd = -1;
  readonly #receive: PacketRing | null;
  readonly #send: PacketRing | null;
  readonly #bytes: Uint8Array;
  readonly #u32: Uint32Array;

  /** Addresses in iovecs are offsets into `bytes` (CONTROL_HOST_BASE is 0 with in-memory devices). */
  constructor(
    receive: SharedArrayBuffer | null,
    send: SharedArrayBuffer | null,
    bytes: Uint8Array,
    u32: Uint32Array,
  ) {
    this.#receive = receive && new PacketRing(receive);
    this.#send = send && new PacketRing(send);
    this.#bytes = bytes;
    this.#u32 = u32;
  }

  get hasInput(): boolean {
    return this.#receive !== null && !this.#receive.isEmpty;
  }

  receive(headers: number, count: number): number {
    if (!this.#receive) return 0;
    for (let i = 0; i < count; i++) {
      const header = headers + i * L.MMSGHDR_SIZE;
      const iovec = this.#u32[(header + L.MMSGHDR_IOV) >> 2]!;
      const address = this.#u32[iovec >> 2]!;
      const capacity = this.#u32[(iovec + 8) >> 2]!;
      const length = this.#receive.take(this.#bytes.subarray(address, address + capacity));
      if (length < 0) return i;
      this.#u32[(header + L.MMSGHDR_LEN) >> 2] = Math.min(length, capacity);
      this.#u32[(header + L.MMSGHDR_FLAGS) >> 2] = length > capacity ? 0x20 : 0;
      this.#u32[(header + L.MMSGHDR_CONTROLLEN) >> 2] = 0;
    }
    return count;
  }

  send(headers: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const iovec = this.#u32[(headers + i * L.MMSGHDR_SIZE + L.MMSGHDR_IOV) >> 2]!;
      const address = this.#u32[iovec >> 2]!;
      const length = this.#u32[(iovec + 8) >> 2]!;
      if (!this.#send?.push(this.#bytes.subarray(address, address + length))) return i || -EAGAIN;
    }
    return count;
  }
}
