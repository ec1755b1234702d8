/** Waiting for another thread without blocking this one. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Resolves when the word is no longer `seen` and its writer says so (Atomics.notify), in a later turn of the event loop even if it has changed
 * already: a busy writer must not keep everything else from its turn.
 */
export async function untilChanged(words: Int32Array, index: number, seen: number): Promise<void> {
  const { async: waits, value } = Atomics.waitAsync(words, index, seen);
  await (waits ? value : nextTurn());
}
