/**
 * The clock of the resequencer: what a worker does when time has passed although nothing arrived. Called whenever the
 * earliest deadline is over and whenever the stash is not empty.
 */
import {
  BUFFER_ARRIVAL,
  CONFIG_MAX_WAIT,
  CONTROL,
  CONTROL_SESSIONS,
  CONTROL_WORKER_COUNT,
  SESSION_CANDIDATES,
  SESSION_CANDIDATE_BUFFERS,
  SESSION_CONFIG,
  SESSION_STRIDE,
  WORKERS,
  WORKER_DRAINED,
  WORKER_INDEX,
  WORKER_NOW,
  WORKER_STRIDE,
  WORKER_TIMER_COUNT,
} from '../layout';
import { lockOrMark } from '../reorder/lock';
import { elapsed } from '../reorder/sequence';
import { release } from '../reorder/release';
import { clearTimer, deadlineOf, nextTimer } from '../reorder/timers';
import { serveCandidates } from '../reorder/restart';
import { retryStash, settle } from '../reorder/window';
import { deliveryRoom } from './deliver';

/**
 * Releases what has waited long enough; deliveries may follow. `drained`: whatever had arrived on this worker's devices
 * by then has been read (0: unknown).
 */
export function expireDue(worker: usize, now: u64, drained: u64): void {
  store<u64>(worker, now, WORKER_NOW);
  retryStash(worker);
  if (!load<u32>(worker, WORKER_TIMER_COUNT)) return;
  const all = drainedByAll(worker, drained);
  let session = nextTimer(worker, 0);
  while (session && deliveryRoom(worker)) {
    const deadline = deadlineOf(session);
    if (!deadline) {
      clearTimer(worker, session);
    } else if (deadline <= now && lockOrMark(worker, session)) {
      clearTimer(worker, session);
      if (candidatesAreDue(session, now)) serveCandidates(worker, session);
      release(worker, session, all);
    }
    session = nextTimer(worker, positionOf(session) + 1);
  }
  settle(worker);
}

/** The time by which every worker has read what had arrived: one that is in the midst of a round may hold the missing. */
function drainedByAll(worker: usize, drained: u64): u64 {
  const me = load<u32>(worker, WORKER_INDEX);
  const count = load<u32>(CONTROL, CONTROL_WORKER_COUNT);
  let earliest = drained;
  for (let index: u32 = 0; index < count; index++) {
    if (index == me) continue;
    const other = <usize>WORKERS + <usize>index * WORKER_STRIDE;
    earliest = min<u64>(earliest, atomic.load<u64>(other, WORKER_DRAINED));
  }
  return earliest;
}

/** Microseconds of the earliest deadline among the worker's timers, 0 if there is none. Timers that nobody needs any more go. */
export function earliestDeadline(worker: usize): u64 {
  if (!load<u32>(worker, WORKER_TIMER_COUNT)) return 0;
  let earliest: u64 = 0;
  let session = nextTimer(worker, 0);
  while (session) {
    const deadline = deadlineOf(session);
    if (!deadline) clearTimer(worker, session);
    else if (!earliest || deadline < earliest) earliest = deadline;
    session = nextTimer(worker, positionOf(session) + 1);
  }
  return earliest;
}

/** Nothing of the old numbers came for the maximum wait: what was kept aside is what the sender sends now. */
function candidatesAreDue(session: usize, now: u64): bool {
  if (!load<u32>(session, SESSION_CANDIDATES)) return false;
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  if (!config) return false;
  const first = <usize>load<u32>(session, SESSION_CANDIDATE_BUFFERS);
  return elapsed(load<u64>(first, BUFFER_ARRIVAL), now) >= <u64>load<u32>(config, CONFIG_MAX_WAIT);
}

function positionOf(session: usize): u32 {
  return <u32>((session - <usize>load<u32>(CONTROL, CONTROL_SESSIONS)) / SESSION_STRIDE);
}
