/** What an operator tells the MAG state machine. All addresses and prefixes are in the form of src/ip.ts. */
import type { FlowBinding } from '../flow-binding.ts';
import type { WanMetrics } from '../tunnel-session.ts';

/** Addresses of one LMA; at least one of the two. */
export interface LmaAddress {
  /** LMAA: signaling is the Mobility Header directly over IPv6. */
  readonly ipv6: string | null;
  /** IPv4-LMAA (RFC 5844 §4): signaling is UDP on port 5436. Used by WAN interfaces that have no IPv6 address. */
  readonly ipv4: string | null;
}

/** One way to the LMA: a path of every session (RFC 8278 §3). */
export interface WanInterface {
  /** Device name, as in `interface` events and in the effects. */
  readonly name: string;
  /** Binding Identifier, 1..254, unique among the interfaces. */
  readonly bid: number;
  /** If-Label, 0..255; like interfaces may share one. */
  readonly label: number;
  /** If-ATT: access technology of the WAN interface. */
  readonly technology: number;
  /** Lower goes first: for the first registration at an unknown LMA, and for sessions without multipath. */
  readonly priority: number;
  /** The proxy care-of address if the interface has several; null: its first global address, IPv6 before IPv4. */
  readonly careOf: string | null;
  /** Octets of the largest packet of the link. */
  readonly mtu: number;
  /** Told to the LMA in a Vendor Specific option (docs/wan-metrics.md); a `metrics` event changes it. */
  readonly metrics: WanMetrics;
}

/** What a node may have, and what the MAG asks the LMA for (policy profile, RFC 5213 §6.2). */
export interface MagNode {
  /** NAI, or for attached nodes a pattern with one star such as *@example.org; the first that matches counts. */
  readonly identity: string;
  /** null: the MAG's. */
  readonly lma: LmaAddress | null;
  readonly ipv6: boolean;
  readonly ipv4: boolean;
  /** Home network prefixes to ask for; empty: the LMA assigns. */
  readonly homePrefixes: readonly string[];
  /** IPv4 home address to ask for; null: the LMA assigns. */
  readonly homeAddress: string | null;
  /** Delegated prefixes to ask for (RFC 7148): ::/0 and 0.0.0.0/0 ask for assignment; empty: none. */
  readonly delegated: readonly string[];
  readonly multipath: boolean;
  /** Names of the WAN interfaces that carry the node; null: all. */
  readonly interfaces: readonly string[] | null;
  /** Flow bindings to ask for (RFC 6089), at most 100; a `flows` event changes them. They need multipath. */
  readonly flows: readonly FlowBinding[];
}

/** A node that is always there (RFC 8278 §3.1): the MAG itself is the subscriber. `identity` is no pattern. */
export interface LogicalNode extends MagNode {
  /** Access Technology Type of its registrations. */
  readonly technology: number;
}

/**
 * GRE keys (RFC 5845): never; asked for; asked for without a key (GRE with neither key nor sequence number); only if the LMA
 * demands them (status 163).
 */
export type GrePolicy = 'off' | 'on' | 'keyless' | 'demanded';

export interface MagConfig {
  /** MAG Identifier (RFC 8278 §4.2), an NAI. */
  readonly identity: string;
  readonly lma: LmaAddress;
  readonly interfaces: readonly WanInterface[];
  readonly logicalNodes: readonly LogicalNode[];
  /** Nodes that may attach on access links. Others get no service. */
  readonly nodes: readonly MagNode[];
  readonly multipath: boolean;
  /** One bulk re-registration (B) extends all paths, where nothing speaks against it (docs/multipath.md). */
  readonly bulk: boolean;
  /** Handoff Indicator of a further path's first PBU: 1, or 6 (RFC 7864) for an LMA that knows it. */
  readonly furtherPathHandoff: 1 | 6;
  /** Seconds asked for, at least 8. */
  readonly lifetime: number;
  /** Seconds before expiry at which a binding is extended; halved lifetimes go before (RFC 8127 §3.2: 40). */
  readonly refreshBefore: number;
  /** Retransmission of PBUs, milliseconds: INITIAL_BINDACK_TIMEOUT and MAX_BINDACK_TIMEOUT (RFC 6275 §12). */
  readonly firstTimeout: number;
  readonly maxTimeout: number;
  /** MAX_UPDATE_RATE (RFC 6275 §12): PBUs a second for one node over one path. */
  readonly maxUpdatesPerBinding: number;
  /** PBUs a second to one LMA. */
  readonly maxUpdatesPerLma: number;
  /** How the LMA tells old from new messages (RFC 5213 §5.5). */
  readonly ordering: 'timestamp' | 'sequence';
  readonly gre: GrePolicy;
  /** T: GRE over UDP with TLV headers (RFC 5845 §7.2) is asked for on IPv4. */
  readonly tlv: boolean;
  /** F (RFC 5844 §4.1): UDP encapsulation on IPv4 is asked for even without a NAT. */
  readonly forceUdp: boolean;
  /** FixedMAGLinkLocalAddressOnAllAccessLinks (RFC 5213 §9.2); null: the LMA assigns one a session. */
  readonly linkLocal: string | null;
  /** Restart Counter (RFC 5847 §3.4). */
  readonly restartCounter: number;
  /** Towards LMAs that know heartbeats; null: only answers. An LMA's parameters (RFC 8127) go before. */
  readonly heartbeat: { readonly intervalSeconds: number; readonly missingAllowed: number } | null;
  /** false: answers without P, or with another MN-ID than was sent, are taken from LMAs that are known to do so. */
  readonly strict: boolean;
  /** Enterprise number of our Vendor Specific options (docs/wan-metrics.md). */
  readonly vendor: number;
  /** 32 random bits for GRE keys, sequence numbers and the spread of retransmissions. */
  readonly random: () => number;
}

/** Values of the RFCs, and the widest service; identity, LMA and interfaces have no default. */
export const MAG_DEFAULTS = {
  logicalNodes: [],
  nodes: [],
  multipath: true,
  bulk: true,
  furtherPathHandoff: 1,
  lifetime: 600,
  refreshBefore: 40,
  firstTimeout: 1000,
  maxTimeout: 32_000,
  maxUpdatesPerBinding: 3,
  maxUpdatesPerLma: 500,
  ordering: 'timestamp',
  gre: 'on',
  tlv: true,
  forceUdp: false,
  linkLocal: null,
  restartCounter: 0,
  heartbeat: { intervalSeconds: 60, missingAllowed: 3 },
  strict: true,
  vendor: 32473,
} as const satisfies Partial<MagConfig>;

export const WAN_DEFAULTS = {
  priority: 0,
  careOf: null,
  mtu: 1500,
  metrics: {},
} as const satisfies Partial<WanInterface>;

export const MAG_NODE_DEFAULTS = {
  lma: null,
  ipv6: true,
  ipv4: false,
  homePrefixes: [],
  homeAddress: null,
  delegated: [],
  multipath: true,
  interfaces: null,
  flows: [],
} as const satisfies Partial<MagNode>;

export const LOGICAL_NODE_DEFAULTS = {
  ...MAG_NODE_DEFAULTS,
  delegated: ['::/0'],
  technology: 1,
} as const satisfies Partial<LogicalNode>;
