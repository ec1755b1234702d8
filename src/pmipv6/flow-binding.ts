/** Flow bindings (RFC 6089) as both state machines hold them, and as the data plane gets them. */
import { nameOf } from './wire/numbers.ts';
import type { FlowIdentification } from './wire/option/flow-identification.ts';
import type { IpSelector } from './wire/option/traffic-selector.ts';

export interface FlowBinding {
  /** FID, 1..65535. */
  readonly flow: number;
  /** FID-PRI, 1..65535: the lowest that matches wins; unique in a session. */
  readonly priority: number;
  /** Packets towards the mobile node, at both ends: the MAG's data plane mirrors it (RFC 6089 §4.2.1.4). */
  readonly selector: IpSelector;
  /** A copy goes to each (RFC 6089 §4.2.1.3). */
  readonly bids: readonly number[];
}

/** Status of a Flow Identification option in a PBA (RFC 6089 §4.2). */
export const FlowStatus = {
  ACCEPTED: 0,
  PROHIBITED: 128,
  REJECTED: 129,
  MALFORMED: 130,
  BID_NOT_FOUND: 131,
  FID_NOT_FOUND: 132,
  SELECTOR_FORMAT_NOT_SUPPORTED: 133,
} as const;

export function flowStatusText(status: number): string {
  return nameOf(FlowStatus, status);
}

/**
 * What the data plane has to do: by FID-PRI, with the BIDs that exist. A binding none of whose BIDs exists is inactive, and its packets
 * go where those without a binding go (RFC 6089 §5.1.2); BIDs that do not exist are passed over among others.
 */
export function activeFlows(flows: Iterable<FlowBinding>, bids: ReadonlySet<number>): FlowBinding[] {
  const active: FlowBinding[] = [];
  for (const flow of flows) {
    const usable = flow.bids.filter((bid) => bids.has(bid));
    if (usable.length) active.push({ ...flow, bids: usable });
  }
  return active.sort((a, b) => a.priority - b.priority);
}

/** The option that answers another: FID, FID-PRI, status and nothing else. */
export function flowAnswer(flow: number, priority: number, status: number): FlowIdentification {
  return { option: 'flow-identification', flow, priority, status, bids: null, selector: null, others: [] };
}
