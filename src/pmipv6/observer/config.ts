/** What the observer has to be told. */

export interface ObserverConfig {
  /** Whose data plane we are: the end of the tunnels that is ours. */
  readonly role: 'mag' | 'lma';
  /**
   * `host`: the interface belongs to the host of the daemon, so the daemon's own messages leave by it; what claims to be from
   * the daemon but comes in is not believed. `wire`: a copy of somebody's traffic, such as a mirror port, without directions.
   */
  readonly trust: 'host' | 'wire';
  /** Prefixes of the LMAs and MAGs that are listened to; empty: any. */
  readonly lmas: readonly string[];
  readonly mags: readonly string[];
  /** Enterprise number of the WAN metrics option (docs/wan-metrics.md). */
  readonly vendor: number;
  /** How long a PBU waits for its PBA, in milliseconds. */
  readonly answerTimeout: number;
  /** Bounds of what strangers can make us remember. */
  readonly maxPending: number;
  readonly maxSessions: number;
}

export const OBSERVER_DEFAULTS: Omit<ObserverConfig, 'role'> = {
  trust: 'host',
  lmas: [],
  mags: [],
  vendor: 32473,
  // A PBA that is later than the longest retransmission interval answers nothing any more (MAX_BINDACK_TIMEOUT, RFC 6275 §12).
  answerTimeout: 32_000,
  maxPending: 16_384,
  maxSessions: 1 << 20,
};
