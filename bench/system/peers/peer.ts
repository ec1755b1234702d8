/**
 * What can be measured: bare veth, tunloom, other tunnels. A peer finds out whether it is installed and starts a tunnel
 * between the two namespaces of a LabTopology, whose paths are there already.
 */
import type { TransferEnds } from '../../../src/lab/measurement.ts';
import type { LabTopology } from '../../../src/lab/topology.ts';

export interface Tunnel {
  readonly ends: TransferEnds;
  /** Processes that do the work; empty if it is all the kernel's. */
  pids(): number[];
  /** Packets sent on paths by both ends so far; only tunloom tells. */
  packets?(): number;
  stop(): Promise<void>;
}

/** What a tunnel is built on. */
export interface Ground {
  readonly topology: LabTopology;
  /** A directory for configurations, deleted afterwards. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

export interface Peer {
  readonly name: string;
  /** How many paths it is measured over: 2 if it can spread packets over several. */
  readonly paths: 1 | 2;
  /** What it was told to do, in a few words, for the report. */
  readonly settings: string;
  /** Its version, null if it is not installed. */
  find(): string | null;
  start(ground: Ground): Promise<Tunnel>;
}

/** Inner addresses of peers' tunnels (RFC 5737); tunloom has those of the lab. */
export const INNER = { mag: '192.0.2.1', lma: '192.0.2.2' } as const;

/** MTU of all peers' tunnel devices: none of their headers makes a packet longer than 1500 octets. */
export const INNER_MTU = 1440;

export function innerEnds(topology: LabTopology): TransferEnds {
  return { from: topology.mag, to: topology.lma, source: INNER.mag, destination: INNER.lma };
}
