/**
 * From a distribution group to a path: the one switch over the algorithms. Called once a packet (each segment of a
 * super-packet is scheduled by itself) unless the session distributes by its own ticket alone (weighted.ts).
 */
import {
  ALGORITHM_BLEST,
  ALGORITHM_CUSTOM,
  ALGORITHM_DEFICIT,
  ALGORITHM_EARLIEST,
  ALGORITHM_ECF,
  ALGORITHM_FLOWLET,
  ALGORITHM_FLOW_HASH,
  ALGORITHM_LOWEST_DELAY,
  ALGORITHM_OVERFLOW,
  ALGORITHM_RANDOM,
  ALGORITHM_REDUNDANT,
  COUNTER_PICK_REFUSED,
  GROUP_ALGORITHM,
  GROUP_FLAGS,
  GROUP_FLAG_CHARGE,
  GROUP_FLAG_SEQUENCED,
  GROUP_UNSEQUENCED,
  PATH_NUMBER,
  WORKER_FLOW,
  WORKER_NOW,
} from '../layout';
import { addShared } from '../memory/shared';
import { count } from '../stats';
import { pickBlest } from './blest';
import { pick as pickCustom } from './custom';
import { pickDeficit } from './deficit';
import { pickEarliest } from './earliest-delivery';
import { pickEcf } from './ecf';
import { pickFlowHash } from './flow-hash';
import { pickFlowlet } from './flowlet';
import { memberAt, memberCount, memberHeader, memberModel, memberPath, pickTable } from './group';
import { pickLowestDelay } from './lowest-delay';
import { pickOverflow } from './overflow';
import { charge } from './path-model';
import { pickRandom } from './random';
import { drawTicket } from './weighted';

/** The path record for an inner packet of `length` octets, 0 if the group is empty. */
// @ts-ignore: decorator
@inline
export function choosePath(worker: usize, group: usize, length: u32): usize {
  const members = memberCount(group);
  const now = load<u64>(worker, WORKER_NOW);
  let index: u32 = 0;
  if (members > 1) index = pick(worker, group, length, now);
  else if (!members) return 0;
  const member = memberAt(group, index);
  if (load<u32>(group, GROUP_FLAGS) & GROUP_FLAG_CHARGE) {
    charge(memberModel(member), length + memberHeader(member), now * 1000);
  }
  return memberPath(member);
}

/** Position of the chosen member; the group has at least one. `now` in microseconds. */
// @ts-ignore: decorator
@inline
function pick(worker: usize, group: usize, length: u32, now: u64): u32 {
  switch (load<u32>(group, GROUP_ALGORITHM)) {
    case ALGORITHM_DEFICIT:
      return pickDeficit(group, length);
    case ALGORITHM_RANDOM:
      return pickRandom(group);
    case ALGORITHM_FLOW_HASH:
      return pickFlowHash(group, load<u64>(worker, WORKER_FLOW), now);
    case ALGORITHM_FLOWLET:
      return pickFlowlet(group, load<u64>(worker, WORKER_FLOW), now);
    case ALGORITHM_LOWEST_DELAY:
      return pickLowestDelay(group, now * 1000);
    case ALGORITHM_EARLIEST:
      return pickEarliest(group, length, now * 1000);
    case ALGORITHM_OVERFLOW:
      return pickOverflow(group, length, now);
    case ALGORITHM_BLEST:
      return pickBlest(group, length, now * 1000);
    case ALGORITHM_ECF:
      return pickEcf(group, now * 1000);
    case ALGORITHM_REDUNDANT:
      // The others get copies, see redundant.ts.
      return 0;
    case ALGORITHM_CUSTOM: {
      const index = pickCustom(group, length, load<u64>(worker, WORKER_FLOW), now * 1000);
      if (index < memberCount(group)) return index;
      count(worker, COUNTER_PICK_REFUSED);
      return 0;
    }
    default:
      return pickTable(group);
  }
}

// @ts-ignore: decorator
@inline
export function isSequencedGroup(group: usize): bool {
  return (load<u32>(group, GROUP_FLAGS) & GROUP_FLAG_SEQUENCED) != 0;
}

/**
 * The number for the next packet of a group: the session's sequence number, or a count of the group's own, which only goes into
 * the outer IPv4 identification, so that packets that bypass the resequencer leave no gap in it.
 */
// @ts-ignore: decorator
@inline
export function drawNumber(session: usize, group: usize): u32 {
  return isSequencedGroup(group) ? <u32>drawTicket(session) : addShared<u32>(group + GROUP_UNSEQUENCED, 1);
}

/** For benchmarks: a sum over the paths that `picks` packets take, 4 microseconds apart, each of another flow. */
export function pickMany(worker: usize, group: usize, length: u32, picks: u32): u32 {
  let sum: u32 = 0;
  let now = load<u64>(worker, WORKER_NOW);
  let flow = load<u64>(worker, WORKER_FLOW);
  for (let i: u32 = 0; i < picks; i++) {
    now += 4;
    flow = flow * 0x9e3779b97f4a7c15 + 1;
    store<u64>(worker, now, WORKER_NOW);
    store<u64>(worker, flow, WORKER_FLOW);
    sum = sum * 31 + load<u32>(choosePath(worker, group, length), PATH_NUMBER);
  }
  return sum;
}
