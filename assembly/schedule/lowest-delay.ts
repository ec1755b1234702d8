/**
 * Lowest delay first (the default of MPTCP; Paasch et al., CSWS 2014): the path of the smallest delay whose queue has room, where
 * "room" is GROUP_QUEUE of our own model in the place of a congestion window. If all are full, the shortest wait wins.
 * Paths whose delay is not known come last; without any delay known, the first path of the group serves.
 */
import { GROUP_QUEUE } from '../layout';
import { memberAt, memberCount, memberModel } from './group';
import { pathDelay, queueTime } from './path-model';

export function pickLowestDelay(group: usize, now: u64): u32 {
  const count = memberCount(group);
  const limit = <u64>load<u32>(group, GROUP_QUEUE) * 1000;
  let best: u32 = 0;
  let bestDelay = u64.MAX_VALUE;
  let least: u32 = 0;
  let leastWait = u64.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    const model = memberModel(memberAt(group, i));
    const queue = queueTime(model, now);
    let delay = pathDelay(model);
    if (!delay) delay = <u64>u32.MAX_VALUE * 1000;
    if (queue <= limit && delay < bestDelay) {
      best = i;
      bestDelay = delay;
    }
    if (queue + delay < leastWait) {
      least = i;
      leastWait = queue + delay;
    }
  }
  return bestDelay == u64.MAX_VALUE ? least : best;
}
