/**
 * The packet buffers of a simulated end. A daemon makes all of them when it starts; here they are made in portions, when few are free: to make
 * one touches a page of memory, and most runs need a small part of what the resequencer's window could hold.
 */
import * as L from '../../assembly/layout.ts';
import type { DataplaneMemory } from '../dataplane/memory.ts';

/** What a batch takes at most, of packets with 16 copies each, and as much as the stack of free ones has in hand. */
const LEAST_FREE = L.BATCH * 17 + 2 * L.POOL_CHAIN;
const PORTION = 16 * L.POOL_CHAIN;

export class BufferSupply {
  readonly #memory: DataplaneMemory;
  readonly #fillPool: () => void;
  readonly #address: number;
  #made = 0;

  /** `fillPool` is the module's: it makes what the control block says. */
  constructor(memory: DataplaneMemory, fillPool: () => void) {
    this.#memory = memory;
    this.#fillPool = fillPool;
    this.#address = memory.control(L.CONTROL_BUFFERS);
    this.replenish();
  }

  /** To be called before each batch. */
  replenish(): void {
    const { u32, sizes } = this.#memory;
    while (u32[POOL_CHAINS]! * L.POOL_CHAIN < LEAST_FREE && this.#made < sizes.buffers) {
      const portion = Math.min(PORTION, sizes.buffers - this.#made);
      this.#memory.setControl(L.CONTROL_BUFFERS, this.#address + this.#made * sizes.bufferSize);
      this.#memory.setControl(L.CONTROL_BUFFER_COUNT, portion);
      this.#fillPool();
      this.#made += portion;
    }
  }
}

const POOL_CHAINS = (L.CONTROL + L.CONTROL_POOL_CHAINS) / 4;
