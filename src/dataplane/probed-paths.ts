/** What whoever measures paths (src/node/path-watch.ts) may ask of a data plane: send a probe, take those that came, read counters. */
import type { SessionSpec } from './session-spec.ts';

/** Data over one path since its record was made, outer packets as they are on the wire. */
export interface PathTraffic {
  readonly txPackets: number;
  readonly txOctets: number;
  readonly rxPackets: number;
  readonly rxOctets: number;
}

/** A probe that came over a path of this session. */
export interface ReceivedProbe {
  readonly session: string;
  readonly bid: number;
  readonly arrivalUs: number;
  /** Data that the path had received when the probe came. */
  readonly packets: number;
  readonly octets: number;
  readonly message: Uint8Array;
}

/** Gets what has come since the last time, at least one. */
export type ProbeListener = (probes: readonly ReceivedProbe[]) => void;

export interface ProbedPaths {
  specs(): SessionSpec[];
  /** Whether probes can go over the path: it is there, and there are sockets to send by. */
  canProbe(session: string, bid: number): boolean;
  /** Sends 64 octets, padded if the outer packet is to have `octets`; false if the path is gone or the system refused. */
  sendProbe(session: string, bid: number, message: Uint8Array, octets?: number): boolean;
  traffic(session: string, bid: number): PathTraffic | null;
  /** Hands over what has come by now, without waiting for the event loop to get round to it. */
  pollProbes(): void;
  /** Calls `listener` with the probes that come, until the returned function is called. */
  onProbes(listener: ProbeListener): () => void;
}
