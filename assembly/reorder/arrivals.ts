/**
 * Packets on their way into windows. Those of a batch are collected first and then taken in runs of one session: what a worker alone
 * knows of the session stays in registers for a whole run, and no call is in the way.
 */
import {
  BUFFER_ARRIVAL,
  BUFFER_INNER,
  BUFFER_LENGTH,
  BUFFER_OWNER,
  BUFFER_REORDERED,
  BUFFER_SEQUENCE,
  BUFFER_SESSION,
  CONTROL,
  CONTROL_HOST_BASE,
  DELIVER_MAX,
  IOVEC_SIZE,
  PATH_RX_CLOCK,
  PATH_RX_HIGHEST,
  PATH_RX_SPACING,
  SESSION_CLOCK,
  SESSION_HEAD,
  SESSION_MASK,
  SESSION_RING,
  SESSION_STARTED,
  TOUCHED_COUNT,
  TOUCHED_HIGHEST,
  TOUCHED_PASSED,
  TOUCHED_SESSION,
  WORKER_ARRIVED,
  WORKER_ARRIVED_COUNT,
  WORKER_DELIVER_BUFFERS,
  WORKER_DELIVER_COUNT,
  WORKER_DELIVER_IOVECS,
  WORKER_NOW,
  WORKER_TOUCHED_LAST,
} from '../layout';
import { hasCompany } from '../memory/shared';
import { nextSpacing, noteArrival, noteBehind } from './estimate';
import { lockOrMark } from './lock';
import { advanceBy } from './release';
import { distance } from './sequence';
import { offer, touch } from './window';

/** How many packets wait to be taken; there is room for ARRIVED_MAX. */
// @ts-ignore: decorator
@inline
export function arrived(worker: usize): u32 {
  return load<u32>(worker, WORKER_ARRIVED_COUNT);
}

/**
 * Notes a packet of `length` octets at `inner` in `buffer`, which came over `path` and is to be delivered at `due` or later. The caller
 * has made sure of room; settle() must follow before deliveries are read. Neighbouring words go into one store: stores are what takes
 * the time.
 */
// @ts-ignore: decorator
@inline
export function arrive(
  worker: usize,
  session: usize,
  path: usize,
  buffer: usize,
  inner: usize,
  length: u32,
  sequence: u32,
  due: u64,
): void {
  store<u32>(buffer, sequence, BUFFER_SEQUENCE);
  store<u64>(buffer, (<u64>session) | ((<u64>length) << 32), BUFFER_SESSION);
  store<u64>(buffer, due, BUFFER_ARRIVAL);
  store<u32>(buffer, <u32>inner, BUFFER_INNER);
  const n = arrived(worker);
  store<u64>(worker + ((<usize>n) << 3), (<u64>buffer) | ((<u64>path) << 32), WORKER_ARRIVED);
  store<u32>(worker, n + 1, WORKER_ARRIVED_COUNT);
}

/** Puts all that has arrived into windows, in the order of arrival. */
export function takeArrivals(worker: usize): void {
  let at = worker + WORKER_ARRIVED;
  const end = at + ((<usize>arrived(worker)) << 3);
  store<u32>(worker, 0, WORKER_ARRIVED_COUNT);
  const alone = !hasCompany();
  while (at < end) {
    const after = alone ? takeRun(worker, at, end) : at;
    if (after == at) {
      takeOne(worker, at);
      at += 8;
    } else {
      at = after;
    }
  }
}

/** Any packet, in any company. */
function takeOne(worker: usize, at: usize): void {
  const buffer = <usize>load<u32>(at);
  const session = <usize>load<u32>(buffer, BUFFER_SESSION);
  const sequence = load<u32>(buffer, BUFFER_SEQUENCE);
  const late = distance(load<u32>(session, SESSION_HEAD), sequence) < 0;
  offer(worker, session, buffer);
  noteArrival(
    <usize>load<u32>(at, 4),
    session,
    load<u32>(session, SESSION_MASK),
    sequence,
    load<u64>(worker, WORKER_NOW),
    late,
  );
}

/**
 * A worker alone: takes packets of one session from `at` on, as long as they are what nearly all are: of the window, their slots empty,
 * of paths that are known. Gives where it stopped.
 */
function takeRun(worker: usize, at: usize, end: usize): usize {
  const session = <usize>load<u32>(<usize>load<u32>(at), BUFFER_SESSION);
  if (!load<u32>(session, SESSION_STARTED)) return at;
  const last = <usize>load<u32>(worker, WORKER_TOUCHED_LAST);
  const entry = <usize>load<u32>(last, TOUCHED_SESSION) == session ? last : touch(worker, session);
  const head = load<u32>(session, SESSION_HEAD);
  const nothingHeld = head - load<u32>(entry, TOUCHED_HIGHEST) == 1;
  if (nothingHeld && load<u32>(<usize>load<u32>(at), BUFFER_SEQUENCE) == head) {
    at = passRun(worker, session, entry, at, end);
  }
  return fillRun(session, entry, load<u64>(worker, WORKER_NOW), at, end);
}

/** Nothing is held, and what comes is what is next: it goes straight to the delivery list. */
function passRun(worker: usize, session: usize, entry: usize, at: usize, end: usize): usize {
  if (!lockOrMark(worker, session)) return at;
  const now = load<u64>(worker, WORKER_NOW);
  const n = load<u32>(worker, WORKER_DELIVER_COUNT);
  const room = at + ((<usize>(<u32>DELIVER_MAX - n)) << 3);
  const limit = min<usize>(end, room);
  const mask = load<u32>(session, SESSION_MASK);
  const ring = <usize>load<u32>(session, SESSION_RING);
  const clock = load<u64>(session, SESSION_CLOCK);
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  const first = load<u32>(session, SESSION_HEAD);
  let iovec = worker + WORKER_DELIVER_IOVECS + <usize>n * IOVEC_SIZE;
  let place = worker + WORKER_DELIVER_BUFFERS + ((<usize>n) << 2);
  let head = first;
  let next = at;
  while (next < limit) {
    const record = load<u64>(next);
    const buffer = <usize>(<u32>record);
    const path = <usize>(record >> 32);
    if (load<u32>(buffer, BUFFER_SEQUENCE) != head) break;
    if (<usize>load<u32>(buffer, BUFFER_SESSION) != session) break;
    if (load<u64>(buffer, BUFFER_ARRIVAL) > now) break;
    // What a worker that crashed has put there may not be announced yet.
    if (load<u32>(ring + ((<usize>(head & mask)) << 2))) break;
    const spacing = load<u32>(path, PATH_RX_SPACING);
    const step = distance(load<u32>(path, PATH_RX_HIGHEST), head);
    if (!spacing || step <= 0) break;
    store<u64>(iovec, base + <u64>load<u32>(buffer, BUFFER_INNER));
    store<u64>(iovec, <u64>load<u32>(buffer, BUFFER_LENGTH), 8);
    store<u32>(place, <u32>buffer);
    store<u64>(path, clock, PATH_RX_CLOCK);
    store<u32>(path, nextSpacing(spacing, step, mask), PATH_RX_SPACING);
    store<u32>(path, head, PATH_RX_HIGHEST);
    iovec += IOVEC_SIZE;
    place += 4;
    next += 8;
    head++;
  }
  const count = head - first;
  store<u32>(worker, n + count, WORKER_DELIVER_COUNT);
  store<u32>(entry, load<u32>(entry, TOUCHED_PASSED) + count, TOUCHED_PASSED);
  store<u32>(entry, head - 1, TOUCHED_HIGHEST);
  advanceBy(session, first, count, 0, 0);
  return next;
}

/** Puts packets into their slots. */
function fillRun(session: usize, entry: usize, now: u64, at: usize, end: usize): usize {
  const mask = load<u32>(session, SESSION_MASK);
  const ring = <usize>load<u32>(session, SESSION_RING);
  const head = load<u32>(session, SESSION_HEAD);
  const clock = load<u64>(session, SESSION_CLOCK);
  let highest = load<u32>(entry, TOUCHED_HIGHEST);
  let next = at;
  while (next < end) {
    const record = load<u64>(next);
    const buffer = <usize>(<u32>record);
    const path = <usize>(record >> 32);
    if (<usize>load<u32>(buffer, BUFFER_SESSION) != session) break;
    const sequence = load<u32>(buffer, BUFFER_SEQUENCE);
    if (sequence - head > mask) break;
    const slot = ring + ((<usize>(sequence & mask)) << 2);
    if (load<u32>(slot)) break;
    const spacing = load<u32>(path, PATH_RX_SPACING);
    if (!spacing) break;
    next += 8;
    const ahead = distance(highest, sequence);
    highest = ahead > 0 ? sequence : highest;
    store<u32>(buffer, 0, BUFFER_OWNER);
    store<u32>(buffer, (<u32>ahead) >> 31, BUFFER_REORDERED);
    store<u32>(slot, <u32>buffer);
    const step = distance(load<u32>(path, PATH_RX_HIGHEST), sequence);
    store<u64>(path, clock, PATH_RX_CLOCK);
    if (step > 0) {
      store<u32>(path, nextSpacing(spacing, step, mask), PATH_RX_SPACING);
      store<u32>(path, sequence, PATH_RX_HIGHEST);
    } else {
      noteBehind(path, sequence, step, mask, now);
    }
  }
  store<u32>(entry, load<u32>(entry, TOUCHED_COUNT) + <u32>((next - at) >> 3), TOUCHED_COUNT);
  store<u32>(entry, highest, TOUCHED_HIGHEST);
  return next;
}
