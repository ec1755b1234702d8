/** Compiled classifiers, shared by all sessions whose rules say the same: a provider's policy is stored once, not per node. */
import type { DataplaneMemory } from './memory.ts';
import { type CompiledRule, compileClassifier } from './selector-compiler.ts';

interface Shared {
  readonly address: number;
  readonly size: number;
  users: number;
}

export class ClassifierCache {
  readonly #memory: DataplaneMemory;
  readonly #shared = new Map<string, Shared>();
  #lastId = 0;

  constructor(memory: DataplaneMemory) {
    this.#memory = memory;
  }

  /** The classifier for the rules of one family; null without rules. `release` when no worker reads it any more. */
  acquire(
    family: 4 | 6,
    rules: readonly CompiledRule[],
  ): { readonly address: number; readonly release: () => void } | null {
    if (!rules.length) return null;
    const key = JSON.stringify([family, rules]);
    let entry = this.#shared.get(key);
    if (!entry) {
      this.#lastId = (this.#lastId + 1) >>> 0;
      entry = { ...compileClassifier(this.#memory, family, rules, this.#lastId)!, users: 0 };
      this.#shared.set(key, entry);
    }
    const { address, size } = entry;
    const shared = entry;
    shared.users++;
    return {
      address,
      release: () => {
        if (--shared.users) return;
        this.#shared.delete(key);
        this.#memory.heap.release(address, size);
      },
    };
  }
}
