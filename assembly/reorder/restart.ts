/**
 * A sender that numbers its packets anew, from 0: after a restart, say. Numbers far from the window are kept aside until they show whether they
 * are that; if its probes have told (SESSION_RENUMBERED), the next old number is enough.
 */
import {
  BUFFER_INNER,
  BUFFER_LENGTH,
  BUFFER_OWNER,
  BUFFER_SEQUENCE,
  CANDIDATE_MAX,
  CONFIG_FLAGS,
  CONFIG_FLAG_LATE_DROP,
  CONFIG_PATH_COUNT,
  CONFIG_PATH_LIST,
  DROP_SEQUENCE_JUMP,
  PATH_RX_CLOCK,
  PATH_RX_SEEN,
  PATH_RX_SPACING,
  SESSION_CANDIDATES,
  SESSION_CANDIDATE_BUFFERS,
  SESSION_CANDIDATE_NEXT,
  SESSION_CLOCK,
  SESSION_CONFIG,
  SESSION_FORCE,
  SESSION_HEAD,
  SESSION_HIGHEST,
  SESSION_RENUMBERED,
  SESSION_STATS,
  SESSION_STRAY,
  STAT_LATE,
  STAT_RESTARTS,
  TOUCHED_HIGHEST,
  WORKER_INDEX,
} from '../layout';
import { deliver, deliveryRoom } from '../pipeline/deliver';
import { countShared } from '../stats';
import { lockOrMark } from './lock';
import { release } from './release';
import { distance } from './sequence';
import { stash } from './stash';
import { setTimer } from './timers';
import { announce, drop, dropDuplicate, moveHead, offer, takeOld, touch } from './window';

/** The far end is known to have begun anew, so an old number is a new packet: the window goes there. */
export function takeRenumbered(worker: usize, session: usize, buffer: usize, sequence: u32): void {
  if (!lockOrMark(worker, session)) return stash(worker, buffer);
  // Another worker may have been first.
  if (!atomic.load<u32>(session, SESSION_RENUMBERED)) return takeOld(worker, session, buffer, sequence);
  if (load<u32>(session, SESSION_CANDIDATES)) dropCandidates(worker, session);
  store<u32>(buffer, 0, BUFFER_OWNER);
  store<u32>(session, <u32>buffer, SESSION_CANDIDATE_BUFFERS);
  store<u32>(session, 1, SESSION_CANDIDATES);
  adoptCandidates(worker, session);
}

export function takeCandidate(
  worker: usize,
  session: usize,
  buffer: usize,
  sequence: u32,
  window: i32,
): void {
  let n = load<u32>(session, SESSION_CANDIDATES);
  const step = distance(load<u32>(session, SESSION_CANDIDATE_NEXT), sequence);
  const fits = step >= -(window >> 1) && step < window >> 1;
  if (n && !fits) {
    dropCandidates(worker, session);
    n = 0;
  }
  // The second of a sender that started anew and sends seldom; the first went out as a stray.
  const follows = !n && fits && load<u32>(session, SESSION_STRAY) != 0;
  if (follows && step == -1) return dropDuplicate(worker, session, buffer);
  for (let i: u32 = 0; i < n; i++) {
    const other = <usize>load<u32>(session + ((<usize>i) << 2), SESSION_CANDIDATE_BUFFERS);
    if (load<u32>(other, BUFFER_SEQUENCE) == sequence) return dropDuplicate(worker, session, buffer);
  }
  store<u32>(buffer, 0, BUFFER_OWNER);
  store<u32>(session + ((<usize>n) << 2), <u32>buffer, SESSION_CANDIDATE_BUFFERS);
  store<u32>(session, sequence + 1, SESSION_CANDIDATE_NEXT);
  store<u32>(session, n + 1, SESSION_CANDIDATES);
  if (n + 1 == <u32>CANDIDATE_MAX || follows) {
    store<u32>(session, 0, SESSION_STRAY);
    adoptCandidates(worker, session);
  } else {
    setTimer(worker, session);
  }
}

export function dropCandidates(worker: usize, session: usize): void {
  const n = load<u32>(session, SESSION_CANDIDATES);
  for (let i: u32 = 0; i < n; i++) {
    drop(
      worker,
      <usize>load<u32>(session + ((<usize>i) << 2), SESSION_CANDIDATE_BUFFERS),
      DROP_SEQUENCE_JUMP,
    );
  }
  store<u32>(session, 0, SESSION_CANDIDATES);
}

/**
 * Nothing of the old numbers came for the maximum wait, so what was kept aside goes out. Several that fit together are a sender that
 * started anew. One alone may be that as well, or an old duplicate from beyond the window; so it goes out like a late packet, and
 * only a second one that fits moves the window.
 */
export function serveCandidates(worker: usize, session: usize): void {
  if (load<u32>(session, SESSION_CANDIDATES) > 1) return adoptCandidates(worker, session);
  if (!deliveryRoom(worker)) return;
  const buffer = <usize>load<u32>(session, SESSION_CANDIDATE_BUFFERS);
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  store<u32>(session, 1, SESSION_STRAY);
  store<u32>(session, 0, SESSION_CANDIDATES);
  store<u32>(buffer, load<u32>(worker, WORKER_INDEX) + 1, BUFFER_OWNER);
  if (load<u32>(config, CONFIG_FLAGS) & CONFIG_FLAG_LATE_DROP)
    return drop(worker, buffer, DROP_SEQUENCE_JUMP);
  countShared(session + SESSION_STATS + STAT_LATE);
  deliver(worker, <usize>load<u32>(buffer, BUFFER_INNER), load<u32>(buffer, BUFFER_LENGTH), buffer);
}

/**
 * The sender started anew: what is held goes out as it is, then the window moves to the candidates. Does nothing if
 * the delivery list has no room for all of it; the session's timer brings it back.
 */
function adoptCandidates(worker: usize, session: usize): void {
  announce(worker, session);
  atomic.store<u32>(session, atomic.load<u32>(session, SESSION_HIGHEST) + 1, SESSION_FORCE);
  release(worker, session);
  const n = load<u32>(session, SESSION_CANDIDATES);
  if (distance(atomic.load<u32>(session, SESSION_HEAD), atomic.load<u32>(session, SESSION_HIGHEST)) >= 0) {
    // Keep a place free for the packet that comes next.
    const last = <usize>load<u32>(session + ((<usize>(n - 1)) << 2), SESSION_CANDIDATE_BUFFERS);
    store<u32>(last, load<u32>(worker, WORKER_INDEX) + 1, BUFFER_OWNER);
    store<u32>(session, n - 1, SESSION_CANDIDATES);
    stash(worker, last);
    return;
  }
  let first = load<u32>(<usize>load<u32>(session, SESSION_CANDIDATE_BUFFERS), BUFFER_SEQUENCE);
  for (let i: u32 = 1; i < n; i++) {
    const other = load<u32>(
      <usize>load<u32>(session + ((<usize>i) << 2), SESSION_CANDIDATE_BUFFERS),
      BUFFER_SEQUENCE,
    );
    if (distance(other, first) > 0) first = other;
  }
  store<u32>(session, 0, SESSION_CANDIDATES);
  atomic.store<u32>(session, 0, SESSION_RENUMBERED);
  moveHead(session, first);
  forgetPaths(session);
  countShared(session + SESSION_STATS + STAT_RESTARTS);
  // touch() may have an entry from before the move: start it afresh.
  const entry = touch(worker, session);
  store<u32>(entry, first - 1, TOUCHED_HIGHEST);
  for (let i: u32 = 0; i < n; i++) {
    const buffer = <usize>load<u32>(session + ((<usize>i) << 2), SESSION_CANDIDATE_BUFFERS);
    store<u32>(buffer, load<u32>(worker, WORKER_INDEX) + 1, BUFFER_OWNER);
    offer(worker, session, buffer);
  }
}

function forgetPaths(session: usize): void {
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  if (!config) return;
  const count = load<u32>(config, CONFIG_PATH_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const path = <usize>load<u32>(config + ((<usize>i) << 2), CONFIG_PATH_LIST);
    store<u32>(path, 0, PATH_RX_SEEN);
    store<u64>(path, load<u64>(session, SESSION_CLOCK), PATH_RX_CLOCK);
    store<u32>(path, 0, PATH_RX_SPACING);
  }
}
