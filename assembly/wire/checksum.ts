/**
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are kept in host byte order:
 * the one's complement sum is byte-order independent (RFC 1071 §2 (B)), so nothing is swapped on the way.
 */

/** Adds `length` octets at `at` to `sum`; an odd last octet counts as if a zero followed it. */
export function checksumAdd(sum: u64, at: usize, length: u32): u64 {
  if (length >= 64) {
    const octets = length & ~15;
    sum += sumVectors(at, octets);
    at += octets;
    length &= 15;
  }
  const end = at + (length & ~3);
  while (at < end) {
    sum += <u64>load<u32>(at);
    at += 4;
  }
  if (length & 2) {
    sum += <u64>load<u16>(at);
    at += 2;
  }
  if (length & 1) sum += <u64>load<u8>(at);
  return sum;
}

/**
 * Sum of `octets` octets, a multiple of 16. Pairs of words are added by the one instruction that x86 has for it, pmaddwd, which takes them
 * for signed: so 0x8000 is taken away from each first and given back at the end. No lane overflows below 512 KiB.
 */
// @ts-ignore: decorator
@inline
function sumVectors(at: usize, octets: u32): u64 {
  // Not constants, which the compilers would make anew at every use.
  const first = v128.load(at);
  const all = i16x8.eq(first, first);
  const sign = i16x8.shl(all, 15);
  const ones = i16x8.shr_u(all, 15);
  const end = at + octets;
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  const blocks = at + (octets & ~127);
  while (at < blocks) {
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.xor(v128.load(at), sign), ones));
    b = i32x4.add(b, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 16), sign), ones));
    c = i32x4.add(c, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 32), sign), ones));
    d = i32x4.add(d, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 48), sign), ones));
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 64), sign), ones));
    b = i32x4.add(b, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 80), sign), ones));
    c = i32x4.add(c, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 96), sign), ones));
    d = i32x4.add(d, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 112), sign), ones));
    at += 128;
  }
  while (at < end) {
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.xor(v128.load(at), sign), ones));
    at += 16;
  }
  const sum = i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
  const wide = i64x2.add(i64x2.extend_low_i32x4_s(sum), i64x2.extend_high_i32x4_s(sum));
  // Half as many words of 0x8000.
  return i64x2.extract_lane(wide, 0) + i64x2.extract_lane(wide, 1) + ((<u64>octets) << 14);
}

/** Copies `length` octets and gives the sum of them: one pass over the payload instead of two. */
export function checksumCopy(to: usize, from: usize, length: u32): u64 {
  const octets = length & ~15;
  const end = from + octets;
  const blocks = from + (length & ~63);
  // As in sumVectors().
  const any = v128.load(from);
  const all = i16x8.eq(any, any);
  const sign = i16x8.shl(all, 15);
  const ones = i16x8.shr_u(all, 15);
  let even = i32x4.splat(0);
  let odd = i32x4.splat(0);
  while (from < blocks) {
    const first = v128.load(from);
    const second = v128.load(from, 16);
    const third = v128.load(from, 32);
    const fourth = v128.load(from, 48);
    v128.store(to, first);
    v128.store(to, second, 16);
    v128.store(to, third, 32);
    v128.store(to, fourth, 48);
    even = i32x4.add(even, i32x4.dot_i16x8_s(v128.xor(first, sign), ones));
    odd = i32x4.add(odd, i32x4.dot_i16x8_s(v128.xor(second, sign), ones));
    even = i32x4.add(even, i32x4.dot_i16x8_s(v128.xor(third, sign), ones));
    odd = i32x4.add(odd, i32x4.dot_i16x8_s(v128.xor(fourth, sign), ones));
    from += 64;
    to += 64;
  }
  while (from < end) {
    const next = v128.load(from);
    v128.store(to, next);
    even = i32x4.add(even, i32x4.dot_i16x8_s(v128.xor(next, sign), ones));
    from += 16;
    to += 16;
  }
  const lanes = i32x4.add(even, odd);
  const wide = i64x2.add(i64x2.extend_low_i32x4_s(lanes), i64x2.extend_high_i32x4_s(lanes));
  let sum = i64x2.extract_lane(wide, 0) + i64x2.extract_lane(wide, 1) + ((<u64>octets) << 14);
  if (length & 8) {
    const next = load<u64>(from);
    store<u64>(to, next);
    sum += (next & 0xffffffff) + (next >> 32);
    from += 8;
    to += 8;
  }
  if (length & 4) {
    const next = load<u32>(from);
    store<u32>(to, next);
    sum += <u64>next;
    from += 4;
    to += 4;
  }
  if (length & 2) {
    const next = load<u16>(from);
    store<u16>(to, next);
    sum += <u64>next;
    from += 2;
    to += 2;
  }
  if (length & 1) {
    const next = load<u8>(from);
    store<u8>(to, next);
    sum += <u64>next;
  }
  return sum;
}

/** Sum of the 20 octets of an IPv4 header without options. */
// @ts-ignore: decorator
@inline
export function checksumHeader4(at: usize): u64 {
  return (
    <u64>load<u32>(at) +
    <u64>load<u32>(at, 4) +
    <u64>load<u32>(at, 8) +
    <u64>load<u32>(at, 12) +
    <u64>load<u32>(at, 16)
  );
}

/** Folds a sum to 16 bits, not complemented. */
// @ts-ignore: decorator
@inline
export function checksumFold(sum: u64): u32 {
  // Both halves added in both halves at once: the carry of the lower one is the end-around carry of the upper one.
  const half = <u32>((sum + rotl<u64>(sum, 32)) >> 32);
  return (half + rotl<u32>(half, 16)) >> 16;
}

/** What belongs into a checksum field, in the byte order of memory. */
// @ts-ignore: decorator
@inline
export function checksumFinish(sum: u64): u16 {
  return <u16>~checksumFold(sum);
}

/** Updates the checksum field at `field` after a 16-bit word changed (RFC 1624 eqn. 3); words as in memory. */
export function checksumReplace(field: usize, before: u16, after: u16): void {
  const sum = <u64>(<u16>~load<u16>(field)) + <u64>(<u16>~before) + <u64>after;
  store<u16>(field, checksumFinish(sum));
}

/** Sum of the pseudo-header of RFC 8200 §8.1 (IPv6) for `length` octets of `protocol`. */
export function pseudoHeader6(header: usize, length: u32, protocol: u32): u64 {
  return checksumAdd(0, header + 8, 32) + <u64>bswap<u32>(length) + <u64>(protocol << 24);
}

/** Sum of the pseudo-header of RFC 768 (IPv4). */
export function pseudoHeader4(header: usize, length: u32, protocol: u32): u64 {
  return checksumAdd(0, header + 12, 8) + <u64>bswap<u16>(<u16>length) + <u64>(protocol << 8);
}
