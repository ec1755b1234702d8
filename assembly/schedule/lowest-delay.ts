/**
 * Lowest delay first (the default of MPTCP; Paasch et al., CSWS 2014): the path of the smallest delay whose queue has room, where
 * "room" is GROUP_QUEUE of our own model in the place of a congestion window. If all are full, the shortest wait wins.
 * Paths whose delay is not known come last; without any delay known, the first path of the group serves.
 */
import { MEMBER_STRIDE } from '../layout';
import { longestQueue } from './fastest';
import { memberAt, memberModel, membersEnd, positionOf } from './group';
import { pathDelay, queueTime } from './path-model';

export function pickLowestDelay(group: usize, now: u64): u32 {
  const end = membersEnd(group);
  const limit = longestQueue(group);
  let best = memberAt(group, 0);
  let bestDelay = u64.MAX_VALUE;
  let least = best;
  let leastWait = u64.MAX_VALUE;
  for (let member = best; member < end; member += MEMBER_STRIDE) {
    const model = memberModel(member);
    const queue = queueTime(model, now);
    let delay = pathDelay(model);
    if (!delay) delay = <u64>u32.MAX_VALUE * 1000;
    // Without branches: which path is the best so far cannot be foreseen.
    const roomy = select<u64>(delay, u64.MAX_VALUE, queue <= limit);
    best = select<usize>(member, best, roomy < bestDelay);
    bestDelay = min<u64>(roomy, bestDelay);
    const wait = queue + delay;
    least = select<usize>(member, least, wait < leastWait);
    leastWait = min<u64>(wait, leastWait);
  }
  return positionOf(group, bestDelay == u64.MAX_VALUE ? least : best);
}
