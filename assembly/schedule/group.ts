/**
 * Reads a distribution group (layout.ts, GROUP_*): its members, and the weighted schedule that every scheduler can fall back
 * to. The control thread has left out the paths that are down, so nobody here has to ask.
 */
import {
  GROUP_BIDS,
  GROUP_MEMBER_COUNT,
  GROUP_MEMBERS,
  GROUP_PERIOD,
  GROUP_SCHEDULE,
  GROUP_TICKET,
  MEMBER_BID,
  MEMBER_HEADER,
  MEMBER_MODEL,
  MEMBER_PATH,
  MEMBER_STRIDE,
} from '../layout';
import { addShared } from '../memory/shared';

// @ts-ignore: decorator
@inline
export function memberCount(group: usize): u32 {
  return load<u32>(group, GROUP_MEMBER_COUNT);
}

// @ts-ignore: decorator
@inline
export function memberAt(group: usize, index: u32): usize {
  return group + GROUP_MEMBERS + <usize>index * MEMBER_STRIDE;
}

/** Where the members end: for loops over them by address. */
// @ts-ignore: decorator
@inline
export function membersEnd(group: usize): usize {
  return memberAt(group, memberCount(group));
}

// @ts-ignore: decorator
@inline
export function positionOf(group: usize, member: usize): u32 {
  return <u32>((member - memberAt(group, 0)) / MEMBER_STRIDE);
}

/** The path record by which the member's packets are sent. */
// @ts-ignore: decorator
@inline
export function memberPath(member: usize): usize {
  return <usize>load<u32>(member, MEMBER_PATH);
}

// @ts-ignore: decorator
@inline
export function memberModel(member: usize): usize {
  return <usize>load<u32>(member, MEMBER_MODEL);
}

/** Octets of outer headers. */
// @ts-ignore: decorator
@inline
export function memberHeader(member: usize): u32 {
  return load<u32>(member, MEMBER_HEADER);
}

// @ts-ignore: decorator
@inline
export function memberBid(member: usize): u32 {
  return load<u32>(member, MEMBER_BID);
}

/** Position + 1 of the member with this BID, 0 if there is none. */
// @ts-ignore: decorator
@inline
export function memberOfBid(group: usize, bid: u32): u32 {
  return <u32>load<u8>(group + <usize>(bid & 255), GROUP_BIDS);
}

/** Draws the group's next ticket. */
// @ts-ignore: decorator
@inline
export function drawGroupTicket(group: usize): u64 {
  return addShared<u64>(group + GROUP_TICKET, 1);
}

/** The member whose turn it is in the group's weighted schedule: exact n:m, as with a session's own ticket. */
export function pickTable(group: usize): u32 {
  const period = load<u32>(group, GROUP_PERIOD);
  if (period <= 1) return 0;
  const ticket = drawGroupTicket(group);
  const position = ticket >> 32 ? <u32>(ticket % <u64>period) : <u32>ticket % period;
  return <u32>load<u8>(<usize>load<u32>(group, GROUP_SCHEDULE) + position);
}
