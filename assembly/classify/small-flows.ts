/**
 * The latency class beyond DSCP: flows of small packets at a low rate, such as voice, games, key strokes and DNS. Each flow has a
 * leaking account of octets in a flow table; while it stays below the burst, the flow is interactive. A large packet fills
 * the account, so that a flow that carries bulk has to be quiet for a while before it counts as interactive again.
 */
import {
  CONTROL,
  CONTROL_SMALL_FLOWS,
  POLICY_SMALL_BURST,
  POLICY_SMALL_PACKET,
  POLICY_SMALL_RATE,
} from '../layout';
import { findFlow, storeFlow, ticksSince } from './flow-table';

/** Whether the flow is interactive with this packet of `length` octets. */
export function isSmallFlow(policy: usize, flow: u64, length: u32, now: u64): bool {
  const table = load<u64>(CONTROL, CONTROL_SMALL_FLOWS);
  const burst = load<u32>(policy, POLICY_SMALL_BURST);
  const data = findFlow(table, flow);
  let level: u32 = 0;
  if (data) {
    const leaked = (<u64>ticksSince(data, now) * <u64>load<u32>(policy, POLICY_SMALL_RATE)) >> 8;
    const before = <u64>(<u32>data);
    level = leaked < before ? <u32>(before - leaked) : 0;
  }
  const small = length <= load<u32>(policy, POLICY_SMALL_PACKET) && level + length <= burst;
  storeFlow(table, flow, now, small ? level + length : burst + length);
  return small;
}
