/** What is simulated: paths, traffic, what happens when. Times are nanoseconds, rates bits a second, sizes octets. */
import type { DistributionSpec, LatencyClassSpec } from '../dataplane/distribution-spec.ts';
import type { ResequencerSpec } from '../dataplane/session-spec.ts';
import type { LinkSpec } from './link.ts';

export type Direction = 'uplink' | 'downlink';
export const DIRECTIONS = ['uplink', 'downlink'] as const;

export interface SimPath {
  readonly bid: number;
  readonly name: string;
  readonly weight: number;
  readonly uplink: LinkSpec;
  readonly downlink: LinkSpec;
}

interface TrafficBase {
  readonly name: string;
  readonly direction: Direction;
  readonly start: number;
  readonly stop: number;
  /** Copies of this source, each a flow of its own. */
  readonly flows: number;
  /** The octet of the IPv4 header. */
  readonly tos: number;
}

export const CONGESTION_CONTROLS = ['reno', 'cubic', 'bbr'] as const;
export type CongestionControlName = (typeof CONGESTION_CONTROLS)[number];

export type TrafficSpec = TrafficBase &
  (
    | { readonly model: 'constant' | 'poisson'; readonly rate: number; readonly packet: number }
    /** Constant while on; on and off last exponentially distributed times of these means. */
    | {
        readonly model: 'on-off';
        readonly rate: number;
        readonly packet: number;
        readonly on: number;
        readonly off: number;
      }
    /** Nanoseconds from the start, and inner octets. */
    | { readonly model: 'recorded'; readonly times: readonly number[]; readonly sizes: readonly number[] }
    /** As much as goes, or `octets`. */
    | { readonly model: 'tcp'; readonly congestion: CongestionControlName; readonly octets: number | null }
    /** A request, `octets` in answer, a pause of exponentially distributed length, and again. */
    | {
        readonly model: 'requests';
        readonly congestion: CongestionControlName;
        readonly octets: number;
        readonly pause: number;
      }
  );

export type SimEvent = { readonly at: number; readonly bid: number } & (
  | { readonly change: 'down' | 'up' }
  | { readonly change: 'weight'; readonly weight: number }
  | { readonly change: 'link'; readonly uplink: Partial<LinkSpec>; readonly downlink: Partial<LinkSpec> }
);

export interface SimSpec {
  readonly name: string;
  readonly duration: number;
  readonly paths: readonly SimPath[];
  readonly traffic: readonly TrafficSpec[];
  readonly events: readonly SimEvent[];
  readonly resequencer: ResequencerSpec;
  /** Directions in which the receiving end makes all paths as long as the longest, and the sending end knows it. */
  readonly equalDelay?: readonly Direction[] | undefined;
  readonly latency?: LatencyClassSpec | undefined;
  /** After how long both ends know that a path is down, or up again. */
  readonly detection: number;
  /** Nanoseconds between two probes of a path. */
  readonly probeInterval: number;
  /** Schedulers get the links' true state at once instead of what probes tell. */
  readonly oracle: boolean;
  /** Nanoseconds for which an end collects packets before it works them off. */
  readonly batch: number;
}

export interface SimRun {
  readonly spec: SimSpec;
  readonly seed: number;
  readonly distribution: Partial<DistributionSpec>;
}
