/**
 * Many look-ups in one call, for bench/run.ts alone: what one costs inside a batch, without the call from JavaScript. A module of its
 * own, compiled by the bench; nothing of it is in the hot path.
 */
import { findSession6 } from './classify/prefix-table';

/** Looks `count` IPv6 addresses of 16 octets up, from `at` on; the sum of what was found, so that nothing is left out. */
export function findSessions6(at: u32, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) sum += findSession6(<usize>(at + (i << 4)));
  return sum;
}
