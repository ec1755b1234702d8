/**
 * A bounded table of what is remembered about flows, with many writers and no lock.
 *
 *   set (64 octets) = 4 ways of    | key ^ data | data |     data = | flow tick 32 | value 32 |
 *
 * A reader takes an entry only if both words together give its key, so an entry torn by two writers is no entry: a flow may be
 * forgotten by a race, but never takes another one's value. Therefore plain loads and stores do, and no fence is paid for.
 * A full set gives its oldest entry away.
 */
import { FLOW_ENTRY, FLOW_TICK_SHIFT, FLOW_WAYS } from '../layout';

/** Flow ticks (32 microseconds) of a time in microseconds; they wrap after 38 hours. */
// @ts-ignore: decorator
@inline
export function flowTick(now: u64): u32 {
  return <u32>(now >> FLOW_TICK_SHIFT);
}

/** Flow ticks since the entry was written. */
// @ts-ignore: decorator
@inline
export function ticksSince(data: u64, now: u64): u32 {
  return flowTick(now) - <u32>(data >> 32);
}

/** The data word of `key`, 0 if there is none. */
export function findFlow(table: u64, key: u64): u64 {
  const set = setOf(table, key);
  for (let way: usize = 0; way < <usize>FLOW_WAYS; way++) {
    const entry = set + way * FLOW_ENTRY;
    const data = load<u64>(entry, 8);
    if (data && (load<u64>(entry) ^ data) == key) return data;
  }
  return 0;
}

/** Remembers `value` for `key`, with the time. */
// @ts-ignore: decorator
@inline
export function storeFlow(table: u64, key: u64, now: u64, value: u32): void {
  storeData(table, key, now, flowData(now, value));
}

// @ts-ignore: decorator
@inline
export function flowData(now: u64, value: u32): u64 {
  return ((<u64>flowTick(now)) << 32) | (<u64>value);
}

/** The same with a data word of the caller's own; entries are then replaced without regard to age. */
// @ts-ignore: decorator
@inline
export function storeData(table: u64, key: u64, now: u64, data: u64): void {
  storeEntry(placeOf(table, key, now), key, data);
}

/** The entry of `key`, or the one that it is given if it has none: for who reads and then writes. */
// @ts-ignore: decorator
@inline
export function placeOf(table: u64, key: u64, now: u64): usize {
  const first = setOf(table, key);
  const second = first + FLOW_ENTRY;
  const third = second + FLOW_ENTRY;
  const fourth = third + FLOW_ENTRY;
  const firstData = load<u64>(first, 8);
  if (!firstData || (load<u64>(first) ^ firstData) == key) return first;
  const secondData = load<u64>(second, 8);
  if (!secondData || (load<u64>(second) ^ secondData) == key) return second;
  const thirdData = load<u64>(third, 8);
  if (!thirdData || (load<u64>(third) ^ thirdData) == key) return third;
  const fourthData = load<u64>(fourth, 8);
  if (!fourthData || (load<u64>(fourth) ^ fourthData) == key) return fourth;
  // Which one is the oldest is no branch: nothing could predict it.
  const firstAge = ticksSince(firstData, now);
  const secondAge = ticksSince(secondData, now);
  const thirdAge = ticksSince(thirdData, now);
  const fourthAge = ticksSince(fourthData, now);
  const laterOfFirst = secondAge >= firstAge;
  const laterOfLast = fourthAge >= thirdAge;
  const age = select<u32>(secondAge, firstAge, laterOfFirst);
  const lastAge = select<u32>(fourthAge, thirdAge, laterOfLast);
  const victim = select<usize>(second, first, laterOfFirst);
  return select<usize>(select<usize>(fourth, third, laterOfLast), victim, lastAge >= age);
}

/** The data word of an entry that placeOf() gave, 0 if it is not yet that of `key`. */
// @ts-ignore: decorator
@inline
export function entryData(entry: usize, key: u64): u64 {
  const data = load<u64>(entry, 8);
  return data && (load<u64>(entry) ^ data) == key ? data : 0;
}

// @ts-ignore: decorator
@inline
export function storeEntry(entry: usize, key: u64, data: u64): void {
  store<u64>(entry, key ^ data);
  store<u64>(entry, data, 8);
}

/** Upper bits of the key choose the set: the lower ones choose a path (schedule/flow-hash.ts). */
// @ts-ignore: decorator
@inline
function setOf(table: u64, key: u64): usize {
  const bits = table >> 32;
  return <usize>(<u32>table) + <usize>(key >> (64 - bits)) * (FLOW_WAYS * FLOW_ENTRY);
}
