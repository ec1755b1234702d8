/**
 * Puts sequenced packets into their session's window. Any worker does so for any session, without a lock:
 *
 *   number - head:   -window          0           window        2 * window
 *        ---------------|-------------|-------------|---------------|---------------
 *         restart?      | late or     | into a slot | the window    |  restart?
 *                       | duplicate   | (one CAS)   | moves on      |
 *
 * Packets far outside are kept aside: a few of them in a row that fit together mean that the sender started anew.
 */
import {
  BUFFER_ARRIVAL,
  BUFFER_INNER,
  BUFFER_LENGTH,
  BUFFER_OWNER,
  BUFFER_REORDERED,
  BUFFER_SEQUENCE,
  BUFFER_SESSION,
  CONFIG_FLAGS,
  CONFIG_FLAG_LATE_DROP,
  CONFIG_MAX_WAIT,
  DROP_DUPLICATE,
  DROP_LATE,
  DROP_SESSION_REMOVED,
  SESSION_CANDIDATES,
  SESSION_CONFIG,
  SESSION_FORCE,
  SESSION_HEAD,
  SESSION_HELD,
  SESSION_HIGHEST,
  SESSION_MASK,
  SESSION_OLDEST,
  SESSION_RENUMBERED,
  SESSION_RING,
  SESSION_SKIP_TIME,
  SESSION_SKIP_WAIT,
  SESSION_STARTED,
  SESSION_STATS,
  SESSION_STRAY,
  STAT_DUPLICATES,
  STAT_LATE,
  STAT_LOST_WINDOW,
  TOUCHED_COUNT,
  TOUCHED_HIGHEST,
  TOUCHED_MAX,
  TOUCHED_PASSED,
  TOUCHED_SESSION,
  TOUCHED_STRIDE,
  WORKER_INDEX,
  WORKER_STASH,
  WORKER_STASH_COUNT,
  WORKER_TOUCHED,
  WORKER_TOUCHED_COUNT,
  WORKER_TOUCHED_LAST,
} from '../layout';
import { freeBuffer } from '../memory/buffers';
import { hasCompany } from '../memory/shared';
import { deliver, deliveryRoom } from '../pipeline/deliver';
import { countDrop, countShared } from '../stats';
import { takeArrivals } from './arrivals';
import { noteLateness } from './estimate';
import { clearBetween, clearHistory, markDelivered } from './history';
import { lockOrMark } from './lock';
import { release } from './release';
import { dropCandidates, takeCandidate, takeRenumbered } from './restart';
import { distance, elapsed, later } from './sequence';
import { stash } from './stash';

export function offer(worker: usize, session: usize, buffer: usize): void {
  const sequence = load<u32>(buffer, BUFFER_SEQUENCE);
  const window = <i32>load<u32>(session, SESSION_MASK) + 1;
  if (load<u32>(session, SESSION_STARTED)) {
    // An older head does no harm: put() looks again behind its compare-and-swap, and a late packet finds its bit in the history.
    const ahead = distance(load<u32>(session, SESSION_HEAD), sequence);
    if (<u32>ahead < <u32>window) return put(worker, session, buffer, sequence);
    if (ahead < 0 && ahead >= -window) return takeLate(worker, session, buffer, sequence);
  }
  takeElsewhere(worker, session, buffer, sequence, window);
}

/** The session's first packet, or a number far from the window. */
function takeElsewhere(worker: usize, session: usize, buffer: usize, sequence: u32, window: i32): void {
  if (lockOrMark(worker, session)) {
    takeOutside(worker, session, buffer, sequence, window);
  } else {
    stash(worker, buffer);
  }
}

function put(worker: usize, session: usize, buffer: usize, sequence: u32): void {
  const last = <usize>load<u32>(worker, WORKER_TOUCHED_LAST);
  const entry = <usize>load<u32>(last, TOUCHED_SESSION) == session ? last : touch(worker, session);
  const highest = load<u32>(entry, TOUCHED_HIGHEST);
  const mask = load<u32>(session, SESSION_MASK);
  const slot = <usize>load<u32>(session, SESSION_RING) + ((<usize>(sequence & mask)) << 2);
  store<u32>(buffer, distance(highest, sequence) < 0 ? 1 : 0, BUFFER_REORDERED);
  store<u32>(buffer, 0, BUFFER_OWNER);
  if (!fill(worker, session, buffer, slot, sequence, mask)) return;
  store<u32>(entry, load<u32>(entry, TOUCHED_COUNT) + 1, TOUCHED_COUNT);
  store<u32>(entry, later(highest, sequence), TOUCHED_HIGHEST);
}

/** Puts a buffer that nobody owns any more into its slot. False: something is there or the head has moved past, so it went elsewhere. */
// @ts-ignore: decorator
@inline
function fill(worker: usize, session: usize, buffer: usize, slot: usize, sequence: u32, mask: u32): bool {
  if (!hasCompany() && !load<u32>(slot)) {
    store<u32>(slot, <u32>buffer);
    return true;
  }
  const before = <usize>atomic.cmpxchg<u32>(slot, 0, <u32>buffer);
  if (!before && !headMovedPast(session, sequence, mask)) return true;
  return takeBack(worker, session, buffer, slot, before, sequence);
}

/** True if the packet is in the window nevertheless, because its new owner has it already. */
function takeBack(
  worker: usize,
  session: usize,
  buffer: usize,
  slot: usize,
  before: usize,
  sequence: u32,
): bool {
  if (!before && atomic.cmpxchg<u32>(slot, <u32>buffer, 0) != <u32>buffer) return true;
  store<u32>(buffer, load<u32>(worker, WORKER_INDEX) + 1, BUFFER_OWNER);
  if (before && load<u32>(before, BUFFER_SEQUENCE) == sequence) dropDuplicate(worker, session, buffer);
  else stash(worker, buffer);
  return false;
}

function headMovedPast(session: usize, sequence: u32, mask: u32): bool {
  const ahead = distance(atomic.load<u32>(session, SESSION_HEAD), sequence);
  return ahead < 0 || ahead > <i32>mask;
}

/** The batch's entry for a session. */
export function touch(worker: usize, session: usize): usize {
  let n = load<u32>(worker, WORKER_TOUCHED_COUNT);
  // Packets of one session tend to come together: the latest entry first.
  for (let i = n; i > 0; i--) {
    const entry = worker + WORKER_TOUCHED + <usize>(i - 1) * TOUCHED_STRIDE;
    if (<usize>load<u32>(entry, TOUCHED_SESSION) == session) {
      store<u32>(worker, <u32>entry, WORKER_TOUCHED_LAST);
      return entry;
    }
  }
  if (n == <u32>TOUCHED_MAX) {
    settleTouched(worker);
    n = 0;
  }
  const entry = worker + WORKER_TOUCHED + <usize>n * TOUCHED_STRIDE;
  store<u32>(entry, <u32>session, TOUCHED_SESSION);
  store<u32>(entry, 0, TOUCHED_COUNT);
  store<u32>(entry, 0, TOUCHED_PASSED);
  store<u32>(entry, atomic.load<u32>(session, SESSION_HIGHEST), TOUCHED_HIGHEST);
  store<u32>(worker, n + 1, WORKER_TOUCHED_COUNT);
  store<u32>(worker, <u32>entry, WORKER_TOUCHED_LAST);
  return entry;
}

/** Ends a batch: what has arrived goes into the windows, and what can be released is released. */
export function settle(worker: usize): void {
  takeArrivals(worker);
  settleTouched(worker);
}

/** Announces what was put into the windows and releases what can be released. */
function settleTouched(worker: usize): void {
  const n = load<u32>(worker, WORKER_TOUCHED_COUNT);
  store<u32>(worker, 0, WORKER_TOUCHED_COUNT);
  store<u32>(worker, 0, WORKER_TOUCHED_LAST);
  for (let i: u32 = 0; i < n; i++) {
    const entry = worker + WORKER_TOUCHED + <usize>i * TOUCHED_STRIDE;
    const session = <usize>load<u32>(entry, TOUCHED_SESSION);
    const count = load<u32>(entry, TOUCHED_COUNT);
    const passed = load<u32>(entry, TOUCHED_PASSED);
    if (!(count | passed)) continue;
    atomic.add<u32>(session, count, SESSION_HELD);
    raise(session + SESSION_HIGHEST, load<u32>(entry, TOUCHED_HIGHEST));
    if (lockOrMark(worker, session)) {
      // Numbers of the present window go on: what was kept aside was no restart.
      if (load<u32>(session, SESSION_CANDIDATES)) dropCandidates(worker, session);
      store<u32>(session, 0, SESSION_STRAY);
      release(worker, session, 0, passed);
    }
  }
}

/** Raises the sequence number at `at` to `value` if that is later. */
function raise(at: usize, value: u32): void {
  let before = atomic.load<u32>(at);
  while (distance(before, value) > 0) {
    const seen = atomic.cmpxchg<u32>(at, before, value);
    if (seen == before) return;
    before = seen;
  }
}

/** A number that has been given up or delivered already. */
function takeLate(worker: usize, session: usize, buffer: usize, sequence: u32): void {
  if (atomic.load<u32>(session, SESSION_RENUMBERED)) return takeRenumbered(worker, session, buffer, sequence);
  takeOld(worker, session, buffer, sequence);
}

export function takeOld(worker: usize, session: usize, buffer: usize, sequence: u32): void {
  if (!deliveryRoom(worker)) return stash(worker, buffer);
  if (markDelivered(session, sequence)) return dropDuplicate(worker, session, buffer);
  countShared(session + SESSION_STATS + STAT_LATE);
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  if (!config) return drop(worker, buffer, DROP_SESSION_REMOVED);
  const late = elapsed(load<u64>(session, SESSION_SKIP_TIME), load<u64>(buffer, BUFFER_ARRIVAL));
  const sample = late + <u64>load<u32>(session, SESSION_SKIP_WAIT);
  const maxWait = <u64>load<u32>(config, CONFIG_MAX_WAIT);
  if (sample <= 4 * maxWait)
    noteLateness(session, <u32>min<u64>(sample, maxWait), load<u64>(buffer, BUFFER_ARRIVAL));
  if (load<u32>(config, CONFIG_FLAGS) & CONFIG_FLAG_LATE_DROP) return drop(worker, buffer, DROP_LATE);
  deliver(worker, <usize>load<u32>(buffer, BUFFER_INNER), load<u32>(buffer, BUFFER_LENGTH), buffer);
}

export function dropDuplicate(worker: usize, session: usize, buffer: usize): void {
  countShared(session + SESSION_STATS + STAT_DUPLICATES);
  drop(worker, buffer, DROP_DUPLICATE);
}

/** A number far from the window; the delivery lock is ours, so the head stands still. */
function takeOutside(worker: usize, session: usize, buffer: usize, sequence: u32, window: i32): void {
  if (!load<u32>(session, SESSION_STARTED)) {
    // RFC 2890 §2.2: a sender starts at 0. If it did not start with us, we start with it.
    if (sequence >= <u32>window) moveHead(session, sequence);
    store<u32>(session, 1, SESSION_STARTED);
    return put(worker, session, buffer, sequence);
  }
  const head = atomic.load<u32>(session, SESSION_HEAD);
  const ahead = distance(head, sequence);
  if (ahead >= 0 && ahead < window) return put(worker, session, buffer, sequence);
  if (ahead < 0 && ahead >= -window) return takeLate(worker, session, buffer, sequence);
  if (ahead >= window && ahead < 2 * window) {
    raise(session + SESSION_FORCE, sequence - <u32>(window - 1));
    // The ring may hold packets of this very batch that nobody announced yet.
    announce(worker, session);
    release(worker, session);
    if (distance(atomic.load<u32>(session, SESSION_HEAD), sequence) < window) {
      return put(worker, session, buffer, sequence);
    }
    // Nothing behind the head is in the ring any more, or the delivery list is full.
    if (!deliveryRoom(worker)) return stash(worker, buffer);
    skipTo(session, sequence - <u32>(window - 1));
    return put(worker, session, buffer, sequence);
  }
  takeCandidate(worker, session, buffer, sequence, window);
}

/** Announces what this batch has put into one session's ring so far. */
export function announce(worker: usize, session: usize): void {
  const entry = touch(worker, session);
  atomic.add<u32>(session, load<u32>(entry, TOUCHED_COUNT), SESSION_HELD);
  store<u32>(entry, 0, TOUCHED_COUNT);
  raise(session + SESSION_HIGHEST, load<u32>(entry, TOUCHED_HIGHEST));
}

/** Gives up everything up to `head`, none of which is in the ring. */
function skipTo(session: usize, head: u32): void {
  const from = atomic.load<u32>(session, SESSION_HEAD);
  const skipped = distance(from, head);
  if (skipped <= 0) return;
  countShared(session + SESSION_STATS + STAT_LOST_WINDOW, <u64>skipped);
  clearBetween(session, from, head);
  atomic.store<u32>(session, head, SESSION_HEAD);
  raise(session + SESSION_HIGHEST, head - 1);
}

/** Sets the head of an empty window. */
export function moveHead(session: usize, head: u32): void {
  clearHistory(session);
  store<u64>(session, 0, SESSION_OLDEST);
  atomic.store<u32>(session, head, SESSION_FORCE);
  atomic.store<u32>(session, head - 1, SESSION_HIGHEST);
  atomic.store<u32>(session, head, SESSION_HEAD);
}

/** Offers the stash again. */
export function retryStash(worker: usize): void {
  const n = load<u32>(worker, WORKER_STASH_COUNT);
  if (!n) return;
  store<u32>(worker, 0, WORKER_STASH_COUNT);
  // What is stashed again meanwhile lands at or before the place being read.
  for (let i: u32 = 0; i < n; i++) {
    const buffer = <usize>load<u32>(worker + WORKER_STASH + ((<usize>i) << 2));
    offer(worker, <usize>load<u32>(buffer, BUFFER_SESSION), buffer);
  }
  settle(worker);
}

/** Frees everything that a session without config holds; the delivery lock is ours, and no worker adds to it. */
export function emptyWindow(worker: usize, session: usize): void {
  const mask = load<u32>(session, SESSION_MASK);
  const ring = <usize>load<u32>(session, SESSION_RING);
  for (let i: u32 = 0; i <= mask; i++) {
    const buffer = <usize>atomic.xchg<u32>(ring + ((<usize>i) << 2), 0);
    if (buffer) drop(worker, buffer, DROP_SESSION_REMOVED);
  }
  dropCandidates(worker, session);
  store<u64>(session, 0, SESSION_OLDEST);
  atomic.store<u32>(session, 0, SESSION_HELD);
}

export function drop(worker: usize, buffer: usize, reason: u32): void {
  countDrop(worker, reason);
  freeBuffer(worker, buffer);
}
