/** Sessions and paths as the session store has installed them, and what of them a change leaves as it is. */
import type { PathCounters } from './counters.ts';
import { PATH_STATES, type PathState } from './distribution-spec.ts';
import type { PathEnds } from './endpoints.ts';
import type { PeerAddress } from './lookup-tables.ts';
import type { ConfigBlock } from './session-record.ts';
import type { WaitBounds } from '../paths/wait-bounds.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';
import type { PathStatus } from './status.ts';
import type { Stranger } from './strangers.ts';

export interface InstalledPath {
  readonly spec: PathSpec;
  readonly number: number;
  readonly ends: PathEnds;
  readonly peer: PeerAddress;
  readonly peerNumber: number;
  readonly keyed: boolean;
  readonly selector: number;
  /** Counters of records that this path had before. */
  readonly before: PathCounters;
  /** The operator's word, and what is measured: the worse of the two counts. */
  readonly word: PathState;
  readonly measured: PathState;
  readonly state: PathState;
  /** It has 1 / `divisor` of its weight: a path that comes back is eased in. */
  readonly divisor: number;
}

export interface InstalledSession {
  index: number;
  /** When its numbers and its window began: microseconds since 1970. */
  sinceUs: number;
  spec: SessionSpec;
  paths: InstalledPath[];
  /** Given up, but packets may still be on their way by them. */
  leaving: InstalledPath[];
  config: ConfigBlock;
  /** As measured; null: as configured. */
  waits: WaitBounds | null;
}

/** Whether both can share a record of the shared memory. */
export function sameRecord(a: PathSpec, b: PathSpec): boolean {
  const same = { weight: 0, name: '', label: 0, receiveOnly: false };
  return JSON.stringify({ ...a, ...same }) === JSON.stringify({ ...b, ...same });
}

/** Whether the numbers of packets go on: other GRE keys are another sender, or another receiver. */
export function sameKeys(a: SessionSpec, b: SessionSpec): boolean {
  return a.sendKey === b.sendKey && a.receiveKey === b.receiveKey;
}

/** The waits that were measured, if both specs set them the same limits. */
export function keptWaits(
  { waits }: InstalledSession,
  before: SessionSpec,
  after: SessionSpec,
): WaitBounds | null {
  const limits = ({ resequencer: { minWaitUs, maxWaitUs, longestWaitUs } }: SessionSpec): string =>
    [minWaitUs, maxWaitUs, longestWaitUs].join();
  return limits(before) === limits(after) ? waits : null;
}

/** Whether the session's present schedule serves the same paths in the same order. */
export function sameSchedule(
  session: InstalledSession,
  paths: readonly InstalledPath[],
  weights: readonly number[],
): boolean {
  const key = (list: readonly InstalledPath[], shares: readonly number[]): string =>
    list.map(({ spec }, i) => `${spec.bid}=${shares[i]}`).join();
  return key(session.paths, session.config.distribution.weights) === key(paths, weights);
}

/** The path as it is told of. */
export function pathStatus({ spec, state }: InstalledPath, mtu: number, counters: PathCounters): PathStatus {
  const { bid, name, encapsulation, local, remote, weight, label = null } = spec;
  return { bid, name, encapsulation, local, remote, weight, state, label, mtu, ...counters };
}

/** The worse of two states. */
export function worseState(a: PathState, b: PathState): PathState {
  return PATH_STATES[Math.max(PATH_STATES.indexOf(a), PATH_STATES.indexOf(b))]!;
}

/** Whether the stranger has the address of the path's other end, but not its port. */
export function isOfStranger({ ends, peer }: InstalledPath, { local, address, port }: Stranger): boolean {
  return (
    ends.local === local &&
    peer.port !== 0 &&
    peer.port !== port &&
    peer.address.every((octet, i) => octet === address[i])
  );
}

/** Microseconds since 1970, of a clock that a restart does not set back. */
export function utcMicroseconds(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
