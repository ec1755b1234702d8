/** What an operator tells the access side of a MAG, and what it tells and is told by the MAG. */

/** What counts as the arrival of a node. */
export type AttachTrigger = 'router-solicitation' | 'dhcp' | 'link';

/** Why a node is said to have come; `sign-of-life`: it had fallen silent, and is there again. */
export type AttachReason = AttachTrigger | 'sign-of-life';

/** Who is behind an access interface. */
export type NodeIdentification =
  /** One node, or whatever is plugged in there: a point-to-point link. */
  | { readonly by: 'interface'; readonly identity: string }
  /**
   * Several nodes, told apart by link-layer address (lower case, with colons). Those that are not `known` are named by the template,
   * in which %mac% stands for the address without colons; null: they get no service.
   */
  | {
      readonly by: 'link-layer';
      readonly known: Readonly<Record<string, string>>;
      readonly template: string | null;
    };

export interface AccessInterfaceConfig {
  readonly name: string;
  readonly nodes: NodeIdentification;
  readonly attachOn: readonly AttachTrigger[];
  /** Access Technology Type (RFC 5213 §8.5) of this link. */
  readonly technology: number;
  /** DNS servers told to nodes, of either family (RFC 8106, RFC 2132). */
  readonly dns: readonly string[];
  /** MaxRtrAdvInterval (RFC 4861 §6.2.1), seconds. */
  readonly maxAdvertisementInterval: number;
  /** Seconds without a sign of life after which one of several nodes counts as gone; null: never. */
  readonly silence: number | null;
}

/** A network behind the MAG that lives on the delegated prefixes of a logical mobile node (RFC 8278 §3.1, RFC 7148). */
export interface LanInterfaceConfig {
  readonly name: string;
  /** Identity of the logical mobile node. */
  readonly node: string;
  /** Which /64 of a delegated prefix is advertised here. */
  readonly subnet: number;
  readonly dns: readonly string[];
  readonly maxAdvertisementInterval: number;
}

export const ACCESS_DEFAULTS = {
  attachOn: ['router-solicitation', 'dhcp', 'link'],
  technology: 3,
  dns: [],
  maxAdvertisementInterval: 600,
  silence: 300,
} as const satisfies Partial<AccessInterfaceConfig>;

/** A node has come, or is still there and asks for service again. */
export interface Attachment {
  readonly node: string;
  readonly interface: string;
  /** null while it has not sent anything. */
  readonly linkLayer: Uint8Array | null;
  readonly technology: number;
  readonly trigger: AttachReason;
}

export interface Detachment {
  readonly node: string;
  readonly interface: string;
}

/** A mobile router has given delegated prefixes back. */
export interface PrefixRelease {
  readonly node: string;
  readonly prefixes: readonly string[];
}

/** A message on an access link, for those who watch. */
export interface AccessMessage {
  readonly interface: string;
  readonly direction: 'in' | 'out';
  /** RS, RA, DHCPDISCOVER, DHCPv6 SOLICIT ... */
  readonly message: string;
  /** The essential in words. */
  readonly text: string;
}

/** The identity of the node with this link-layer address; null: it gets no service. */
export function identify(nodes: NodeIdentification, linkLayer: string): string | null {
  if (nodes.by === 'interface') return nodes.identity;
  return nodes.known[linkLayer] ?? nodes.template?.replaceAll('%mac%', linkLayer.replaceAll(':', '')) ?? null;
}
