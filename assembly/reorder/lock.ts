/**
 * The delivery lock of a session. Whoever has it releases packets of the window and keeps it until they are written
 * to the TUN, so that packets of a session never overtake each other between two workers. Nobody waits for it:
 * who finds it taken leaves a mark, and the owner looks again before it lets go.
 *
 *   0 --cas--> owner --(another worker: cas)--> owner | PENDING --owner: clear, release again--> owner --cas--> 0
 */
import {
  HELD_MAX,
  LOCK_PENDING,
  SESSION_LOCK,
  WORKER_HELD,
  WORKER_HELD_COUNT,
  WORKER_INDEX,
} from '../layout';

/** True: the lock is ours (now or already). False: its owner has been told to look again. */
export function lockOrMark(worker: usize, session: usize): bool {
  const me = load<u32>(worker, WORKER_INDEX) + 1;
  while (true) {
    const now = atomic.load<u32>(session, SESSION_LOCK);
    if (!now) {
      if (load<u32>(worker, WORKER_HELD_COUNT) == <u32>HELD_MAX) return false;
      if (atomic.cmpxchg<u32>(session, 0, me, SESSION_LOCK)) continue;
      const n = load<u32>(worker, WORKER_HELD_COUNT);
      store<u32>(worker + WORKER_HELD + ((<usize>n) << 2), <u32>session);
      store<u32>(worker, n + 1, WORKER_HELD_COUNT);
      return true;
    }
    if ((now & 0xffff) == me) return true;
    if (now & LOCK_PENDING) return false;
    if (atomic.cmpxchg<u32>(session, now, now | LOCK_PENDING, SESSION_LOCK) == now) return false;
  }
}

/** Lets go unless somebody left a mark; false: the mark is taken away, look again. */
export function unlockUnlessMarked(worker: usize, session: usize): bool {
  const me = load<u32>(worker, WORKER_INDEX) + 1;
  if (atomic.cmpxchg<u32>(session, me, 0, SESSION_LOCK) == me) return true;
  atomic.and<u32>(session, ~LOCK_PENDING, SESSION_LOCK);
  return false;
}
