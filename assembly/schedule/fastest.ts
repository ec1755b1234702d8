/**
 * The two candidates that BLEST and ECF weigh against each other: the fastest path of the group, and the best of the others that
 * has room. In a sender of a transport protocol a path is full when its congestion window is; here, when its modelled queue
 * is longer than GROUP_QUEUE. Where an estimate is missing, there is nothing to weigh.
 */
import { GROUP_QUEUE } from '../layout';
import { memberAt, memberCount, memberModel } from './group';
import { octetTime, pathDelay, queueTime } from './path-model';

/** What fastestOf and roomiestOf give if they find none. */
export const NO_MEMBER: u32 = u32.MAX_VALUE;

/** The member of the smallest delay; NO_MEMBER if the rate or delay of any is not known. */
export function fastestOf(group: usize): u32 {
  const count = memberCount(group);
  let best: u32 = 0;
  let least = u64.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    const model = memberModel(memberAt(group, i));
    const delay = pathDelay(model);
    if (!delay || !octetTime(model)) return NO_MEMBER;
    if (delay < least) {
      best = i;
      least = delay;
    }
  }
  return best;
}

// @ts-ignore: decorator
@inline
export function isFull(group: usize, model: usize, now: u64): bool {
  return queueTime(model, now) > <u64>load<u32>(group, GROUP_QUEUE) * 1000;
}

/** Of the members other than `fastest` that have room, the one with the least delay and queue; NO_MEMBER if all are full. */
export function roomiestOf(group: usize, fastest: u32, now: u64): u32 {
  const count = memberCount(group);
  let best = NO_MEMBER;
  let least = u64.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    if (i == fastest) continue;
    const model = memberModel(memberAt(group, i));
    if (isFull(group, model, now)) continue;
    const wait = pathDelay(model) + queueTime(model, now);
    if (wait < least) {
      best = i;
      least = wait;
    }
  }
  return best;
}
