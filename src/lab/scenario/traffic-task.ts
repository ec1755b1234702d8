/** What the traffic threads of a real run (traffic-worker.ts) are told, and what they report. */
import type { Quantiles } from '../../sim/metrics/distribution.ts';
import type { TrafficSpec } from '../../sim/spec.ts';

/** Data of the flow with number n are asked for, or sent to, at this port plus n. */
export const FIRST_PORT = 10_000;

export interface TrafficTask {
  readonly namespace: string;
  /** Which end of the tunnel this thread plays. */
  readonly role: 'mag' | 'lma';
  readonly address: string;
  readonly peer: string;
  readonly traffic: readonly TrafficSpec[];
  readonly seed: number;
  /** Nanoseconds. */
  readonly duration: number;
}

export type TrafficMessage =
  | { readonly kind: 'ready' }
  /** Every flow has ended; numbers of flows that this end receives or sends. */
  | { readonly kind: 'done'; readonly report: EndReport }
  | { readonly kind: 'failed'; readonly reason: string };

export interface EndReport {
  readonly received: readonly ReceivedFlow[];
  readonly sent: readonly SentFlow[];
  /** Of the whole namespace's TCP (/proc/net/snmp, /proc/net/netstat). */
  readonly retransmits: number;
  readonly timeouts: number;
}

export interface ReceivedFlow {
  /** Number of the flow over all entries of the traffic. */
  readonly flow: number;
  /** Octets that the application had got when the traffic's time was over. */
  readonly octets: number;
  /** Milliseconds that each finished transfer took. */
  readonly completions: readonly number[];
  /** Datagrams, first copies; with `reordered` of them by RFC 4737, and their one-way delay in milliseconds. */
  readonly datagrams: number;
  readonly reordered: number;
  readonly delay: Quantiles;
}

export interface SentFlow {
  readonly flow: number;
  readonly datagrams: number;
}

/** The flows of all entries in order, numbered as the simulator numbers them. */
export function flowsOf(traffic: readonly TrafficSpec[]): { flow: number; spec: TrafficSpec }[] {
  return traffic
    .flatMap((spec) => Array.from({ length: spec.flows }, () => spec))
    .map((spec, flow) => ({ flow, spec }));
}
