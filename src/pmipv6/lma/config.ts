/** What an operator tells the LMA state machine. All addresses and prefixes are in the form of src/ip.ts. */

/** How multipath requests (RFC 8278) are met: granted, ignored as a legacy LMA would, or rejected with status 180. */
export type MultipathPolicy = 'on' | 'off' | 'reject';

/** One entry of the policy profile (RFC 5213 §6.2); the first that matches counts. */
export interface NodeProfile {
  /** NAI, or a pattern with one star such as *@example.org. */
  readonly identity: string;
  /** false: status 152. */
  readonly proxyRegistration: boolean;
  readonly ipv6: boolean;
  readonly ipv4: boolean;
  /** Static home network prefixes; empty: from the pool. */
  readonly homePrefixes: readonly string[];
  /** Static IPv4 home address with its prefix length, such as 198.51.100.7/24; null: from the pool. */
  readonly homeAddress: string | null;
  /** Static delegated prefixes (RFC 7148). */
  readonly delegated: readonly string[];
  /** Whether prefixes of the pools may be delegated to the node. */
  readonly delegation: boolean;
  /** Overrides the LMA's policy. */
  readonly multipath: MultipathPolicy | null;
  /** MAGs that may register this node, by prefix of their care-of addresses or by MAG Identifier; empty: every trusted MAG. */
  readonly mags: readonly string[];
}

export interface LmaConfig {
  /** Pools that home network prefixes of `homePrefixLength` bits are cut from. */
  readonly homePrefixPools: readonly string[];
  readonly homePrefixLength: number;
  /** Home addresses come from `pool`; `router` is the default router told to nodes. */
  readonly ipv4: { readonly pool: string; readonly router: string } | null;
  readonly delegatedPools: readonly { readonly pool: string; readonly length: number }[];
  /** Care-of addresses of trusted MAGs, as prefixes; `identity` (MAG Identifier) is checked where given. */
  readonly mags: readonly { readonly prefix: string; readonly identity: string | null }[];
  readonly nodes: readonly NodeProfile[];
  readonly multipath: MultipathPolicy;
  /** Seconds; a longer request is cut to this. */
  readonly maxLifetime: number;
  /** MinDelayBeforeBCEDelete, milliseconds (RFC 5213 §9.1). */
  readonly minDelayBeforeDelete: number;
  /** MaxDelayBeforeNewBCEAssign, milliseconds. */
  readonly maxDelayBeforeAssign: number;
  /** TimestampValidityWindow, milliseconds. */
  readonly timestampWindow: number;
  /** MobileNodeGeneratedTimestampInUse: the window is not checked. */
  readonly mobileNodeTimestamps: boolean;
  /** GRE keys (RFC 5845): refused (status 2), granted if asked for, or demanded (status 163). */
  readonly gre: 'off' | 'on' | 'required';
  /** TLV header over UDP (RFC 5845 §7.2) granted if asked for. */
  readonly tlv: boolean;
  /** AcceptForcedIPv4UDPEncapsulationRequest (RFC 5844 §5). */
  readonly acceptForcedUdp: boolean;
  /** Flow bindings (RFC 6089): taken, skipped as an LMA that does not know them would, or refused with status 128. */
  readonly flowBindings: 'on' | 'off' | 'prohibited';
  /** Flow bindings that one session may have. */
  readonly maxFlows: number;
  /** Bindings are revoked by BRI (RFC 5846) on handoff and on the operator's word. */
  readonly revocation: boolean;
  /** PBUs a second that one MAG address may send; more are dropped. */
  readonly maxUpdatesPerSecond: number;
  /** Restart Counter (RFC 5847 §3.4). */
  readonly restartCounter: number;
  /** Towards MAGs that have shown that they know heartbeats; null: only answers. */
  readonly heartbeat: { readonly intervalSeconds: number; readonly missingAllowed: number } | null;
  /** Enterprise number of our Vendor Specific options (docs/wan-metrics.md). */
  readonly vendor: number;
  /** 32 random bits for GRE keys. */
  readonly randomKey: () => number;
}

/** Values of the RFCs, and the widest service; pools, MAGs and nodes have no default. */
export const LMA_DEFAULTS = {
  homePrefixPools: [],
  homePrefixLength: 64,
  ipv4: null,
  delegatedPools: [],
  multipath: 'on',
  maxLifetime: 3600,
  minDelayBeforeDelete: 10_000,
  maxDelayBeforeAssign: 1500,
  timestampWindow: 300,
  mobileNodeTimestamps: false,
  gre: 'on',
  tlv: true,
  acceptForcedUdp: true,
  flowBindings: 'on',
  maxFlows: 256,
  revocation: true,
  maxUpdatesPerSecond: 1000,
  restartCounter: 0,
  heartbeat: null,
  vendor: 32473,
} as const satisfies Partial<LmaConfig>;

export const PROFILE_DEFAULTS = {
  proxyRegistration: true,
  ipv6: true,
  ipv4: true,
  homePrefixes: [],
  homeAddress: null,
  delegated: [],
  delegation: true,
  multipath: null,
  mags: [],
} as const satisfies Partial<NodeProfile>;
