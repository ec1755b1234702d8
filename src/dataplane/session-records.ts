/** Session records of the shared memory: takes free ones, with an empty window, and gives back those that no worker finds any more. */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import type { GracePeriods } from './grace.ts';
import type { DataplaneMemory } from './memory.ts';
import type { SessionSpec } from './session-spec.ts';
import type { HotPath } from './wasm.ts';

type Spec = Pick<SessionSpec, 'name' | 'resequencer'>;

export class SessionRecords {
  readonly #memory: DataplaneMemory;
  readonly #wasm: HotPath;
  readonly #grace: GracePeriods;
  readonly #free: number[] = [];
  #next = 0;

  constructor(memory: DataplaneMemory, wasm: HotPath, grace: GracePeriods) {
    this.#memory = memory;
    this.#wasm = wasm;
    this.#grace = grace;
  }

  /** A record with an empty window. Throws TOO_MANY_SESSIONS and OUT_OF_MEMORY; then none is taken. */
  take({ name, resequencer: { window } }: Spec): number {
    const index = this.#free.at(-1) ?? this.#next;
    if (index >= this.#memory.sizes.sessions) {
      throw new TunloomError('TOO_MANY_SESSIONS', `no room for session "${name}"; raise memory.sessions`);
    }
    const [ring, history] = this.#allocateWindow(window);
    if (this.#free.pop() === undefined) this.#next++;
    const at = this.#memory.session(index);
    this.#memory.bytes.fill(0, at, at + L.SESSION_STRIDE);
    const set = (field: number, value: number): void => {
      this.#memory.u32[(at + field) / 4] = value;
    };
    set(L.SESSION_NUMBER, index + 1);
    set(L.SESSION_RING, ring);
    set(L.SESSION_HISTORY, history);
    set(L.SESSION_MASK, window - 1);
    set(L.SESSION_HIGHEST, 0xffff_ffff);
    return index;
  }

  /** Addresses of ring and history. Throws OUT_OF_MEMORY. */
  #allocateWindow(window: number): [ring: number, history: number] {
    const { heap } = this.#memory;
    const ring = heap.allocate(window * 4);
    try {
      return [ring, heap.allocate(window / 4)];
    } catch (error) {
      heap.release(ring, window * 4);
      throw error;
    }
  }

  /** Workers find the record no more; a grace period later it is emptied and freed, and `freed` is called. */
  retire(index: number, spec: Spec, freed: () => void): void {
    Atomics.store(this.#memory.u32, (this.#memory.session(index) + L.SESSION_CONFIG) / 4, 0);
    this.#grace.retire(() => {
      const control = this.#memory.sizes.workers;
      if (!this.#wasm.emptySession(this.#memory.workerRegion(control), this.#memory.session(index)))
        return false;
      this.#wasm.returnBuffers(control);
      freed();
      this.release(index, spec);
      return true;
    });
  }

  /** Gives back a record that no worker has ever found. */
  release(index: number, { resequencer: { window } }: Spec): void {
    const at = this.#memory.session(index);
    this.#memory.heap.release(this.#memory.u32[(at + L.SESSION_RING) / 4]!, window * 4);
    this.#memory.heap.release(this.#memory.u32[(at + L.SESSION_HISTORY) / 4]!, window / 4);
    this.#free.push(index);
  }

  /** From now on workers find the record with the configuration at `config`. */
  publish(index: number, { address }: { readonly address: number }): void {
    Atomics.store(this.#memory.u32, (this.#memory.session(index) + L.SESSION_CONFIG) / 4, address);
  }

  /** The next number that a worker will draw. */
  ticket(index: number): bigint {
    return Atomics.load(this.#memory.u64, (this.#memory.session(index) + L.SESSION_TICKET) / 8);
  }
}
