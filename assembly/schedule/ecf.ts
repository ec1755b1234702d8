/**
 * Earliest completion first (ECF; Lim et al., CoNEXT 2017) as a tunnel can see it. When the fastest path f is full and a slower path
 * s has room: is all that waits on f sent before s has delivered? Round trips are twice the one-way delays, k is our model's
 * queue on f, a window is what a path carries in a round trip; all of it measured in time, so that the rates cancel out:
 *
 *   max(queue_f, rtt_f) + rtt_f < (1 + beta * waiting) * (rtt_s + delta)   and   max(k / rate_s, rtt_s) >= 2 * rtt_f + delta
 *
 * Then the packet waits for f, which for a tunnel means to queue there.
 */
import { GROUP_WAITING } from '../layout';
import { NO_MEMBER, fastestOf, roomUntil, roomiestOf } from './fastest';
import { memberModel, pickTable, positionOf } from './group';
import { freeAt, octetTime, pathDelay, pathJitter, queueTime } from './path-model';

export function pickEcf(group: usize, now: u64): u32 {
  const fast = fastestOf(group);
  if (fast == NO_MEMBER) return pickTable(group);
  const fastModel = memberModel(fast);
  if (freeAt(fastModel) <= roomUntil(group, now)) {
    if (load<u32>(group, GROUP_WAITING)) store<u32>(group, 0, GROUP_WAITING);
    return positionOf(group, fast);
  }
  const slow = roomiestOf(group, fast, now);
  if (slow == NO_MEMBER) return positionOf(group, fast);
  const slowModel = memberModel(slow);
  const tripFast = 2 * pathDelay(fastModel);
  const tripSlow = 2 * pathDelay(slowModel);
  const delta = max<u64>(pathJitter(fastModel), pathJitter(slowModel));
  const queue = queueTime(fastModel, now);
  // beta = 1/4.
  const limit = tripSlow + delta;
  const widened = load<u32>(group, GROUP_WAITING) ? limit + (limit >> 2) : limit;
  if (max<u64>(queue, tripFast) + tripFast >= widened) {
    store<u32>(group, 0, GROUP_WAITING);
    return positionOf(group, slow);
  }
  // What waits on f would take s this long.
  const onSlow = (queue * <u64>octetTime(slowModel)) / <u64>octetTime(fastModel);
  if (max<u64>(onSlow, tripSlow) < 2 * tripFast + delta) return positionOf(group, slow);
  store<u32>(group, 1, GROUP_WAITING);
  return positionOf(group, fast);
}
