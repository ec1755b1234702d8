/**
 * Per-flow distribution without state: the flow key names one of FLOW_SLOTS slots, the slot a path. The control thread fills
 * the slots by weighted rendezvous hashing (src/dataplane/flow-slots.ts), so that when paths come, go or change their weight,
 * only the flows move that have to. A flow that was pinned to a path stays there while the path is in the group.
 */
import { FLOW_SLOTS, GROUP_SLOTS } from '../layout';
import { pinnedMember } from './pins';

export function pickFlowHash(group: usize, flow: u64, now: u64): u32 {
  const pinned = pinnedMember(group, flow, now);
  return pinned ? pinned - 1 : slotOf(group, flow);
}

// @ts-ignore: decorator
@inline
function slotOf(group: usize, flow: u64): u32 {
  const slots = <usize>load<u32>(group, GROUP_SLOTS);
  return <u32>load<u8>(slots + <usize>(flow & (<u64>(FLOW_SLOTS - 1))));
}
