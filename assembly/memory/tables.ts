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

const GOLDEN: u64 = 0x9e3779b97f4a7c15;

// @ts-ignore: decorator
@inline
function home(key: u64, bits: u64): usize {
  return <usize>(((key ^ load<u64>(CONTROL, CONTROL_HASH_SEED)) * GOLDEN) >> (64 - bits));
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

/** Writer: adds a key that is not there yet; the table must have an empty entry left. */
export function insert4(reference: u64, key: u32, value: u32): void {
  const bits = reference >> 32;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  let at = home(<u64>key, bits);
  while (load<u32>(<usize>(<u32>reference) + at * TABLE_ENTRY4, 4)) at = (at + 1) & mask;
  const entry = <usize>(<u32>reference) + at * TABLE_ENTRY4;
  store<u32>(entry, key);
  atomic.store<u32>(entry, value, 4);
}

/** Writer: see insert4. */
export function insert8(reference: u64, key: u64, value: u32): void {
  const bits = reference >> 32;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  let at = home(key, bits);
  while (load<u32>(<usize>(<u32>reference) + at * TABLE_ENTRY8, 8)) at = (at + 1) & mask;
  const entry = <usize>(<u32>reference) + at * TABLE_ENTRY8;
  store<u64>(entry, key);
  atomic.store<u32>(entry, value, 8);
}

/** Writer: see insert4. */
export function insert16(reference: u64, high: u64, low: u64, extra: u32, value: u32): void {
  const bits = reference >> 32;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  let at = home(mix(high, low, extra), bits);
  while (load<u32>(<usize>(<u32>reference) + at * TABLE_ENTRY16, 20)) at = (at + 1) & mask;
  const entry = <usize>(<u32>reference) + at * TABLE_ENTRY16;
  store<u64>(entry, high);
  store<u64>(entry, low, 8);
  store<u32>(entry, extra, 16);
  atomic.store<u32>(entry, value, 20);
}

/** Writer: replaces the value of an existing key, or makes it a tombstone; false if the key is not there. */
export function replace4(reference: u64, key: u32, value: u32): bool {
  const bits = reference >> 32;
  if (!bits) return false;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  let at = home(<u64>key, bits);
  for (let i: usize = 0; i <= mask; i++) {
    const entry = <usize>(<u32>reference) + at * TABLE_ENTRY4;
    const old = load<u32>(entry, 4);
    if (!old) return false;
    if (load<u32>(entry) == key && old != <u32>TABLE_TOMBSTONE) {
      atomic.store<u32>(entry, value, 4);
      return true;
    }
    at = (at + 1) & mask;
  }
  return false;
}

/** Writer: see replace4. */
export function replace8(reference: u64, key: u64, value: u32): bool {
  const bits = reference >> 32;
  if (!bits) return false;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  let at = home(key, bits);
  for (let i: usize = 0; i <= mask; i++) {
    const entry = <usize>(<u32>reference) + at * TABLE_ENTRY8;
    const old = load<u32>(entry, 8);
    if (!old) return false;
    if (load<u64>(entry) == key && old != <u32>TABLE_TOMBSTONE) {
      atomic.store<u32>(entry, value, 8);
      return true;
    }
    at = (at + 1) & mask;
  }
  return false;
}

/** Writer: see replace4. */
export function replace16(reference: u64, high: u64, low: u64, extra: u32, value: u32): bool {
  const bits = reference >> 32;
  if (!bits) return false;
  const mask = ((<usize>1) << (<usize>bits)) - 1;
  let at = home(mix(high, low, extra), bits);
  for (let i: usize = 0; i <= mask; i++) {
    const entry = <usize>(<u32>reference) + at * TABLE_ENTRY16;
    const old = load<u32>(entry, 20);
    if (!old) return false;
    if (
      load<u64>(entry) == high &&
      load<u64>(entry, 8) == low &&
      load<u32>(entry, 16) == extra &&
      old != <u32>TABLE_TOMBSTONE
    ) {
      atomic.store<u32>(entry, value, 20);
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
  const count = (<usize>1) << (<usize>bits);
  let entry = <usize>(<u32>from);
  for (let i: usize = 0; i < count; i++) {
    if (form == 4) {
      const value = load<u32>(entry, 4);
      if (value && value != <u32>TABLE_TOMBSTONE) insert4(to, load<u32>(entry), value);
      entry += TABLE_ENTRY4;
    } else if (form == 8) {
      const value = load<u32>(entry, 8);
      if (value && value != <u32>TABLE_TOMBSTONE) insert8(to, load<u64>(entry), value);
      entry += TABLE_ENTRY8;
    } else {
      const value = load<u32>(entry, 20);
      if (value && value != <u32>TABLE_TOMBSTONE) {
        insert16(to, load<u64>(entry), load<u64>(entry, 8), load<u32>(entry, 16), value);
      }
      entry += TABLE_ENTRY16;
    }
  }
}
