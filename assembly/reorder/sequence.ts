/** Serial number arithmetic on 32 bits (RFC 1982), as RFC 2890 §2.2 wants it. */

/** Signed distance from `from` to `to`: positive if `to` is later. */
// @ts-ignore: decorator
@inline
export function distance(from: u32, to: u32): i32 {
  return <i32>(to - from);
}

/** The later of two numbers. */
// @ts-ignore: decorator
@inline
export function later(a: u32, b: u32): u32 {
  return distance(a, b) > 0 ? b : a;
}

/**
 * Microseconds from `then` to `now`, at least 0: the batch of another worker may have begun a little after ours, so its
 * times may lie in our future.
 */
// @ts-ignore: decorator
@inline
export function elapsed(then: u64, now: u64): u64 {
  return now > then ? now - then : 0;
}
