/**
 * Probes of path health (docs/probes.md): GRE packets of the session's key, without a sequence number, of a protocol type of their own. They
 * take the way of data as far as the path; then a copy, stamped with the time and with what the path has received so far, is left for
 * the control thread, which answers (src/dataplane/probe-notes.ts). Called by decapsulation.ts.
 */
import {
  CONTROL,
  CONTROL_PATH_CAPACITY,
  CONTROL_PATH_STATS,
  CONTROL_PROBED,
  CONTROL_WORKER_COUNT,
  DROP_PROBE_MALFORMED,
  DROP_PROBE_QUEUE_FULL,
  DROP_UNKNOWN_KEY,
  META_INNER,
  META_INNER_LENGTH,
  META_KEY,
  PATH_NUMBER,
  PATH_STAT_RX_BYTES,
  PATH_STAT_RX_PACKETS,
  PATH_STAT_STRIDE,
  PROBES,
  PROBES_FIRST,
  PROBES_TAKEN,
  PROBES_WRITTEN,
  PROBE_ARRIVAL,
  PROBE_LENGTH,
  PROBE_MESSAGE,
  PROBE_OCTETS,
  PROBE_PACKETS,
  PROBE_PATH,
  PROBE_STRIDE,
  WORKER_META,
  WORKER_NOW,
  WORKER_PROBES,
} from '../layout';
import { findPath } from '../classify/peer-table';

/** Not dropped: the probe has gone to the control thread, its buffer is free. */
export const PROBE_TAKEN: u32 = 0xffff_ffff;

/** Leaves the probe that WORKER_META describes for the control thread; PROBE_TAKEN, or why it is dropped. */
export function takeProbe(worker: usize, local: u32, peer: u32): u32 {
  const meta = worker + WORKER_META;
  const path = findPath(local, peer, 1, load<u32>(meta, META_KEY));
  if (!path) return DROP_UNKNOWN_KEY;
  if (load<u32>(meta, META_INNER_LENGTH) < <u32>PROBE_LENGTH) return DROP_PROBE_MALFORMED;
  const ring = worker + WORKER_PROBES;
  const written = atomic.load<u32>(ring, PROBES_WRITTEN);
  if (written - atomic.load<u32>(ring, PROBES_TAKEN) >= <u32>PROBES) return DROP_PROBE_QUEUE_FULL;
  const note = ring + PROBES_FIRST + <usize>(written & (PROBES - 1)) * PROBE_STRIDE;
  const number = load<u32>(path, PATH_NUMBER);
  store<u32>(note, number, PROBE_PATH);
  store<u64>(note, load<u64>(worker, WORKER_NOW), PROBE_ARRIVAL);
  noteReceived(note, number);
  memory.copy(note + PROBE_MESSAGE, <usize>load<u32>(meta, META_INNER), PROBE_LENGTH);
  atomic.store<u32>(ring, written + 1, PROBES_WRITTEN);
  atomic.add<u32>(CONTROL, 1, CONTROL_PROBED);
  atomic.notify(CONTROL + CONTROL_PROBED, 1);
  return PROBE_TAKEN;
}

/** Data that the path has received, all workers together. */
function noteReceived(note: usize, path: u32): void {
  const rowOctets = <usize>load<u32>(CONTROL, CONTROL_PATH_CAPACITY) * PATH_STAT_STRIDE;
  let at = <usize>load<u32>(CONTROL, CONTROL_PATH_STATS) + <usize>path * PATH_STAT_STRIDE;
  let packets: u64 = 0;
  let octets: u64 = 0;
  for (let i: u32 = 0; i < load<u32>(CONTROL, CONTROL_WORKER_COUNT); i++) {
    packets += load<u64>(at, PATH_STAT_RX_PACKETS);
    octets += load<u64>(at, PATH_STAT_RX_BYTES);
    at += rowOctets;
  }
  store<u64>(note, packets, PROBE_PACKETS);
  store<u64>(note, octets, PROBE_OCTETS);
}
