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

/** Session number for the IPv4 address at `at` (network order), 0 if no prefix covers it. */
export function findSession4(at: usize): u32 {
  const address = loadBe32(at);
  let lengths = atomic.load<u64>(CONTROL, CONTROL_LENGTHS4);
  while (lengths) {
    const length = 63 - clz<u64>(lengths);
    lengths ^= (<u64>1) << length;
    const key = length ? address & (u32.MAX_VALUE << (32 - <u32>length)) : 0;
    const value = find4(
      atomic.load<u64>(<usize>CONTROL + ((<usize>length) << 3), CONTROL_PREFIX_TABLES4),
      key,
    );
    if (value) return value;
  }
  return 0;
}

/** Session number for the IPv6 address at `at`, 0 if no prefix covers it. */
export function findSession6(at: usize): u32 {
  // Both words in network order by one shuffle: WebAssembly cannot swap octets otherwise but by a dozen shifts and masks a word.
  const words = v128.load(at);
  const swapped = v128.shuffle<u8>(words, words, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
  const high = v128.extract_lane<u64>(swapped, 0);
  const low = v128.extract_lane<u64>(swapped, 1);
  for (let word: i32 = 2; word >= 0; word--) {
    let lengths = atomic.load<u64>(<usize>CONTROL + ((<usize>word) << 3), CONTROL_LENGTHS6);
    while (lengths) {
      const bit = 63 - clz<u64>(lengths);
      lengths ^= (<u64>1) << bit;
      const length = ((<u64>word) << 6) + bit;
      const reference = atomic.load<u64>(<usize>CONTROL + ((<usize>length) << 3), CONTROL_PREFIX_TABLES6);
      const value =
        length <= <u64>TABLE_FORM8_MAX_LENGTH
          ? find8(reference, length ? high & (u64.MAX_VALUE << (64 - length)) : 0)
          : find16(reference, high, length == 128 ? low : low & (u64.MAX_VALUE << (128 - length)), 0);
      if (value) return value;
    }
  }
  return 0;
}
