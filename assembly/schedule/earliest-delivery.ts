/**
 * Earliest delivery path first (EDPF; Chebrolu and Rao, IEEE TMC 5(4), 2006): the path on which this packet would arrive first,
 * which is when the path is free, plus the time the packet takes at the path's rate, plus the path's delay. Needs no feedback
 * but estimates of rate and delay. A path whose rate is not known yet takes no time to send, so that it is filled and shows what it
 * can do; while neither rate nor delay of some path are known, the weights decide.
 */
import { MEMBER_STRIDE } from '../layout';
import { memberAt, memberHeader, memberModel, membersEnd, pickTable, positionOf } from './group';
import { octetTime, pathDelay, queueTime, sendingTime } from './path-model';

export function pickEarliest(group: usize, length: u32, now: u64): u32 {
  const first = memberAt(group, 0);
  const end = membersEnd(group);
  let best = first;
  let earliest = u64.MAX_VALUE;
  for (let member = first; member < end; member += MEMBER_STRIDE) {
    const model = memberModel(member);
    if (!octetTime(model) && !pathDelay(model)) return pickTable(group);
    const sending = sendingTime(model, length + memberHeader(member));
    const arrival = queueTime(model, now) + sending + pathDelay(model);
    if (arrival < earliest) {
      best = member;
      earliest = arrival;
    }
  }
  return positionOf(group, best);
}
