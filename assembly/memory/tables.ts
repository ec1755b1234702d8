/**
 * Hash tables with one writer (the control thread) and lock-free readers (the workers).
 *
 *   reference (one u64)          entries, power of two, linear probing
 *   +------+---------+           +-----+-------+-----+-------+ ...     value 0: empty
 *   | bits | address | --------> | key | value | key | value |         value -1: deleted (never reused in place)
 *   +------+---------+           +-----+-------+-----+-------+ ...
 *
 * A reader loads the reference once, so it sees the old table or the new one, never a mixture. An entry's value
 * is stored last and cleared first. Deleted entries stay tombstones until the control thread copies the table
 * to a fresh one (src/dataplane/table-writer.ts), because a reader may still be comparing the old key.
 *
 * Most keys stand at their home, so that is looked at before anything that a walk needs is worked out.
 *
 * Readers load plainly: V8 checks the alignment of every atomic access (six instructions). The address of an entry comes from
 * the reference, which orders the loads on every processor. A CPU that may load a key before its value (arm64) can at worst take an
 * entry in the making for key 0, which nobody has: not the unspecified address, not a path.
 */
import {
  CONTROL,
  CONTROL_HASH_SEED,
  TABLE_ENTRY16,
  TABLE_ENTRY4,
  TABLE_ENTRY8,
  TABLE_TOMBSTONE,
} from '../layout';

/**
 * Fibonacci hashing for keys that count up in any of their octets. Addresses are in network order, so what differs between neighbours stands in the
 * upper octets of a key, where only the lowest octets of the factor reach the hash: so each of its octets is about 0.618 or 0.382 of
 * 256, not just the first. (The golden ratio itself, 0x9e3779b97f4a7c15, moves up to 92 % of the addresses of an IPv4 network from their homes.)
 */
const SPREAD: u64 = 0x9f9d9f9f619d5ea1;

// @ts-ignore: decorator
@inline
function home(key: u64, bits: u64): usize {
  return <usize>(((key ^ load<u64>(CONTROL, CONTROL_HASH_SEED)) * SPREAD) >> (64 - bits));
}

/** One 64-bit word for a 128-bit key and 32 bits more. */
// @ts-ignore: decorator
@inline
function mix(high: u64, low: u64, extra: u32): u64 {
  return (high ^ rotl<u64>(low, 29) ^ ((<u64>extra) << 17)) * 0xff51afd7ed558ccd + low;
}

/** Value of `key` in a T4 table, 0 if it is not there. */
// @ts-ignore: decorator
@inline
export function find4(reference: u64, key: u32): u32 {
  const bits = reference >> 32;
  if (!bits) return 0;
  const base = <usize>(<u32>reference);
  let at = home(<u64>key, bits);
  const first = load<u64>(base + (at << 3));
  const found = <u32>(first >> 32);
  if (<u32>first == key) {
    if (found != <u32>TABLE_TOMBSTONE) return found;
  } else if (!found) {
    return 0;
  }
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  for (let i: usize = 0; i < mask; i++) {
    at = (at + 1) & mask;
    const entry = load<u64>(base + (at << 3));
    const value = <u32>(entry >> 32);
    if (<u32>entry == key) {
      if (value != <u32>TABLE_TOMBSTONE) return value;
    } else if (!value) {
      return 0;
    }
  }
  return 0;
}

/** Value of `key` in a T8 table, 0 if it is not there. */
// @ts-ignore: decorator
@inline
export function find8(reference: u64, key: u64): u32 {
  const bits = reference >> 32;
  if (!bits) return 0;
  const base = <usize>(<u32>reference);
  let at = home(key, bits);
  const first = base + (at << 4);
  const found = load<u32>(first, 8);
  if (load<u64>(first) == key) {
    if (found != <u32>TABLE_TOMBSTONE) return found;
  } else if (!found) {
    return 0;
  }
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  for (let i: usize = 0; i < mask; i++) {
    at = (at + 1) & mask;
    const entry = base + (at << 4);
    const value = load<u32>(entry, 8);
    if (load<u64>(entry) == key) {
      if (value != <u32>TABLE_TOMBSTONE) return value;
    } else if (!value) {
      return 0;
    }
  }
  return 0;
}

/** Value of (high, low, extra) in a T16 table, 0 if it is not there. */
// @ts-ignore: decorator
@inline
export function find16(reference: u64, high: u64, low: u64, extra: u32): u32 {
  const bits = reference >> 32;
  if (!bits) return 0;
  const base = <usize>(<u32>reference);
  let at = home(mix(high, low, extra), bits);
  const first = base + (at << 5);
  const found = load<u32>(first, 20);
  if (isKey16(first, high, low, extra)) {
    if (found != <u32>TABLE_TOMBSTONE) return found;
  } else if (!found) {
    return 0;
  }
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  for (let i: usize = 0; i < mask; i++) {
    at = (at + 1) & mask;
    const entry = base + (at << 5);
    const value = load<u32>(entry, 20);
    if (isKey16(entry, high, low, extra)) {
      if (value != <u32>TABLE_TOMBSTONE) return value;
    } else if (!value) {
      return 0;
    }
  }
  return 0;
}

/** One branch for the three parts of a key. */
// @ts-ignore: decorator
@inline
function isKey16(entry: usize, high: u64, low: u64, extra: u32): bool {
  return !((load<u64>(entry) ^ high) | (load<u64>(entry, 8) ^ low) | (<u64>(load<u32>(entry, 16) ^ extra)));
}

/** Where the value stands in an entry, after the key: T4, T8 or T16 by `form`. */
// @ts-ignore: decorator
@inline
function valueOf(form: u32): usize {
  return form == 16 ? 20 : form;
}

// @ts-ignore: decorator
@inline
function strideOf(form: u32): usize {
  return form == 4 ? TABLE_ENTRY4 : form == 8 ? TABLE_ENTRY8 : TABLE_ENTRY16;
}

/** Home of the key whose octets stand at `key` as they do in an entry. */
function homeOf(form: u32, key: usize, bits: u64): usize {
  if (form == 4) return home(<u64>load<u32>(key), bits);
  if (form == 8) return home(load<u64>(key), bits);
  return home(mix(load<u64>(key), load<u64>(key, 8), load<u32>(key, 16)), bits);
}

/** Writer: adds a key (its octets as in an entry) that is not there yet; the table must have an empty entry left. */
export function insert(form: u32, reference: u64, key: usize, value: u32): void {
  const bits = reference >> 32;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  const stride = strideOf(form);
  const length = valueOf(form);
  const base = <usize>(<u32>reference);
  let at = homeOf(form, key, bits);
  while (load<u32>(base + at * stride + length)) at = (at + 1) & mask;
  const entry = base + at * stride;
  memory.copy(entry, key, length);
  atomic.store<u32>(entry + length, value);
}

/** Writer: replaces the value of an existing key, or makes it a tombstone; false if the key is not there. */
export function replace(form: u32, reference: u64, key: usize, value: u32): bool {
  const bits = reference >> 32;
  if (!bits) return false;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  const length = valueOf(form);
  let at = homeOf(form, key, bits);
  for (let i: usize = 0; i <= mask; i++) {
    const entry = <usize>(<u32>reference) + at * strideOf(form);
    const old = load<u32>(entry + length);
    if (!old) return false;
    if (old != <u32>TABLE_TOMBSTONE && !memory.compare(entry, key, length)) {
      atomic.store<u32>(entry + length, value);
      return true;
    }
    at = (at + 1) & mask;
  }
  return false;
}

/** Writer: copies the live entries of one table into another, empty one of the same form. */
export function copyTable(form: u32, from: u64, to: u64): void {
  const bits = from >> 32;
  if (!bits) return;
  const end = <usize>(<u32>from) + ((<usize>1) << (<usize>bits)) * strideOf(form);
  for (let entry = <usize>(<u32>from); entry < end; entry += strideOf(form)) {
    const value = load<u32>(entry + valueOf(form));
    if (value && value != <u32>TABLE_TOMBSTONE) insert(form, to, entry, value);
  }
}
