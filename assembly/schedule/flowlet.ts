/**
 * Flowlets (Sinha, Kandula, Katabi, HotNets 2004): a flow stays on its path while its packets follow each other closely; after a
 * pause longer than the paths' delay difference it may take another one, and nothing is overtaken. A new flowlet takes the
 * path whose turn it is by weight. The memory is one flow table; a flow that it forgot begins a new flowlet.
 */
import { CONTROL, CONTROL_FLOWLETS, GROUP_GAP } from '../layout';
import { entryData, flowData, placeOf, storeEntry, ticksSince } from '../classify/flow-table';
import { memberAt, memberBid, memberOfBid, pickTable } from './group';
import { pinnedMember } from './pins';

// @ts-ignore: decorator
@inline
export function pickFlowlet(group: usize, flow: u64, now: u64): u32 {
  const pinned = pinnedMember(group, flow, now);
  if (pinned) return pinned - 1;
  const entry = placeOf(load<u64>(CONTROL, CONTROL_FLOWLETS), flow, now);
  const data = entryData(entry, flow);
  let place: u32 = 0;
  if (data && ticksSince(data, now) <= load<u32>(group, GROUP_GAP)) {
    place = memberOfBid(group, <u32>(data & 255));
  }
  const index = place ? place - 1 : pickTable(group);
  storeEntry(entry, flow, flowData(now, memberBid(memberAt(group, index))));
  return index;
}
