/**
 * The writing side of one hash table (assembly/memory/tables.ts): grows it, counts tombstones, publishes a fresh copy
 * when it gets crowded. The caller puts the key into CONTROL_KEY first.
 */
import * as L from '../../assembly/layout.ts';
import type { GracePeriods } from './grace.ts';
import type { DataplaneMemory } from './memory.ts';
import type { HotPath } from './wasm.ts';

const ENTRY_SIZES = {
  [L.TABLE_FORM4]: L.TABLE_ENTRY4,
  [L.TABLE_FORM8]: L.TABLE_ENTRY8,
  [L.TABLE_FORM16]: L.TABLE_ENTRY16,
} as const;

/** T4: 32-bit key, T8: 64 bits, T16: 128 + 32 bits. */
export type TableForm = keyof typeof ENTRY_SIZES;

const SMALLEST_BITS = 4;

export class TableWriter {
  readonly #memory: DataplaneMemory;
  readonly #wasm: HotPath;
  readonly #grace: GracePeriods;
  readonly #form: TableForm;
  /** Address of the u64 that publishes the table. */
  readonly #reference: number;
  #bits = 0;
  #live = 0;
  /** Entries that are not empty: live ones and tombstones. */
  #used = 0;

  constructor(
    memory: DataplaneMemory,
    wasm: HotPath,
    grace: GracePeriods,
    form: TableForm,
    reference: number,
  ) {
    this.#memory = memory;
    this.#wasm = wasm;
    this.#grace = grace;
    this.#form = form;
    this.#reference = reference;
  }

  get size(): number {
    return this.#live;
  }

  /** Adds the key in CONTROL_KEY or replaces its value; values are 1 .. 2^31 - 1. */
  set(value: number): void {
    if (this.#wasm.tableReplace(this.#form, this.#reference, value)) return;
    if ((this.#used + 1) * 2 > 1 << this.#bits || !this.#bits) this.#rebuild();
    this.#wasm.tableInsert(this.#form, this.#reference, value);
    this.#live++;
    this.#used++;
  }

  /** The value of the key in CONTROL_KEY, 0 if it is not there. */
  get(): number {
    return this.#wasm.tableFind(this.#form, this.#reference);
  }

  /** Deletes the key in CONTROL_KEY; false if it is not there. */
  delete(): boolean {
    if (!this.#wasm.tableReplace(this.#form, this.#reference, L.TABLE_TOMBSTONE)) return false;
    this.#live--;
    return true;
  }

  /** Copies the live entries to a table that they fill to a quarter at most, and publishes it. */
  #rebuild(): void {
    let bits = SMALLEST_BITS;
    while (1 << bits < (this.#live + 1) * 4) bits++;
    const entry = ENTRY_SIZES[this.#form];
    const oldBits = this.#bits;
    const old = this.#memory.view.getUint32(this.#reference, true);
    const address = this.#memory.heap.allocate(entry << bits);
    this.#wasm.tableMove(this.#form, this.#reference, address, bits);
    this.#bits = bits;
    this.#used = this.#live;
    if (oldBits) this.#grace.retire(() => this.#memory.heap.release(old, entry << oldBits));
  }
}
