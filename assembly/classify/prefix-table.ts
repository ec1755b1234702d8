/**
 * Inner address -> session, by longest prefix. One hash table per prefix length in use, probed from the longest
 * length down: the cost depends on how many different lengths there are (a handful: /32, /64, /128 and those
 * of delegated prefixes), not on how many sessions. Values are session numbers (SESSION_NUMBER).
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
import { loadBe32 } from '../wire/bytes';

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
  const address = loadBe32(at);
  let lengths = load<u64>(CONTROL, CONTROL_LENGTHS4);
  while (lengths) {
    const length = 63 - clz<u64>(lengths);
    lengths ^= (<u64>1) << length;
    const key = length ? address & (u32.MAX_VALUE << (32 - <u32>length)) : 0;
    const value = find4(tableOf4(length), key);
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
  const high = swapped(at, 0);
  const value = find8(tableOf6(64), high);
  if (value) return value;
  const short = load<u64>(CONTROL, CONTROL_LENGTHS6);
  return short ? findShort(high, short) : 0;
}

/** Half of the address in host order, by a shuffle: WebAssembly cannot swap octets otherwise but by a dozen shifts and masks. */
// @ts-ignore: decorator
@inline
function swapped(at: usize, half: u8): u64 {
  const words = v128.load(at);
  const all = v128.shuffle<u8>(words, words, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
  return half ? v128.extract_lane<u64>(all, 1) : v128.extract_lane<u64>(all, 0);
}

/** Prefixes of any length, from the longest one down. */
function findLong(at: usize): u32 {
  const high = swapped(at, 0);
  const low = swapped(at, 1);
  for (let word: usize = 2; word > 0; word--) {
    let lengths = load<u64>(<usize>CONTROL + (word << 3), CONTROL_LENGTHS6);
    while (lengths) {
      const bit = 63 - clz<u64>(lengths);
      lengths ^= (<u64>1) << bit;
      const length = ((<u64>word) << 6) + bit;
      const value =
        length == <u64>TABLE_FORM8_MAX_LENGTH
          ? find8(tableOf6(length), high)
          : find16(tableOf6(length), high, length == 128 ? low : low & (u64.MAX_VALUE << (128 - length)), 0);
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
    const value = find8(tableOf6(length), length ? high & (u64.MAX_VALUE << (64 - length)) : 0);
    if (value) return value;
  }
  return 0;
}
