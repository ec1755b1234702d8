/**
 * The two candidates that BLEST and ECF weigh against each other: the fastest path of the group, and the best of the others that
 * has room. In a sender of a transport protocol a path is full when its congestion window is; here, when its modelled queue
 * is longer than GROUP_QUEUE. Where an estimate is missing, there is nothing to weigh.
 */
import { GROUP_QUEUE, MEMBER_STRIDE, MODEL_DELAY } from '../layout';
import { memberAt, memberModel, membersEnd } from './group';
import { freeAt, freeAtWithin, octetTime, pathDelay, queueTime } from './path-model';

/** What fastestOf and roomiestOf, which give addresses, give if they find none. */
export const NO_MEMBER: usize = 0;

/** The member of the smallest delay; NO_MEMBER if the rate or delay of any is not known. */
export function fastestOf(group: usize): usize {
  const end = membersEnd(group);
  let best = memberAt(group, 0);
  let least = u32.MAX_VALUE;
  for (let member = best; member < end; member += MEMBER_STRIDE) {
    const model = memberModel(member);
    const delay = load<u32>(model, MODEL_DELAY);
    if (!delay || !octetTime(model)) return NO_MEMBER;
    if (delay < least) {
      best = member;
      least = delay;
    }
  }
  return best;
}

/** A path of the group has room if its freeAt() is no later. */
// @ts-ignore: decorator
@inline
export function roomUntil(group: usize, now: u64): u64 {
  return freeAtWithin(<u64>load<u32>(group, GROUP_QUEUE) * 1000, now);
}

/** Of the members other than `fastest` that have room, the one with the least delay and queue; NO_MEMBER if all are full. */
export function roomiestOf(group: usize, fastest: usize, now: u64): usize {
  const end = membersEnd(group);
  const latest = roomUntil(group, now);
  let best = NO_MEMBER;
  let least = u64.MAX_VALUE;
  for (let member = memberAt(group, 0); member < end; member += MEMBER_STRIDE) {
    const model = memberModel(member);
    if (freeAt(model) > latest || member == fastest) continue;
    const wait = pathDelay(model) + queueTime(model, now);
    if (wait < least) {
      best = member;
      least = wait;
    }
  }
  return best;
}
