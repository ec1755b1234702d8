/**
 * What a user's scheduler can ask: the module `tunloom/scheduler` of docs/schedulers.md. A scheduler is one file that exports
 *
 *   pick(group: usize, length: u32, flow: u64, now: u64): u32
 *
 * group: the paths to choose from. length: octets of the inner packet. flow: 64 bits that are the same for all packets of a
 * flow. now: nanoseconds of a clock that never jumps. The answer is a position, 0 .. pathCount(group) - 1. It is called by
 * several workers at once, for each packet, unless the group has a single path; paths that are down are not in the group.
 */
import { GROUP_USER, MEMBER_WEIGHT, MODEL_LOSS } from '../layout';
import { memberAt, memberBid, memberCount, memberHeader, memberModel, pickTable } from './group';
import * as model from './path-model';

/** Words of state that a group keeps for its scheduler. */
const STATE_WORDS: u32 = 8;

/** How many paths there are to choose from; at least 2. */
// @ts-ignore: decorator
@inline
export function pathCount(group: usize): u32 {
  return memberCount(group);
}

/** Binding Identifier of a path: stays the same while positions change. */
// @ts-ignore: decorator
@inline
export function bid(group: usize, position: u32): u32 {
  return memberBid(memberAt(group, position));
}

/** The configured weight, at least 1. */
// @ts-ignore: decorator
@inline
export function weight(group: usize, position: u32): u32 {
  return load<u32>(memberAt(group, position), MEMBER_WEIGHT);
}

/** One-way delay of the path without our own queue, in nanoseconds; 0: not known. */
// @ts-ignore: decorator
@inline
export function delay(group: usize, position: u32): u64 {
  return model.pathDelay(memberModel(memberAt(group, position)));
}

/** Variation of the delay, in nanoseconds; 0: not known. */
// @ts-ignore: decorator
@inline
export function jitter(group: usize, position: u32): u64 {
  return model.pathJitter(memberModel(memberAt(group, position)));
}

/** Lost packets in a million; 0: none, or not known. */
// @ts-ignore: decorator
@inline
export function loss(group: usize, position: u32): u32 {
  return load<u32>(memberModel(memberAt(group, position)), MODEL_LOSS);
}

/** Nanoseconds that an inner packet of `length` octets takes at the path's rate, headers included; 0: rate not known. */
// @ts-ignore: decorator
@inline
export function sendingTime(group: usize, position: u32, length: u32): u64 {
  const member = memberAt(group, position);
  return model.sendingTime(memberModel(member), length + memberHeader(member));
}

/** Nanoseconds until the path has sent what we gave it, by its rate; 0: nothing waits, or rate not known. */
// @ts-ignore: decorator
@inline
export function queueTime(group: usize, position: u32, now: u64): u64 {
  return model.queueTime(memberModel(memberAt(group, position)), now);
}

/** The position whose turn it is by weight (exact n:m over the calls): a good answer where nothing better is known. */
// @ts-ignore: decorator
@inline
export function nextByWeight(group: usize): u32 {
  return pickTable(group);
}

/** Word 0..7 of the scheduler's state in this group, shared by all workers; 0 at first and after each change of the group. */
// @ts-ignore: decorator
@inline
export function loadState(group: usize, word: u32): u32 {
  return atomic.load<u32>(stateWord(group, word));
}

// @ts-ignore: decorator
@inline
export function storeState(group: usize, word: u32, value: u32): void {
  atomic.store<u32>(stateWord(group, word), value);
}

/** Adds to a word of the state and gives what it was before; no addition of another worker is lost. */
// @ts-ignore: decorator
@inline
export function addState(group: usize, word: u32, value: u32): u32 {
  return atomic.add<u32>(stateWord(group, word), value);
}

// @ts-ignore: decorator
@inline
function stateWord(group: usize, word: u32): usize {
  return group + GROUP_USER + <usize>((word & (STATE_WORDS - 1)) << 2);
}
