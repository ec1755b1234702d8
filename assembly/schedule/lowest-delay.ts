/**
 * Lowest delay first (the default of MPTCP; Paasch et al., CSWS 2014): the path of the smallest delay whose queue has room, where
 * "room" is GROUP_QUEUE of our own model in the place of a congestion window. If all are full, the shortest wait wins.
 * Paths whose delay is not known come last; without any delay known, the first path of the group serves.
 */
import { MEMBER_STRIDE, MODEL_DELAY } from '../layout';
import { roomUntil } from './fastest';
import { memberAt, memberModel, membersEnd, positionOf } from './group';
import { freeAt, queueTime } from './path-model';

export function pickLowestDelay(group: usize, now: u64): u32 {
  const first = memberAt(group, 0);
  const end = membersEnd(group);
  const latest = roomUntil(group, now);
  let best: usize = 0;
  let bestDelay = u64.MAX_VALUE;
  for (let member = first; member < end; member += MEMBER_STRIDE) {
    const model = memberModel(member);
    const delay = delayOrLongest(model);
    if (freeAt(model) <= latest && delay < bestDelay) {
      best = member;
      bestDelay = delay;
    }
  }
  return positionOf(group, best ? best : shortestWait(first, end, now));
}

function shortestWait(first: usize, end: usize, now: u64): usize {
  let best = first;
  let least = u64.MAX_VALUE;
  for (let member = first; member < end; member += MEMBER_STRIDE) {
    const model = memberModel(member);
    const wait = queueTime(model, now) + delayOrLongest(model) * 1000;
    if (wait < least) {
      best = member;
      least = wait;
    }
  }
  return best;
}

/** Microseconds; paths whose delay is not known (0) come last, for the difference wraps. */
// @ts-ignore: decorator
@inline
function delayOrLongest(model: usize): u64 {
  return <u64>(load<u32>(model, MODEL_DELAY) - 1);
}
