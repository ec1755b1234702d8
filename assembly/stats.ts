/** The only writer of drop and device counters: plain adds in the worker's own region. */
import { WORKER_COUNTERS, WORKER_DROPS } from './layout';

// @ts-ignore: decorator
@inline
export function countDrop(worker: usize, reason: u32): void {
  const at = worker + WORKER_DROPS + ((<usize>reason) << 3);
  store<u64>(at, load<u64>(at) + 1);
}

// @ts-ignore: decorator
@inline
export function count(worker: usize, counter: usize, by: u64 = 1): void {
  const at = worker + WORKER_COUNTERS + counter;
  store<u64>(at, load<u64>(at) + by);
}

/** Adds to a counter that several workers write. */
// @ts-ignore: decorator
@inline
export function countShared(at: usize, by: u64 = 1): void {
  atomic.add<u64>(at, by);
}
