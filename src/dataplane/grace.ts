/**
 * Frees published memory when no worker can be reading it any more (DESIGN rule 4). A worker reads tables only
 * within a batch and copies the generation at its end; so once every running worker has copied a generation that is
 * at least the one in force when something was unpublished, nobody sees that thing.
 */
import * as L from '../../assembly/layout.ts';
import type { DataplaneMemory } from './memory.ts';

interface Retired {
  readonly generation: number;
  readonly free: () => boolean | void;
}

export class GracePeriods {
  readonly #memory: DataplaneMemory;
  readonly #isRunning: (worker: number) => boolean;
  readonly #waiting: () => void;
  #retired: Retired[] = [];

  /**
   * `isRunning` tells whether a worker's loop may be inside a batch; stopped workers hold nothing. `waiting` is called when something
   * begins to wait: collect() is then to be called until nothing is pending.
   */
  constructor(
    memory: DataplaneMemory,
    isRunning: (worker: number) => boolean,
    waiting: () => void = () => {},
  ) {
    this.#memory = memory;
    this.#isRunning = isRunning;
    this.#waiting = waiting;
  }

  /** Runs `free` once every worker has passed a batch end after now; if it gives false, again later. */
  retire(free: () => boolean | void): void {
    const generation = (this.#memory.control(L.CONTROL_GENERATION) + 1) >>> 0;
    this.#memory.setControl(L.CONTROL_GENERATION, generation);
    this.#retired.push({ generation, free });
    if (this.#retired.length === 1) this.#waiting();
  }

  /** Whether anything waits; idle workers must then be woken so that they pass a batch end. */
  get pending(): boolean {
    return this.#retired.length > 0;
  }

  /** Frees what may be freed. */
  collect(): void {
    if (!this.#retired.length) return;
    const seen: number[] = [];
    for (let worker = 0; worker < this.#memory.sizes.workers; worker++) {
      if (!this.#isRunning(worker)) continue;
      const at = (this.#memory.workerRegion(worker) + L.WORKER_GENERATION) / 4;
      seen.push(Atomics.load(this.#memory.u32, at));
    }
    // Generations wrap (RFC 1982): what comes later is less than half a round ahead.
    const isPassed = ({ generation }: Retired): boolean =>
      seen.every((passed) => ((passed - generation) | 0) >= 0);
    const again: Retired[] = [];
    // What is retired by freeing something else comes into the list on the way.
    for (const item of this.#retired) {
      if (!isPassed(item) || item.free() === false) again.push(item);
    }
    this.#retired = again;
  }
}
