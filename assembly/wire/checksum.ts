/**
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are kept in host byte order:
 * the one's complement sum is byte-order independent (RFC 1071 §2 (B)), so nothing is swapped on the way.
 */

/** Adds `length` octets at `at` to `sum`; an odd last octet counts as if a zero followed it. */
export function checksumAdd(sum: u64, at: usize, length: u32): u64 {
  let end = at + (length & ~15);
  if (length >= 64) {
    let wide = i32x4.splat(0);
    while (at < end) {
      wide = i32x4.add(wide, i32x4.extadd_pairwise_i16x8_u(v128.load(at)));
      at += 16;
    }
    sum +=
      <u64>(<u32>i32x4.extract_lane(wide, 0)) +
      <u64>(<u32>i32x4.extract_lane(wide, 1)) +
      <u64>(<u32>i32x4.extract_lane(wide, 2)) +
      <u64>(<u32>i32x4.extract_lane(wide, 3));
    length &= 15;
  }
  end = at + (length & ~3);
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

/** Folds a sum to 16 bits, not complemented. */
// @ts-ignore: decorator
@inline
export function checksumFold(sum: u64): u32 {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  let folded = <u32>sum;
  folded = (folded & 0xffff) + (folded >> 16);
  return (folded & 0xffff) + (folded >> 16);
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
