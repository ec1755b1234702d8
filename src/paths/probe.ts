/**
 * The probe message (docs/probes.md): 64 octets behind a GRE header, network order. Both kinds carry the sender's own counters of the
 * path, so that loss and rate come from the data itself. Pure; path-monitor.ts fills it in and reads it.
 *
 *    0        1        2        3        4                 8
 *   +--------+--------+--------+--------+-----------------+----------------------------+
 *   | version| kind   | BID    | 0      | sequence        | time the request was sent  |
 *   +--------+--------+--------+--------+-----------------+----------------------------+ 16
 *   | response: time the request came   | time the response was sent                   |
 *   | request: since when numbers count | next sequence number of the session          |
 *   +-----------------------------------+----------------------------------------------+ 32
 *   | data packets sent                 | octets sent                                  |
 *   +-----------------------------------+----------------------------------------------+ 48
 *   | data packets received             | octets received                              |
 *   +-----------------------------------+----------------------------------------------+ 64
 */

export const PROBE_OCTETS = 64;
const VERSION = 1;
const REQUEST = 0;
const RESPONSE = 1;
/** Where the numbers of 64 bits begin. */
const NUMBERS = 8;
/** What the upper half of a 64-bit number counts. */
const HIGH = 2 ** 32;

/** Data over a path as one end has counted it; octets of whole outer packets. */
export interface TrafficCounts {
  readonly txPackets: number;
  readonly txOctets: number;
  readonly rxPackets: number;
  readonly rxOctets: number;
}

/** How far the sender of a request has numbered the session's packets. */
export interface Numbering {
  /** When it began, at 0: microseconds of any clock of the sender, another value each time. */
  readonly sinceUs: number;
  /** 32 bits. */
  readonly next: number;
}

export interface Probe {
  readonly kind: 'request' | 'response';
  /** The sender's BID of the path. */
  readonly bid: number;
  /** 32 bits. */
  readonly sequence: number;
  /** Microseconds of the requester's clock. */
  readonly sentUs: number;
  /** Microseconds of the responder's clock; 0 in requests. */
  readonly receivedUs: number;
  readonly answeredUs: number;
  /** What the sender of this message has counted. */
  readonly counts: TrafficCounts;
  /** Of a request; null: not told, as by versions before, or a response. */
  readonly numbering: Numbering | null;
}

export function encodeProbe({
  kind,
  bid,
  sequence,
  sentUs,
  receivedUs,
  answeredUs,
  counts,
  numbering,
}: Probe): Uint8Array {
  const octets = new Uint8Array(PROBE_OCTETS);
  const view = new DataView(octets.buffer);
  octets[0] = VERSION;
  octets[1] = kind === 'request' ? REQUEST : RESPONSE;
  octets[2] = bid;
  view.setUint32(4, sequence);
  const { txPackets, txOctets, rxPackets, rxOctets } = counts;
  let at = NUMBERS;
  const [third, fourth] = numbering ? [numbering.sinceUs, numbering.next] : [receivedUs, answeredUs];
  for (const value of [sentUs, third, fourth, txPackets, txOctets, rxPackets, rxOctets]) {
    view.setUint32(at, value / HIGH);
    view.setUint32(at + 4, value);
    at += 8;
  }
  return octets;
}

/** The message leaves at `us`, later than it was encoded for: requests say when they were sent, responses when they were answered. */
export function restampProbe(octets: Uint8Array, us: number): void {
  const at = octets[1] === REQUEST ? NUMBERS : NUMBERS + 16;
  const view = new DataView(octets.buffer, octets.byteOffset);
  view.setUint32(at, us / HIGH);
  view.setUint32(at + 4, us);
}

/** Null: cut short, of another version or kind, or with numbers that no counter or clock reaches. */
export function decodeProbe(octets: Uint8Array): Probe | null {
  if (octets.length < PROBE_OCTETS || octets[0] !== VERSION || octets[1]! > RESPONSE) return null;
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  for (let at = NUMBERS; at < PROBE_OCTETS; at += 8)
    if (!Number.isSafeInteger(numberAt(view, at))) return null;
  const isRequest = octets[1] === REQUEST;
  const [third, fourth] = [numberAt(view, 16), numberAt(view, 24)];
  return {
    kind: isRequest ? 'request' : 'response',
    bid: octets[2]!,
    sequence: view.getUint32(4),
    sentUs: numberAt(view, 8),
    receivedUs: isRequest ? 0 : third,
    answeredUs: isRequest ? 0 : fourth,
    numbering: isRequest && third ? { sinceUs: third, next: fourth >>> 0 } : null,
    counts: {
      txPackets: numberAt(view, 32),
      txOctets: numberAt(view, 40),
      rxPackets: numberAt(view, 48),
      rxOctets: numberAt(view, 56),
    },
  };
}

/** 64 bits in network order. */
function numberAt(view: DataView, at: number): number {
  return view.getUint32(at) * HIGH + view.getUint32(at + 4);
}
