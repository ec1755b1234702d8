/**
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are kept in host byte order:
 * the one's complement sum is byte-order independent (RFC 1071 §2 (B)), so nothing is swapped on the way.
 */

/** Adds `length` octets at `at` to `sum`; an odd last octet counts as if a zero followed it. */
export function checksumAdd(sum: u64, at: usize, length: u32): u64 {
  if (length >= 64) {
    const blocks = length >> 6;
    sum += sumBlocks(at, blocks);
    at += (<usize>blocks) << 6;
    length &= 63;
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
 * Sum of `blocks` blocks of 64 octets. Pairs of words are added by the one instruction that x86 has for it, pmaddwd, which takes them
 * for signed: so 0x8000 is taken away from each first and given back at the end. No lane overflows below 2 MiB.
 */
// @ts-ignore: decorator
@inline
function sumBlocks(at: usize, blocks: u32): u64 {
  // Not constants, which the compilers would make anew at every use.
  const first = v128.load(at);
  const all = i16x8.eq(first, first);
  const sign = i16x8.shl(all, 15);
  const ones = i16x8.shr_u(all, 15);
  const end = at + ((<usize>blocks) << 6);
  let even = i32x4.splat(0);
  let odd = i32x4.splat(0);
  while (at < end) {
    even = i32x4.add(even, i32x4.dot_i16x8_s(v128.xor(v128.load(at), sign), ones));
    odd = i32x4.add(odd, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 16), sign), ones));
    even = i32x4.add(even, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 32), sign), ones));
    odd = i32x4.add(odd, i32x4.dot_i16x8_s(v128.xor(v128.load(at, 48), sign), ones));
    at += 64;
  }
  const wide = i64x2.add(
    i64x2.add(i64x2.extend_low_i32x4_s(even), i64x2.extend_high_i32x4_s(even)),
    i64x2.add(i64x2.extend_low_i32x4_s(odd), i64x2.extend_high_i32x4_s(odd)),
  );
  // 32 words of 0x8000 a block.
  return i64x2.extract_lane(wide, 0) + i64x2.extract_lane(wide, 1) + ((<u64>blocks) << 20);
}

/** Copies `length` octets and gives the sum of them: one pass over the payload instead of two. */
export function checksumCopy(to: usize, from: usize, length: u32): u64 {
  const end = from + (length & ~31);
  let even = i32x4.splat(0);
  let odd = i32x4.splat(0);
  while (from < end) {
    const first = v128.load(from);
    const second = v128.load(from, 16);
    v128.store(to, first);
    v128.store(to, second, 16);
    even = i32x4.add(even, i32x4.extadd_pairwise_i16x8_u(first));
    odd = i32x4.add(odd, i32x4.extadd_pairwise_i16x8_u(second));
    from += 32;
    to += 32;
  }
  const wide = i64x2.add(
    i64x2.add(i64x2.extend_low_i32x4_u(even), i64x2.extend_high_i32x4_u(even)),
    i64x2.add(i64x2.extend_low_i32x4_u(odd), i64x2.extend_high_i32x4_u(odd)),
  );
  const rest = length & 31;
  memory.copy(to, from, rest);
  return checksumAdd(i64x2.extract_lane(wide, 0) + i64x2.extract_lane(wide, 1), from, rest);
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
