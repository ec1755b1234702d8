/**
 * Words that all workers write: by locked instructions, unless there is one worker only. Then nobody else writes them, and plain loads
 * and stores do the same for a fraction of the time (docs/performance.md). The number of workers is fixed when the memory is made.
 * The control thread writes such words only where no worker does: of a removed session after a grace period, of a crashed
 * worker after its end. Who does several such things at once asks for company once and says so.
 */
import { CONTROL, CONTROL_WORKER_COUNT } from '../layout';

// @ts-ignore: decorator
@inline
export function hasCompany(): bool {
  return load<u32>(CONTROL, CONTROL_WORKER_COUNT) != 1;
}

// @ts-ignore: decorator
@inline
export function loadShared<T>(at: usize, company: bool = hasCompany()): T {
  return company ? atomic.load<T>(at) : load<T>(at);
}

// @ts-ignore: decorator
@inline
export function storeShared<T>(at: usize, value: T): void {
  if (hasCompany()) atomic.store<T>(at, value);
  else store<T>(at, value);
}

/** Adds; gives what was there before. */
// @ts-ignore: decorator
@inline
export function addShared<T>(at: usize, value: T, company: bool = hasCompany()): T {
  if (company) return atomic.add<T>(at, value);
  const before = load<T>(at);
  store<T>(at, before + value);
  return before;
}

/** Sets bits; gives what was there before. */
// @ts-ignore: decorator
@inline
export function orShared(at: usize, bits: u32): u32 {
  if (hasCompany()) return atomic.or<u32>(at, bits);
  const before = load<u32>(at);
  store<u32>(at, before | bits);
  return before;
}

/** Replaces `expected` by `value`; gives what was there before. */
// @ts-ignore: decorator
@inline
export function swapShared<T>(at: usize, expected: T, value: T, company: bool = hasCompany()): T {
  if (company) return atomic.cmpxchg<T>(at, expected, value);
  const before = load<T>(at);
  if (before == expected) store<T>(at, value);
  return before;
}
