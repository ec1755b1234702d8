/**
 * What the state machines tell the data plane: a mobility session with its tunnels, seen from one end. The node layer turns
 * it into the data plane's own words and works out weights from the hints.
 */
import type { Endpoint } from './endpoint.ts';
import type { FlowBinding } from './flow-binding.ts';

/** What the signaling says about a WAN interface; rates in bit/s, times in microseconds, loss in 1/1,000,000. */
export interface WanMetrics {
  readonly weight?: number | undefined;
  readonly uplinkRate?: number | undefined;
  readonly downlinkRate?: number | undefined;
  readonly latency?: number | undefined;
  readonly loss?: number | undefined;
}

/** Encapsulation that the signaling agreed on (RFC 5213, 5844, 5845). */
export type TunnelEncapsulation = 'ipip' | 'gre' | 'udp' | 'udp-gre';

export interface TunnelPath {
  /** 1..254; 1 for a session without multipath. */
  readonly bid: number;
  /** Our end. The port is null unless the encapsulation is UDP. */
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly encapsulation: TunnelEncapsulation;
  /** If-ATT and If-Label of the MMB; access technology and null without one. */
  readonly technology: number;
  readonly label: number | null;
  readonly metrics: WanMetrics;
  /** MAG only: name of the WAN interface. */
  readonly interface: string | null;
  /** MAG only: the path is being registered or given up. Nothing is sent by it, but packets may come: the LMA sends from its answer on, or until then. */
  readonly receiveOnly?: boolean;
}

export interface TunnelSession {
  /** Unique and stable for the session's life: letters, digits, . _ @ - (at most 64). */
  readonly name: string;
  /** The node's identity in words. */
  readonly node: string;
  /** Home network prefixes, home address (/32) and delegated prefixes, as CIDR text without host bits. */
  readonly prefixes: readonly string[];
  /** GRE keys, null if the tunnels carry none. */
  readonly sendKey: number | null;
  readonly receiveKey: number | null;
  /** At least one, ascending by BID. */
  readonly paths: readonly TunnelPath[];
  /** Negotiated flow bindings by FID-PRI, selectors towards the mobile node at both ends; left out: none. */
  readonly flows?: readonly FlowBinding[];
}
