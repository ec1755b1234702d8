/**
 * Probes of path health (docs/probes.md): GRE packets of the session's key, without a sequence number, of a protocol type of their own;
 * where there is no key, inner UDP packets to or from a link-local address. They take the way of data as far as the path; then a copy,
 * stamped with the time and with what the path has received so far, is left for the control thread, which answers
 * (src/dataplane/probe-notes.ts). Called by decapsulation.ts.
 */
import {
  CONTROL,
  CONTROL_PATH_CAPACITY,
  CONTROL_PATH_STATS,
  CONTROL_PROBED,
  CONTROL_WORKER_COUNT,
  DROP_PROBE_MALFORMED,
  DROP_PROBE_QUEUE_FULL,
  META_CONTROL,
  META_CONTROL_LENGTH,
  PATH_NUMBER,
  PATH_RX_PROBED,
  PATH_STAT_RX_BYTES,
  PATH_STAT_RX_PACKETS,
  PATH_STAT_STRIDE,
  PROBES,
  PROBES_FIRST,
  PROBES_TAKEN,
  PROBES_TOLD,
  PROBES_WRITTEN,
  PROBE_ADDRESS4,
  PROBE_ADDRESS6_HIGH,
  PROBE_ADDRESS6_LOW,
  PROBE_LENGTH,
  PROBE_MESSAGE,
  PROBE_OCTETS,
  PROBE_PACKETS,
  PROBE_PATH,
  PROBE_PORT,
  PROBE_READ,
  PROBE_STAMP,
  PROBE_STRIDE,
  WORKER_META,
  WORKER_NOW,
  WORKER_PROBES,
} from '../layout';
import { kernelStamp } from '../tunnel/outer';
import { loadBe16, loadBe32, loadBe64 } from '../wire/bytes';
import { checksumAdd, checksumFold, pseudoHeader4, pseudoHeader6 } from '../wire/checksum';
import { PROTOCOL_UDP } from '../wire/ip';

/** Not dropped: the probe has gone to the control thread, its buffer is free. */
export const PROBE_TAKEN: u32 = 0xffff_ffff;

/**
 * Whether the address of a checked inner packet that is not the mobile node's is that of probes. `nodeIsSource`: the node's is the
 * source, as on the way to the LMA.
 */
// @ts-ignore: decorator
@inline
export function hasProbeAddress(inner: usize, family: u32, nodeIsSource: bool): bool {
  if (family == 4) return loadBe32(inner + (nodeIsSource ? 16 : 12)) == <u32>PROBE_ADDRESS4;
  const address = inner + (nodeIsSource ? 24 : 8);
  return (
    loadBe64(address) == (<u64>PROBE_ADDRESS6_HIGH) << 48 && loadBe64(address, 8) == <u64>PROBE_ADDRESS6_LOW
  );
}

/** Takes a checked inner packet with the address of probes, `total` octets; PROBE_TAKEN, or why it is dropped. */
export function takeInnerProbe(worker: usize, path: usize, inner: usize, family: u32, total: u32): u32 {
  const header: u32 = family == 4 ? 20 : 40;
  if (total != header + 8 + PROBE_LENGTH) return DROP_PROBE_MALFORMED;
  // IPv4 without options, no fragment; IPv6 without extension headers.
  if (family == 4 && (load<u8>(inner) != 0x45 || loadBe16(inner, 6) & 0x3fff)) return DROP_PROBE_MALFORMED;
  if (<u32>load<u8>(inner + (family == 4 ? 9 : 6)) != PROTOCOL_UDP) return DROP_PROBE_MALFORMED;
  const udp = inner + header;
  const length: u32 = 8 + PROBE_LENGTH;
  if (loadBe16(udp) != PROBE_PORT || loadBe16(udp, 2) != PROBE_PORT || loadBe16(udp, 4) != length) {
    return DROP_PROBE_MALFORMED;
  }
  const pseudo =
    family == 4 ? pseudoHeader4(inner, length, PROTOCOL_UDP) : pseudoHeader6(inner, length, PROTOCOL_UDP);
  if (checksumFold(checksumAdd(pseudo, udp, length)) != 0xffff) return DROP_PROBE_MALFORMED;
  return takeProbe(worker, path, udp + 8, PROBE_LENGTH);
}

/** Leaves the `length` octets of a probe at `message` for the control thread; PROBE_TAKEN, or why it is dropped. */
export function takeProbe(worker: usize, path: usize, message: usize, length: u32): u32 {
  if (length < <u32>PROBE_LENGTH) return DROP_PROBE_MALFORMED;
  const ring = worker + WORKER_PROBES;
  const written = atomic.load<u32>(ring, PROBES_WRITTEN);
  if (written - atomic.load<u32>(ring, PROBES_TAKEN) >= <u32>PROBES) return DROP_PROBE_QUEUE_FULL;
  const note = ring + PROBES_FIRST + <usize>(written & (PROBES - 1)) * PROBE_STRIDE;
  const number = load<u32>(path, PATH_NUMBER);
  store<u32>(note, number, PROBE_PATH);
  store<u64>(note, load<u64>(worker, WORKER_NOW), PROBE_READ);
  const meta = worker + WORKER_META;
  const stamp = kernelStamp(<usize>load<u32>(meta, META_CONTROL), load<u32>(meta, META_CONTROL_LENGTH));
  store<u64>(note, stamp, PROBE_STAMP);
  store<u64>(path, load<u64>(worker, WORKER_NOW), PATH_RX_PROBED);
  noteReceived(note, number);
  memory.copy(note + PROBE_MESSAGE, message, PROBE_LENGTH);
  atomic.store<u32>(ring, written + 1, PROBES_WRITTEN);
  return PROBE_TAKEN;
}

/** Wakes the control thread if probes have come since the last call. Once a round, since paths are probed several at a time. */
export function tellProbes(worker: usize): void {
  const ring = worker + WORKER_PROBES;
  const written = load<u32>(ring, PROBES_WRITTEN);
  if (written == load<u32>(ring, PROBES_TOLD)) return;
  store<u32>(ring, written, PROBES_TOLD);
  atomic.add<u32>(CONTROL, 1, CONTROL_PROBED);
  atomic.notify(CONTROL + CONTROL_PROBED, 1);
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
