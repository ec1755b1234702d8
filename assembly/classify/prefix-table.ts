/**
 * Inner address -> session, by longest prefix. One hash table per prefix length in use, probed from the longest
 * length down: the cost depends on how many different lengths there are (a handful: /32, /64, /128 and those
 * of delegated prefixes), not on how many sessions. Values are session numbers (SESSION_NUMBER). Keys are in network order, as
 * addresses lie in packets: whole addresses and /64 prefixes, the usual ones, need neither mask nor swap.
 */
import {
  CONTROL,
  CONTROL_LENGTHS4,
  CONTROL_LENGTHS6,
  CONTROL_PREFIX_TABLES4,
  CONTROL_PREFIX_TABLES6,
  TABLE_FORM8_MAX_LENGTH,
} from '../layout';
import { find16, find4, find8 } from '../memory/tables';

/** Plain loads are enough: a reference is one aligned word, and all that is read later is read through it (memory/tables.ts). */
// @ts-ignore: decorator
@inline
function tableOf4(length: u64): u64 {
  return load<u64>(<usize>CONTROL + ((<usize>length) << 3), CONTROL_PREFIX_TABLES4);
}

// @ts-ignore: decorator
@inline
function tableOf6(length: u64): u64 {
  return load<u64>(<usize>CONTROL + ((<usize>length) << 3), CONTROL_PREFIX_TABLES6);
}

/** Session number for the IPv4 address at `at` (network order), 0 if no prefix covers it. */
// @ts-ignore: decorator
@inline
export function findSession4(at: usize): u32 {
  const address = load<u32>(at);
  let lengths = load<u64>(CONTROL, CONTROL_LENGTHS4);
  while (lengths) {
    const length = 63 - clz<u64>(lengths);
    lengths ^= (<u64>1) << length;
    const value = find4(tableOf4(length), length == 32 ? address : address & mask4(<u32>length));
    if (value) return value;
  }
  return 0;
}

/** Session number for the IPv6 address at `at`, 0 if no prefix covers it. */
// @ts-ignore: decorator
@inline
export function findSession6(at: usize): u32 {
  const long = load<u64>(CONTROL, CONTROL_LENGTHS6 + 16) | (load<u64>(CONTROL, CONTROL_LENGTHS6 + 8) ^ 1);
  if (long) return findLong(at);
  // Nothing is longer than /64, which needs no mask, and all addresses are known.
  const high = load<u64>(at);
  const value = find8(tableOf6(64), high);
  if (value) return value;
  const short = load<u64>(CONTROL, CONTROL_LENGTHS6);
  return short ? findShort(high, short) : 0;
}

/** The first `length` bits, 0 to 31, in network order. */
// @ts-ignore: decorator
@inline
function mask4(length: u32): u32 {
  return bswap<u32>(~(u32.MAX_VALUE >> length));
}

/** The first `length` bits of half an address, 0 to 63, in network order. */
// @ts-ignore: decorator
@inline
function mask6(length: u64): u64 {
  return bswap<u64>(~(u64.MAX_VALUE >> length));
}

/** Prefixes of any length, from the longest one down. */
function findLong(at: usize): u32 {
  const high = load<u64>(at);
  const low = load<u64>(at, 8);
  for (let word: usize = 2; word > 0; word--) {
    let lengths = load<u64>(<usize>CONTROL + (word << 3), CONTROL_LENGTHS6);
    while (lengths) {
      const bit = 63 - clz<u64>(lengths);
      lengths ^= (<u64>1) << bit;
      const length = ((<u64>word) << 6) + bit;
      const value =
        length == <u64>TABLE_FORM8_MAX_LENGTH
          ? find8(tableOf6(length), high)
          : find16(tableOf6(length), high, length == 128 ? low : low & mask6(length - 64), 0);
      if (value) return value;
    }
  }
  return findShort(high, load<u64>(CONTROL, CONTROL_LENGTHS6));
}

/** Prefixes of 0 to 63 bits, those in `lengths`. */
function findShort(high: u64, lengths: u64): u32 {
  while (lengths) {
    const length = 63 - clz<u64>(lengths);
    lengths ^= (<u64>1) << length;
    const value = find8(tableOf6(length), high & mask6(length));
    if (value) return value;
  }
  return 0;
}
