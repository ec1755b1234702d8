/** What a binding gives a mobile node on its access link: the MAG's state machine says it, the access side carries it out. */

export interface AccessGrant {
  /** The node's identity, as in the `attach` event. */
  readonly node: string;
  /** The access interface that the node is on; null for a logical mobile node, whose delegated prefixes feed LANs. */
  readonly interface: string | null;
  /** Home network prefixes to advertise (RFC 5213 §6.9.1.2); `onLink`: L flag, from the option's off-link bit. */
  readonly homePrefixes: readonly { readonly prefix: string; readonly onLink: boolean }[];
  /** IPv4 home address with its subnet and default router (RFC 5844 §3.2.4); null: no IPv4 for this node. */
  readonly homeAddress: {
    readonly address: string;
    readonly prefixLength: number;
    readonly router: string;
  } | null;
  /** Prefixes for the networks behind the node (RFC 7148). */
  readonly delegatedPrefixes: readonly string[];
  /** Address of the MAG on the access link (RFC 5213 §6.8); null: the interface's own. */
  readonly linkLocal: string | null;
  /** Seconds until the last binding ends unless it is extended, from now on. */
  readonly lifetime: number;
  /** Octets: the largest packet that all of the session's tunnels carry whole (RFC 5213 §6.9.5). */
  readonly mtu: number;
}
