/** Where a mobility message comes from or goes to. */

/**
 * `port` is null for the Mobility Header directly over IPv6 (RFC 6275) and a UDP port for RFC 5844 (over IPv4).
 */
export interface Endpoint {
  readonly address: string;
  readonly port: number | null;
}

/** Between whom a message went, and whose it surely is. */
export interface Arrival {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** MAG Identifier that the key of the message stands for; null: there is none. */
  readonly identity: string | null;
}

/** The two clocks of a state machine, both in milliseconds. */
export interface Instant {
  /** Never jumps: for timers. */
  readonly elapsed: number;
  /** Since 1970 UTC: only for timestamps in messages. */
  readonly utc: number;
}

/** The same text for the same address and port, so that it serves as a key. */
export function endpointKey({ address, port }: Endpoint): string {
  return port === null ? address : `${address}#${port}`;
}
