/**
 * What the control side says about one mobility session: the words in which configuration files, the
 * control socket and the signaling describe sessions and paths to the data plane.
 * Units are in the names; addresses are textual, without prefix length unless they are prefixes.
 */
import type { Adaptation } from '../paths/adaptive-weights.ts';
import type { HealthConfig } from '../paths/path-health.ts';
import type { WaitBounds } from '../paths/wait-bounds.ts';
import type { DistributionSpec, FlowRule, LatencyClassSpec } from './distribution-spec.ts';

/** Encapsulation names of configuration and command line (path-template.ts has the octets). */
export const ENCAPSULATIONS = ['ipip', 'gre', 'udp', 'udp-gre', 'gre-in-udp'] as const;
export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** One BID of one session. */
export interface PathSpec {
  /** Binding Identifier, 1..254 (RFC 8278 §4.1). */
  readonly bid: number;
  /** For people; defaults to `bid<N>`. */
  readonly name: string;
  readonly local: string;
  readonly remote: string;
  /** UDP destination port; 5437 for udp and udp-gre (RFC 5844 §4), 4754 for gre-in-udp (RFC 8086 §3.2). */
  readonly remotePort: number;
  /** UDP port that the local end is bound to; same defaults. */
  readonly localPort: number;
  /** Bind the path's socket to this interface (SO_BINDTODEVICE). */
  readonly interface?: string | undefined;
  readonly encapsulation: Encapsulation;
  /** Share of packets in a weighted schedule, 0..65535. 0: the path receives but is not sent on. */
  readonly weight: number;
  /** No rule sends on it either, and it is not probed: the far end does not have it yet, or not any more. */
  readonly receiveOnly?: boolean | undefined;
  /** Outer path MTU in octets. */
  readonly mtu: number;
  /** GRE header fields (RFC 2784, RFC 2890); only for gre, udp-gre and gre-in-udp. */
  readonly gre: { readonly key: boolean; readonly sequence: boolean; readonly checksum: boolean };
  /** Outer TTL or hop limit, 1..255. */
  readonly hopLimit: number;
  /** Outer DSCP: copied from the inner packet or a fixed value 0..63. */
  readonly dscp: 'copy' | number;
  /** RFC 6040 ingress mode. */
  readonly ecn: 'normal' | 'compatibility';
  /** Outer DF bit (IPv4 outer only). */
  readonly dontFragment: 'set' | 'copy' | 'clear';
  /** Tunnel Encapsulation Limit to send (RFC 2473 §4.1.1), IPv6 outer and ipip/gre only; null sends none. */
  readonly encapsulationLimit: number | null;
  /** If-Label of the interface (RFC 8278 §4.1), by which flow rules name paths. */
  readonly label?: number | undefined;
  /** What is known of the link before anything is measured: bits a second, one-way delay in microseconds. */
  readonly rate?: number | undefined;
  readonly delayUs?: number | undefined;
}

export interface ResequencerSpec extends WaitBounds {
  /** Slots, a power of two, 64..65536. */
  readonly window: number;
  /** What measured delay differences may raise both bounds to (src/paths/wait-bounds.ts); maxWaitUs if left out. */
  readonly longestWaitUs?: number | undefined;
  /** What to do with a packet that comes after its number was given up. */
  readonly late: 'deliver' | 'drop';
  /** Release a gap as soon as every live path has delivered a later number. */
  readonly provenLoss: boolean;
  /** Hold what comes over shorter paths, so that all seem as long as the longest (src/paths/equal-delay.ts); needs probes. */
  readonly equalDelay?: boolean | undefined;
}

export interface SessionSpec {
  readonly name: string;
  /** Home network prefixes, home addresses and delegated prefixes, as CIDR text. */
  readonly prefixes: readonly string[];
  /** GRE key put into packets we send; null: no key (only if no path wants one). */
  readonly sendKey: number | null;
  /** GRE key expected in packets we receive. */
  readonly receiveKey: number | null;
  /** Per-packet distribution over encapsulations without a sequence number (reorders). */
  readonly allowReordering: boolean;
  /** Clamp the MSS of TCP SYNs to the tunnel MTU. */
  readonly clampMss: boolean;
  readonly resequencer: ResequencerSpec;
  /** Scheduler of what no rule names; weighted by default. */
  readonly distribution?: Partial<DistributionSpec> | undefined;
  /** Rules for flows, in order of priority. */
  readonly flows?: readonly FlowRule[] | undefined;
  readonly latency?: LatencyClassSpec | undefined;
  /** Weights follow what is measured of the paths (docs/probes.md). */
  readonly adaptive?: boolean | undefined;
  /** How far and how fast they do. */
  readonly adaptation?: Adaptation | undefined;
  /** What is different from how paths of other sessions are probed. */
  readonly probes?: Partial<HealthConfig> | undefined;
  readonly paths: readonly PathSpec[];
}
