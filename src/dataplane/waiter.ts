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
  /** Whether the device may have input after wait(). */
  isReady(device: PacketDevice): boolean;
}

const POLLFD_SIZE = 8;
const POLLIN = 1;

/** poll(2) with the struct pollfd array in the worker's region; an eventfd(2) stands first. */
export class PollWaiter implements Waiter {
  readonly #base: number;
  readonly #array: number;
  readonly #scratch: number;
  readonly #u32: Uint32Array;
  #devices: readonly PacketDevice[] = [];
  readonly #places = new Map<PacketDevice, number>();
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
    this.#devices = devices;
    this.#places.clear();
    devices.forEach((device, i) => {
      this.#setPlace(i + 1, device.fd);
      this.#places.set(device, i + 1);
    });
  }

  wait(timeout: number): boolean {
    const ready = poll(this.#base + this.#array, this.#devices.length + 1, timeout);
    this.anyReady = ready > 0;
    if (ready <= 0) {
      for (let place = 0; place <= this.#devices.length; place++) this.#clear(place);
      return false;
    }
    if (!this.#events(0)) return false;
    readInto(this.#u32[this.#array >> 2]!, this.#base + this.#scratch, 8);
    return true;
  }

  isReady(device: PacketDevice): boolean {
    const place = this.#places.get(device);
    return place !== undefined && this.#events(place) !== 0;
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
    const anyInput = this.#devices.some((device) => device instanceof MemoryDevice && device.hasInput);
    if (!anyInput && timeout !== 0) {
      Atomics.wait(this.#bell, 0, this.#seen, timeout < 0 ? 1 : Math.min(timeout, 1));
    }
    const now = Atomics.load(this.#bell, 0);
    const woken = now !== this.#seen;
    this.#seen = now;
    return woken;
  }

  get anyReady(): boolean {
    return this.#devices.some((device) => this.isReady(device));
  }

  isReady(device: PacketDevice): boolean {
    return device instanceof MemoryDevice && device.hasInput;
  }
}
