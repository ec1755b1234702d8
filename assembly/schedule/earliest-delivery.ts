/**
 * Earliest delivery path first (EDPF; Chebrolu and Rao, IEEE TMC 5(4), 2006): the path on which this packet would arrive first,
 * which is when the path is free, plus the time the packet takes at the path's rate, plus the path's delay. Needs no feedback
 * but estimates of rate and delay; while a rate is not known, the weights decide.
 */
import { memberAt, memberCount, memberModel, memberPath, pickTable } from './group';
import { octetTime, pathDelay, queueTime, sendingTime } from './path-model';
import { PATH_HEADER_LENGTH } from '../layout';

export function pickEarliest(group: usize, length: u32, now: u64): u32 {
  const count = memberCount(group);
  let best: u32 = 0;
  let earliest = u64.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    const member = memberAt(group, i);
    const model = memberModel(member);
    if (!octetTime(model)) return pickTable(group);
    const whole = length + load<u32>(memberPath(member), PATH_HEADER_LENGTH);
    const arrival = queueTime(model, now) + sendingTime(model, whole) + pathDelay(model);
    if (arrival < earliest) {
      best = i;
      earliest = arrival;
    }
  }
  return best;
}
