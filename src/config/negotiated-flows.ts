/** Flow rules of a MAG's configuration as flow bindings that it negotiates with its LMA (RFC 6089). */
import type { FlowBinding } from '../pmipv6/flow-binding.ts';
import type { FileFlow, FileServices } from './flow-schema.ts';
import { flowRulesOf } from './flow-rules.ts';
import type { Complaint } from './cross-checks.ts';

const MAX_FLOWS = 100;

/** One binding for each selector of each rule; FID and FID-PRI count from 1 in the order of the rules' priorities. */
export function negotiatedFlows(flows: readonly FileFlow[], services: FileServices): FlowBinding[] {
  return flowRulesOf(flows, services)
    .toSorted((a, b) => a.priority - b.priority)
    .flatMap(({ selectors, action }) => {
      const bids = 'bids' in action ? action.bids : [];
      return selectors.map((selector) => ({ selector, bids }));
    })
    .map((binding, i) => ({ flow: i + 1, priority: i + 1, ...binding }));
}

/** What cannot be said in RFC 6089: a flow has one path, or a copy on each of several. */
export function checkNegotiated(
  flows: readonly FileFlow[],
  services: FileServices,
  path: readonly PropertyKey[],
): Complaint[] {
  const complaints = flows.flatMap(({ path: bid, copies }, i) =>
    bid === undefined && copies === undefined
      ? [{ path: [...path, i], message: 'only path and copies can be negotiated (RFC 6089 §4.2.1.3)' }]
      : [],
  );
  const count = complaints.length ? 0 : negotiatedFlows(flows, services).length;
  if (count > MAX_FLOWS) {
    complaints.push({ path: [...path], message: `${count} flow bindings, at most ${MAX_FLOWS}` });
  }
  return complaints;
}
