/**
 * Which numbers of the last window have been delivered: one bit each in a ring of 2 * window bits. It tells a late
 * packet from a duplicate. Words are cleared one ahead of the head, so no more than a store in 32 packets.
 */
import { SESSION_HISTORY, SESSION_MASK } from '../layout';
import { orShared } from '../memory/shared';
import { distance } from './sequence';

// @ts-ignore: decorator
@inline
export function wordOf(session: usize, sequence: u32): usize {
  const bits = (load<u32>(session, SESSION_MASK) << 1) | 1;
  return <usize>load<u32>(session, SESSION_HISTORY) + ((<usize>((sequence & bits) >> 5)) << 2);
}

/** Notes that `sequence` is delivered; true if it had been noted before. */
// @ts-ignore: decorator
@inline
export function markDelivered(session: usize, sequence: u32): bool {
  const bit: u32 = 1 << (sequence & 31);
  return (orShared(wordOf(session, sequence), bit) & bit) != 0;
}

/**
 * Notes that `from` up to the one before `to` are delivered, and clears ahead of every value that the head takes on the way; for
 * a worker alone.
 */
export function markAllDelivered(session: usize, from: u32, to: u32): void {
  while (from != to) {
    const count = min<u32>(32 - (from & 31), to - from);
    const word = wordOf(session, from);
    store<u32>(word, load<u32>(word) | ((u32.MAX_VALUE >> (32 - count)) << (from & 31)));
    from += count;
    if (!(from & 31)) store<u32>(wordOf(session, from + 32), 0);
  }
}

/** To be called for every value that the head takes. */
// @ts-ignore: decorator
@inline
export function clearAhead(session: usize, head: u32): void {
  if (!(head & 31)) atomic.store<u32>(wordOf(session, head + 32), 0);
}

/** The same for a head that leaps from `from` to `to`; a leap past the whole history forgets it. */
export function clearBetween(session: usize, from: u32, to: u32): void {
  const window = load<u32>(session, SESSION_MASK) + 1;
  if (to - from >= window) return clearHistory(session);
  for (let head = (from | 31) + 1; distance(head, to) >= 0; head += 32) clearAhead(session, head);
}

/** Forgets everything. */
export function clearHistory(session: usize): void {
  const octets = (<usize>load<u32>(session, SESSION_MASK) + 1) >> 2;
  memory.fill(<usize>load<u32>(session, SESSION_HISTORY), 0, octets);
}
