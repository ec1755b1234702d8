/**
 * Which sessions a worker has to look at again although nothing may arrive for them: one bit a session, per worker.
 * The worker that leaves a gap behind sets its own bit; whoever closes the gap need not know.
 */
import {
  BUFFER_ARRIVAL,
  CONFIG_MAX_WAIT,
  CONTROL,
  CONTROL_SESSIONS,
  CONTROL_SESSION_CAPACITY,
  SESSION_CANDIDATES,
  SESSION_CANDIDATE_BUFFERS,
  SESSION_CONFIG,
  SESSION_DUE,
  SESSION_NUMBER,
  SESSION_OLDEST,
  SESSION_STRIDE,
  WORKER_TIMERS,
  WORKER_TIMER_COUNT,
} from '../layout';
import { currentWait } from './estimate';

export function setTimer(worker: usize, session: usize): void {
  const index = load<u32>(session, SESSION_NUMBER) - 1;
  const at = <usize>load<u32>(worker, WORKER_TIMERS) + ((<usize>(index >> 6)) << 3);
  const word = load<u64>(at);
  const bit = (<u64>1) << (index & 63);
  if (word & bit) return;
  store<u64>(at, word | bit);
  store<u32>(worker, load<u32>(worker, WORKER_TIMER_COUNT) + 1, WORKER_TIMER_COUNT);
}

export function clearTimer(worker: usize, session: usize): void {
  const index = load<u32>(session, SESSION_NUMBER) - 1;
  const at = <usize>load<u32>(worker, WORKER_TIMERS) + ((<usize>(index >> 6)) << 3);
  const word = load<u64>(at);
  const bit = (<u64>1) << (index & 63);
  if (!(word & bit)) return;
  store<u64>(at, word ^ bit);
  store<u32>(worker, load<u32>(worker, WORKER_TIMER_COUNT) - 1, WORKER_TIMER_COUNT);
}

/** The first session at or after position `from` that has a timer, 0 if there is none. */
export function nextTimer(worker: usize, from: u32): usize {
  const capacity = load<u32>(CONTROL, CONTROL_SESSION_CAPACITY);
  const timers = <usize>load<u32>(worker, WORKER_TIMERS);
  let index = from;
  while (index < capacity) {
    const word = load<u64>(timers + ((<usize>(index >> 6)) << 3)) >> (index & 63);
    if (word) {
      index += <u32>ctz<u64>(word);
      return <usize>load<u32>(CONTROL, CONTROL_SESSIONS) + <usize>index * SESSION_STRIDE;
    }
    index = (index | 63) + 1;
  }
  return 0;
}

/** When the session has to be looked at (microseconds), 0 if it need not be. */
export function deadlineOf(session: usize): u64 {
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  if (!config) return 0;
  let deadline: u64 = 0;
  const oldest = load<u64>(session, SESSION_OLDEST);
  if (oldest) deadline = oldest + <u64>currentWait(session, config);
  const due = load<u64>(session, SESSION_DUE);
  if (due && (!deadline || due < deadline)) deadline = due;
  if (load<u32>(session, SESSION_CANDIDATES)) {
    const first = <usize>load<u32>(session, SESSION_CANDIDATE_BUFFERS);
    const adopt = load<u64>(first, BUFFER_ARRIVAL) + <u64>load<u32>(config, CONFIG_MAX_WAIT);
    if (!deadline || adopt < deadline) deadline = adopt;
  }
  return deadline;
}
