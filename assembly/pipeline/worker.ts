/** A worker's region: made ready before its loop starts, and after it crashed. */
import {
  BATCH,
  CONTROL,
  CONTROL_GENERATION,
  CONTROL_SESSIONS,
  CONTROL_SESSION_CAPACITY,
  MAX_ENDPOINTS,
  PATH_GROUP_HASH_BITS,
  SESSION_CONFIG,
  SESSION_LOCK,
  SESSION_OLDEST,
  SESSION_STRIDE,
  WORKERS,
  WORKER_ARRIVED_COUNT,
  WORKER_DELIVER_COUNT,
  WORKER_DELIVER_FAILED,
  WORKER_DRAINED,
  WORKER_FREE_COUNT,
  WORKER_GENERATION,
  WORKER_GROUP_COUNT,
  WORKER_GROUP_OF,
  WORKER_HEARTBEAT,
  WORKER_HELD_COUNT,
  WORKER_ICMP_REFILL,
  WORKER_ICMP_TOKENS,
  WORKER_INDEX,
  WORKER_PATH_GROUP_OF,
  WORKER_RECEIVE_BUFFERS,
  WORKER_SEGMENT_DONE,
  WORKER_RESERVE,
  WORKER_SEND_COUNT,
  WORKER_STASH_COUNT,
  WORKER_STRIDE,
  WORKER_TIMERS,
  WORKER_TIMER_COUNT,
  WORKER_TOUCHED_COUNT,
  WORKER_TOUCHED_LAST,
} from '../layout';
import { reclaimBuffers } from '../memory/buffers';
import { lockOrMark } from '../reorder/lock';
import { setTimer } from '../reorder/timers';
import { emptyWindow } from '../reorder/window';
import { layDeliveryHeaders } from './deliver';
import { tellProbes } from './probe';

/** Address of worker `index`'s region. */
export function workerAddress(index: u32): usize {
  return <usize>WORKERS + <usize>index * WORKER_STRIDE;
}

/** Empties the lists of worker `index`; `timers` is the address of its timer bit set. Counters stay. */
export function initialiseWorker(index: u32, timers: u32): void {
  const worker = workerAddress(index);
  store<u32>(worker, index, WORKER_INDEX);
  store<u32>(worker, timers, WORKER_TIMERS);
  store<u32>(worker, 0, WORKER_FREE_COUNT);
  store<u32>(worker, 0, WORKER_ARRIVED_COUNT);
  store<u32>(worker, 0, WORKER_DELIVER_COUNT);
  store<u32>(worker, 0, WORKER_DELIVER_FAILED);
  layDeliveryHeaders(worker);
  store<u32>(worker, 0, WORKER_SEND_COUNT);
  store<u32>(worker, 0, WORKER_GROUP_COUNT);
  store<u32>(worker, 0, WORKER_HELD_COUNT);
  store<u32>(worker, 0, WORKER_TOUCHED_COUNT);
  store<u32>(worker, 0, WORKER_TOUCHED_LAST);
  store<u32>(worker, 0, WORKER_STASH_COUNT);
  store<u32>(worker, 0, WORKER_TIMER_COUNT);
  store<u32>(worker, 0, WORKER_ICMP_TOKENS);
  store<u64>(worker, 0, WORKER_ICMP_REFILL);
  atomic.store<u64>(worker, u64.MAX_VALUE, WORKER_DRAINED);
  memory.fill(worker + WORKER_RECEIVE_BUFFERS, 0, BATCH << 2);
  memory.fill(worker + WORKER_GROUP_OF, 0, MAX_ENDPOINTS << 1);
  memory.fill(worker + WORKER_PATH_GROUP_OF, 0, 2 << PATH_GROUP_HASH_BITS);
  store<u32>(worker, 0, WORKER_SEGMENT_DONE);
  store<u32>(worker, 0, WORKER_RESERVE);
  memory.fill(timers, 0, ((load<u32>(CONTROL, CONTROL_SESSION_CAPACITY) + 63) >> 6) << 3);
}

/** The worker looks at its devices; whatever had arrived by `drained` it has read in earlier rounds. */
export function startRound(worker: usize, drained: u64): void {
  atomic.store<u64>(worker, drained, WORKER_DRAINED);
}

/** A batch end: the worker holds no reference to a published table any more. `drained`: and has nothing left to read. */
export function passBatchEnd(worker: usize, drained: bool): void {
  if (drained) atomic.store<u64>(worker, u64.MAX_VALUE, WORKER_DRAINED);
  atomic.store<u32>(worker, atomic.load<u32>(CONTROL, CONTROL_GENERATION), WORKER_GENERATION);
  atomic.add<u32>(worker, 1, WORKER_HEARTBEAT);
  tellProbes(worker);
}

/**
 * After worker `index` crashed and before it is started again: frees its locks and its buffers, and hands its timers
 * over to its successor. Gives the number of buffers reclaimed.
 */
export function recoverWorker(index: u32, timers: u32): u32 {
  initialiseWorker(index, timers);
  const reclaimed = reclaimBuffers(index);
  const worker = workerAddress(index);
  let session = <usize>load<u32>(CONTROL, CONTROL_SESSIONS);
  const capacity = load<u32>(CONTROL, CONTROL_SESSION_CAPACITY);
  for (let i: u32 = 0; i < capacity; i++) {
    if (atomic.load<u32>(session, SESSION_CONFIG)) {
      if ((atomic.load<u32>(session, SESSION_LOCK) & 0xffff) == index + 1)
        atomic.store<u32>(session, 0, SESSION_LOCK);
      // Its gaps may be open and its head ready: the timer makes the successor look.
      if (!load<u64>(session, SESSION_OLDEST)) store<u64>(session, 1, SESSION_OLDEST);
      setTimer(worker, session);
    }
    session += SESSION_STRIDE;
  }
  return reclaimed;
}

/** Gives the buffers that region `index` has in hand back to the pool; nothing may run on it. */
export function returnBuffers(index: u32): u32 {
  store<u32>(workerAddress(index), 0, WORKER_FREE_COUNT);
  return reclaimBuffers(index);
}

/**
 * Frees what a removed session still holds. Called with a worker region of the control thread's own after every
 * worker has passed a batch end; false: a worker has the session's lock, try again.
 */
export function emptySession(worker: usize, session: usize): bool {
  if (!lockOrMark(worker, session)) return false;
  emptyWindow(worker, session);
  atomic.store<u32>(session, 0, SESSION_LOCK);
  store<u32>(worker, 0, WORKER_HELD_COUNT);
  return true;
}
