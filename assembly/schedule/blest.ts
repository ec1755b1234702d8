/**
 * BLEST (Ferlin et al., IFIP Networking 2016) as a tunnel can see it. When the fastest path f is full and a slower path s has room:
 * would a packet on s hold up what f carries meanwhile? f sends X = rate * round trip of s * lambda; if X does not fit into
 * the window besides what is under way on s, the packet waits for f. The window is that of the peer's resequencer, in packets
 * (GROUP_WINDOW) of this packet's size; waiting means to queue on f, for a tunnel does not hold packets back.
 */
import { GROUP_LAMBDA, GROUP_WINDOW } from '../layout';
import { NO_MEMBER, fastestOf, roomUntil, roomiestOf } from './fastest';
import { memberModel, pickTable, positionOf } from './group';
import { freeAt, octetTime, pathDelay, queueTime } from './path-model';

export function pickBlest(group: usize, length: u32, now: u64): u32 {
  const fast = fastestOf(group);
  if (fast == NO_MEMBER) return pickTable(group);
  const fastModel = memberModel(fast);
  if (freeAt(fastModel) <= roomUntil(group, now)) return positionOf(group, fast);
  const slow = roomiestOf(group, fast, now);
  if (slow == NO_MEMBER) return positionOf(group, fast);
  const slowModel = memberModel(slow);
  const queue = queueTime(slowModel, now);
  const trip = 2 * pathDelay(slowModel) + queue;
  const meanwhile = (octetsIn(fastModel, trip) * <u64>load<u32>(group, GROUP_LAMBDA)) >> 8;
  const underway = octetsIn(slowModel, pathDelay(slowModel) + queue) + <u64>length;
  const window = <u64>load<u32>(group, GROUP_WINDOW) * <u64>length;
  return meanwhile + underway > window ? positionOf(group, fast) : positionOf(group, slow);
}

/** Octets that the path sends in `time` nanoseconds. */
// @ts-ignore: decorator
@inline
function octetsIn(model: usize, time: u64): u64 {
  return (time << 8) / <u64>octetTime(model);
}
