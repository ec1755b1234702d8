/**
 * Which path each slot of a flow-hash group belongs to, by weighted rendezvous hashing (Thaler and Ravishankar, 1998; weights
 * after Schindelhauer and Schomaker, 2005): every path bids for every slot by a pseudo-random cost over its weight, the lowest
 * wins. A slot depends on no other slot, so when a path comes, goes or changes its weight, only slots move that it wins or loses.
 */
import * as L from '../../assembly/layout.ts';

/** Costs by BID, computed once. */
const costs = new Map<number, Float64Array>();

/** For each slot the position in `paths`; weights are positive. */
export function flowSlots(paths: readonly { readonly bid: number; readonly weight: number }[]): Uint8Array {
  const slots = new Uint8Array(L.FLOW_SLOTS);
  const rows = paths.map(({ bid }) => costsOf(bid));
  for (let slot = 0; slot < slots.length; slot++) {
    let best = 0;
    let least = Infinity;
    for (let i = 0; i < paths.length; i++) {
      const cost = rows[i]![slot]! / paths[i]!.weight;
      if (cost < least) {
        best = i;
        least = cost;
      }
    }
    slots[slot] = best;
  }
  return slots;
}

/** Exponentially distributed costs: the minimum of several falls to each in proportion to its rate. */
function costsOf(bid: number): Float64Array {
  let row = costs.get(bid);
  if (!row) {
    row = Float64Array.from(
      { length: L.FLOW_SLOTS },
      (_, slot) => -Math.log((mix(bid, slot) + 0.5) / 2 ** 32),
    );
    costs.set(bid, row);
  }
  return row;
}

/** 32 well mixed bits of a BID and a slot (the finaliser of MurmurHash3). */
function mix(bid: number, slot: number): number {
  let hash = Math.imul(bid, 0x9e3779b1) ^ Math.imul(slot + 1, 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
