/**
 * A worker's stash: packets that cannot be placed right now (the window's owner is busy, or the delivery list is full).
 * They are offered again at the next occasion, in the same order.
 */
import { DROP_WINDOW_FULL, STASH_MAX, WORKER_STASH, WORKER_STASH_COUNT } from '../layout';
import { freeBuffer } from '../memory/buffers';
import { countDrop } from '../stats';

export function stash(worker: usize, buffer: usize): void {
  const n = load<u32>(worker, WORKER_STASH_COUNT);
  if (n == <u32>STASH_MAX) {
    countDrop(worker, DROP_WINDOW_FULL);
    freeBuffer(worker, buffer);
    return;
  }
  store<u32>(worker + WORKER_STASH + ((<usize>n) << 2), <u32>buffer);
  store<u32>(worker, n + 1, WORKER_STASH_COUNT);
}
