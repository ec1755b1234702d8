/** How a worker sleeps until one of its devices has input: poll(2) on descriptors, or a doorbell in memory. */
import * as L from '../../assembly/layout.ts';
import { poll, readInto } from '../net/libc.ts';
import type { PacketDevice } from './device/device.ts';
import { MemoryDevice } from './device/memory-device.ts';

export interface Waiter {
  /** Sets the devices to wait for. */
  watch(devices: readonly PacketDevice[]): void;
  /** Waits up to `timeout` milliseconds (-1: for ever); true if the control thread has woken the worker. */
  wait(timeout: number): boolean;
  /** Whether any device may have input after wait(). */
  readonly anyReady: boolean;
  /** Whether the device at `position` of those that are watched may have input after wait(). */
  isReady(position: number): boolean;
}

const POLLFD_SIZE = 8;
const POLLIN = 1;

/** poll(2) with the struct pollfd array in the worker's region; an eventfd(2) stands first. */
export class PollWaiter implements Waiter {
  readonly #base: number;
  readonly #array: number;
  readonly #scratch: number;
  readonly #u32: Uint32Array;
  #devices = 0;
  anyReady = false;

  /** `base`: absolute address of the memory that `u32` views; `region`: offset of the worker's region in it. */
  constructor(wakeFd: number, base: number, region: number, u32: Uint32Array) {
    this.#base = base;
    this.#array = region + L.WORKER_POLL;
    this.#scratch = region + L.WORKER_WAKE;
    this.#u32 = u32;
    this.#setPlace(0, wakeFd);
  }

  watch(devices: readonly PacketDevice[]): void {
    this.#devices = devices.length;
    devices.forEach((device, position) => this.#setPlace(position + 1, device.fd));
  }

  wait(timeout: number): boolean {
    const ready = poll(this.#base + this.#array, this.#devices + 1, timeout);
    this.anyReady = ready > 0;
    if (ready <= 0) {
      for (let place = 0; place <= this.#devices; place++) this.#clear(place);
      return false;
    }
    if (!this.#events(0)) return false;
    readInto(this.#u32[this.#array >> 2]!, this.#base + this.#scratch, 8);
    return true;
  }

  isReady(position: number): boolean {
    return this.#events(position + 1) !== 0;
  }

  #setPlace(place: number, fd: number): void {
    const at = (this.#array + place * POLLFD_SIZE) >> 2;
    this.#u32[at] = fd;
    this.#u32[at + 1] = POLLIN;
  }

  /** revents: the upper half of the second word; errors count as input so that the next read tells. */
  #events(place: number): number {
    return this.#u32[((this.#array + place * POLLFD_SIZE) >> 2) + 1]! >>> 16;
  }

  #clear(place: number): void {
    this.#u32[((this.#array + place * POLLFD_SIZE) >> 2) + 1] = POLLIN;
  }
}

/** Atomics.wait on a doorbell that every writer into one of the worker's rings is told to ring. */
export class BellWaiter implements Waiter {
  readonly #bell: Int32Array;
  #seen = 0;
  #devices: readonly PacketDevice[] = [];

  constructor(bell: SharedArrayBuffer) {
    this.#bell = new Int32Array(bell);
  }

  watch(devices: readonly PacketDevice[]): void {
    this.#devices = devices;
  }

  wait(timeout: number): boolean {
    // Rings have no common doorbell, so look at them often while something may be going on.
    if (!this.anyReady && timeout !== 0) {
      Atomics.wait(this.#bell, 0, this.#seen, timeout < 0 ? 1 : Math.min(timeout, 1));
    }
    const now = Atomics.load(this.#bell, 0);
    const woken = now !== this.#seen;
    this.#seen = now;
    return woken;
  }

  get anyReady(): boolean {
    return this.#devices.some(hasInput);
  }

  isReady(position: number): boolean {
    return hasInput(this.#devices[position]!);
  }
}

function hasInput(device: PacketDevice): boolean {
  return device instanceof MemoryDevice && device.hasInput;
}
