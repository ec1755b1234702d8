/**
 * Flows moved to a path on purpose (`tunloom flows move`): a bounded flow table from flow key to BID, written by the control
 * thread. A pin that no packet used for CONTROL_PIN_AGE is forgotten. Nothing is looked up before the first pin.
 */
import { CONTROL, CONTROL_PIN_AGE, CONTROL_PINNED, CONTROL_PINS } from '../layout';
import { memberOfBid } from './group';
import { findFlow, flowTick, storeFlow, ticksSince } from '../classify/flow-table';

/** Uses within so many ticks (about a second) are noted once. */
const NOTE_AFTER: u32 = 1 << 15;

/** Position + 1 of the member that the flow is pinned to, 0 if there is none. */
// @ts-ignore: decorator
@inline
export function pinnedMember(group: usize, flow: u64, now: u64): u32 {
  // Plain: who sees the first pin a packet later than the control thread set it has done no harm.
  return load<u32>(CONTROL, CONTROL_PINNED) ? memberOfBid(group, lookUp(flow, now)) : 0;
}

/** The BID that the flow is pinned to, 0 = none. */
function lookUp(flow: u64, now: u64): u32 {
  const table = load<u64>(CONTROL, CONTROL_PINS);
  const data = findFlow(table, flow);
  if (!data) return 0;
  const bid = <u32>(data & 255);
  const unused = ticksSince(data, now);
  if (unused > load<u32>(CONTROL, CONTROL_PIN_AGE)) return 0;
  if (unused > NOTE_AFTER) storeFlow(table, flow, now, bid);
  return bid;
}

/** Pins the flow to `bid`, 0 lifts the pin. Control thread only. */
export function pinFlow(flow: u64, bid: u32, now: u64): void {
  storeFlow(load<u64>(CONTROL, CONTROL_PINS), flow, now, bid);
  if (bid) atomic.store<u32>(CONTROL, 1, CONTROL_PINNED);
}
