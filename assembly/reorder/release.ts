/**
 * Releases packets from the head of a session's window, in order. At a gap the head waits until the missing packet
 * arrives, is proven lost, has been waited for long enough, or the window is full. A head from a path that is made longer (MODEL_HOLD)
 * waits until it is due:
 *
 *        head                                       highest
 *          v                                           v
 *   | 41 | .. | 43 | 44 | .. | .. | 47 | 48 | .. | .. | 51 |          ring of window slots, slot = number & mask
 *     |     gap                                                       (a slot is 0 or the address of a buffer)
 *     delivered
 *
 * Everything here runs under the delivery lock (lock.ts).
 */
import {
  BUFFER_ARRIVAL,
  BUFFER_INNER,
  BUFFER_LENGTH,
  BUFFER_OWNER,
  BUFFER_REORDERED,
  BUFFER_SEQUENCE,
  CONFIG_FLAGS,
  CONFIG_FLAG_PROVEN_LOSS,
  CONFIG_MAX_WAIT,
  CONTROL,
  CONTROL_HOST_BASE,
  DELIVER_MAX,
  DEPTH_BUCKETS,
  IOVEC_SIZE,
  SESSION_CLOCK,
  SESSION_CANDIDATES,
  SESSION_CONFIG,
  SESSION_DEPTH_HISTOGRAM,
  SESSION_DUE,
  SESSION_FORCE,
  SESSION_HEAD,
  SESSION_HELD,
  SESSION_HIGHEST,
  SESSION_LAST_RELEASE,
  SESSION_MASK,
  SESSION_OLDEST,
  SESSION_RING,
  SESSION_SKIP_TIME,
  SESSION_SKIP_WAIT,
  SESSION_STATS,
  SESSION_WAIT_HISTOGRAM,
  STAT_IN_ORDER,
  STAT_LOST_PROVEN,
  STAT_LOST_TIMEOUT,
  STAT_LOST_WINDOW,
  STAT_REORDERED,
  WAIT_BUCKETS,
  WORKER_DELIVER_BUFFERS,
  WORKER_DELIVER_COUNT,
  WORKER_DELIVER_IOVECS,
  WORKER_INDEX,
  WORKER_NOW,
} from '../layout';
import { hasCompany, loadShared, storeShared } from '../memory/shared';
import { deliver, deliveryRoom } from '../pipeline/deliver';
import { currentWait, noteLateness, noteLatenesses, provenAhead } from './estimate';
import { clearAhead, markAllDelivered, markDelivered } from './history';
import { distance, elapsed } from './sequence';
import { stash } from './stash';
import { setTimer } from './timers';

/** The session's clock takes no more than 1/8 of the maximum wait from one release to the next: the rest is a pause. */
const CLOCK_STEP: u64 = 3;

/**
 * Releases what may be released now. The delivery list may fill up: then the rest waits for the next call. `drained` is
 * the time by which everything that had arrived has been read (see pipeline/expire.ts): what is missing was not there by
 * then. Later than that it may just be unread, because we were late ourselves; so without it, as in the midst of a
 * round over the devices, a gap is given up by proof or after the maximum wait only. `passed`: packets that have gone by the window
 * (arrivals.ts) since the last call.
 */
export function release(worker: usize, session: usize, drained: u64 = 0, passed: u32 = 0): void {
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  if (!config) return;
  const now = load<u64>(worker, WORKER_NOW);
  const mask = load<u32>(session, SESSION_MASK);
  const ring = <usize>load<u32>(session, SESSION_RING);
  const maxWait = <u64>load<u32>(config, CONFIG_MAX_WAIT);
  const pause = elapsed(load<u64>(session, SESSION_LAST_RELEASE), now);
  store<u64>(
    session,
    load<u64>(session, SESSION_CLOCK) + min<u64>(pause, maxWait >> CLOCK_STEP),
    SESSION_CLOCK,
  );
  store<u64>(session, now, SESSION_LAST_RELEASE);

  if (load<u64>(session, SESSION_DUE)) store<u64>(session, 0, SESSION_DUE);
  let head = atomic.load<u32>(session, SESSION_HEAD);
  let taken: u32 = 0;
  let delivered: u32 = 0;
  let reordered: u32 = 0;
  let unwaited: u32 = 0;
  // Numbers before these are given up by proof and by time-out; computed at the first gap.
  let proven = head;
  let expired = head;
  let judged = false;
  const alone = !hasCompany();
  while (true) {
    const slot = ring + ((<usize>(head & mask)) << 2);
    const buffer = <usize>loadShared<u32>(slot);
    if (buffer) {
      if (!deliveryRoom(worker)) break;
      const arrival = load<u64>(buffer, BUFFER_ARRIVAL);
      if (alone && arrival <= now) {
        const next = releaseRun(worker, session, config, ring, mask, head, now);
        taken += next - head;
        head = next;
        continue;
      }
      if (arrival > now && distance(head, atomic.load<u32>(session, SESSION_FORCE)) <= 0) {
        store<u64>(session, arrival, SESSION_DUE);
        setTimer(worker, session);
        break;
      }
      storeShared<u32>(slot, 0);
      store<u32>(buffer, load<u32>(worker, WORKER_INDEX) + 1, BUFFER_OWNER);
      taken++;
      if (load<u32>(buffer, BUFFER_SEQUENCE) == head) {
        delivered++;
        if (load<u32>(buffer, BUFFER_REORDERED)) {
          reordered++;
          measureLateness(session, config, arrival, ring, head, mask, now);
        }
        if (arrival < now) countWait(session, now - arrival);
        else unwaited++;
        markDelivered(session, head);
        deliver(worker, <usize>load<u32>(buffer, BUFFER_INNER), load<u32>(buffer, BUFFER_LENGTH), buffer);
        head = advance(session, head);
      } else {
        // Put in by a worker that still believed in an older head: it finds its place again.
        stash(worker, buffer);
      }
      continue;
    }
    if (distance(head, atomic.load<u32>(session, SESSION_HIGHEST)) < 0) {
      store<u64>(session, 0, SESSION_OLDEST);
      break;
    }
    if (distance(head, atomic.load<u32>(session, SESSION_FORCE)) > 0) {
      countOne(session, STAT_LOST_WINDOW);
    } else if (!judged) {
      // Order matters: what is judged now was in the ring before, so the slot is looked at again afterwards.
      judged = true;
      if (load<u32>(config, CONFIG_FLAGS) & CONFIG_FLAG_PROVEN_LOSS) {
        const ahead = provenAhead(session, config, head, now);
        if (ahead > 0) proven = head + ahead;
      }
      expired = findExpired(session, config, head, mask, ring, now, drained);
      continue;
    } else if (distance(head, proven) > 0) {
      countOne(session, STAT_LOST_PROVEN);
    } else if (distance(head, expired) > 0) {
      countOne(session, STAT_LOST_TIMEOUT);
      store<u64>(session, now, SESSION_SKIP_TIME);
      store<u32>(session, currentWait(session, config), SESSION_SKIP_WAIT);
    } else {
      break;
    }
    head = advance(session, head);
  }
  countMany(session + SESSION_STATS + STAT_IN_ORDER, delivered - reordered);
  countMany(session + SESSION_STATS + STAT_REORDERED, reordered);
  countMany(session + SESSION_WAIT_HISTOGRAM, unwaited);
  const held = atomic.sub<u32>(session, taken, SESSION_HELD) - taken;
  if (taken | passed) countBucket(session + SESSION_DEPTH_HISTOGRAM, held, DEPTH_BUCKETS);
  const force = atomic.load<u32>(session, SESSION_FORCE);
  if (distance(head, force) < 0) atomic.cmpxchg<u32>(session, force, head, SESSION_FORCE);
  if (load<u64>(session, SESSION_OLDEST) || load<u32>(session, SESSION_CANDIDATES)) setTimer(worker, session);
}

/**
 * A worker alone: delivers what stands at the head and in the slots behind it, as long as it is due and there is room. Nobody
 * looks at the head and the history meanwhile, so both are written once. Gives the new head.
 */
function releaseRun(
  worker: usize,
  session: usize,
  config: usize,
  ring: usize,
  mask: u32,
  first: u32,
  now: u64,
): u32 {
  const place = first & mask;
  const n = load<u32>(worker, WORKER_DELIVER_COUNT);
  const from = ring + ((<usize>place) << 2);
  const end = from + ((<usize>min<u32>(<u32>DELIVER_MAX - n, mask + 1 - place)) << 2);
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  let iovec = worker + WORKER_DELIVER_IOVECS + <usize>n * IOVEC_SIZE;
  let reordered: u32 = 0;
  let measured: u32 = 0;
  let latest: u64 = 0;
  let waited: u32 = 0;
  let slot = from;
  while (slot != end) {
    const buffer = <usize>load<u32>(slot);
    if (!buffer) break;
    const arrival = load<u64>(buffer, BUFFER_ARRIVAL);
    if (arrival >= now) {
      if (arrival > now) break;
    } else {
      waited++;
      countWait(session, now - arrival);
    }
    if (load<u32>(buffer, BUFFER_REORDERED)) {
      reordered++;
      const next = <usize>load<u32>(ring + ((slot + 4 - ring) & ((<usize>mask) << 2)));
      if (next) {
        const before = load<u64>(next, BUFFER_ARRIVAL);
        if (before <= arrival) {
          measured++;
          latest = max<u64>(latest, arrival - before);
        }
      }
    }
    store<u64>(iovec, base + <u64>load<u32>(buffer, BUFFER_INNER));
    store<u64>(iovec, <u64>load<u32>(buffer, BUFFER_LENGTH), 8);
    iovec += IOVEC_SIZE;
    slot += 4;
  }
  const count = (<u32>(slot - from)) >> 2;
  const owner = load<u32>(worker, WORKER_INDEX) + 1;
  takeBuffers(worker + WORKER_DELIVER_BUFFERS + ((<usize>n) << 2), from, slot, owner);
  store<u32>(worker, n + count, WORKER_DELIVER_COUNT);
  advanceBy(session, first, count, reordered, waited);
  if (measured)
    noteLatenesses(session, measured, <u32>min<u64>(latest, <u64>load<u32>(config, CONFIG_MAX_WAIT)), now);
  return first + count;
}

/**
 * A worker alone: `count` packets from the head `first` on have gone to the delivery list, so many of them reordered, and so many counted
 * in the histogram of waits already.
 */
export function advanceBy(session: usize, first: u32, count: u32, reordered: u32, waited: u32): void {
  markAllDelivered(session, first, first + count);
  store<u32>(session, first + count, SESSION_HEAD);
  countMany(session + SESSION_STATS + STAT_IN_ORDER, count - reordered);
  countMany(session + SESSION_STATS + STAT_REORDERED, reordered);
  countMany(session + SESSION_WAIT_HISTOGRAM, count - waited);
}

/**
 * Moves the buffers in the slots from `from` up to `end` to `list`. A slot is emptied before its buffer is marked as ours: if we
 * crash, recoverWorker() frees what is ours, so that must not be in a slot.
 */
// @ts-ignore: decorator
@inline
function takeBuffers(list: usize, from: usize, end: usize, owner: u32): void {
  while (from + 12 < end) {
    const first = load<u64>(from);
    const second = load<u64>(from, 8);
    v128.store(from, i32x4.splat(0));
    store<u64>(list, first);
    store<u64>(list, second, 8);
    store<u32>(<usize>(<u32>first), owner, BUFFER_OWNER);
    store<u32>(<usize>(first >> 32), owner, BUFFER_OWNER);
    store<u32>(<usize>(<u32>second), owner, BUFFER_OWNER);
    store<u32>(<usize>(second >> 32), owner, BUFFER_OWNER);
    from += 16;
    list += 16;
  }
  while (from < end) {
    const buffer = <usize>load<u32>(from);
    store<u32>(from, 0);
    store<u32>(list, <u32>buffer);
    store<u32>(buffer, owner, BUFFER_OWNER);
    from += 4;
    list += 4;
  }
}

/** Whether the packet at the head is there, so that release() would deliver something. */
export function headIsReady(session: usize): bool {
  const place = atomic.load<u32>(session, SESSION_HEAD) & load<u32>(session, SESSION_MASK);
  return atomic.load<u32>(<usize>load<u32>(session, SESSION_RING) + ((<usize>place) << 2)) != 0;
}

// @ts-ignore: decorator
@inline
function advance(session: usize, head: u32): u32 {
  head++;
  clearAhead(session, head);
  storeShared<u32>(session + SESSION_HEAD, head);
  return head;
}

/** How much later the reordered head came than the number after it. */
function measureLateness(
  session: usize,
  config: usize,
  arrival: u64,
  ring: usize,
  head: u32,
  mask: u32,
  now: u64,
): void {
  const next = <usize>atomic.load<u32>(ring + ((<usize>((head + 1) & mask)) << 2));
  if (!next) return;
  const nextArrival = load<u64>(next, BUFFER_ARRIVAL);
  if (nextArrival > arrival) return;
  noteLateness(session, <u32>min<u64>(arrival - nextArrival, <u64>load<u32>(config, CONFIG_MAX_WAIT)), now);
}

/**
 * The number after the last held packet that has waited long enough: everything before it is given up (RFC 2890
 * §2.2). SESSION_OLDEST, a lower bound of all held arrivals, makes the walk over the window rare.
 */
function findExpired(
  session: usize,
  config: usize,
  head: u32,
  mask: u32,
  ring: usize,
  now: u64,
  drained: u64,
): u32 {
  const wait = <u64>currentWait(session, config);
  const maxWait = <u64>load<u32>(config, CONFIG_MAX_WAIT);
  const bound = load<u64>(session, SESSION_OLDEST);
  if (bound && elapsed(bound, drained) < wait && elapsed(bound, now) < maxWait) return head;
  const highest = atomic.load<u32>(session, SESSION_HIGHEST);
  const last = min<u32>(<u32>distance(head, highest), mask);
  let oldest: u64 = 0;
  let expired = head;
  for (let i: u32 = 1; i <= last; i++) {
    const buffer = <usize>atomic.load<u32>(ring + ((<usize>((head + i) & mask)) << 2));
    if (!buffer) continue;
    const arrival = load<u64>(buffer, BUFFER_ARRIVAL);
    if (elapsed(arrival, drained) >= wait || elapsed(arrival, now) >= maxWait) {
      expired = head + i;
    } else if (!oldest || arrival < oldest) {
      oldest = arrival;
    }
  }
  // Nothing found although something is announced: another worker is just about to put it in.
  store<u64>(session, oldest ? oldest : now, SESSION_OLDEST);
  return expired;
}

// @ts-ignore: decorator
@inline
function countOne(session: usize, statistic: usize): void {
  countMany(session + SESSION_STATS + statistic, 1);
}

// @ts-ignore: decorator
@inline
function countMany(at: usize, by: u32): void {
  store<u64>(at, load<u64>(at) + <u64>by);
}

function countWait(session: usize, wait: u64): void {
  countBucket(session + SESSION_WAIT_HISTOGRAM, <u32>min<u64>(wait, u32.MAX_VALUE), WAIT_BUCKETS);
}

/** Bucket 0 counts zeros, bucket i counts 2^(i-1) .. 2^i - 1, the last one everything above. */
// @ts-ignore: decorator
@inline
function countBucket(histogram: usize, value: u32, buckets: u32): void {
  const bucket = min<u32>(32 - clz<u32>(value), buckets - 1);
  countMany(histogram + ((<usize>bucket) << 3), 1);
}
