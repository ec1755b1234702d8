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
