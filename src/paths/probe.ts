/**
 * The probe message (docs/probes.md): 64 octets behind a GRE header, network order. Both kinds carry the sender's own counters of the
 * path, so that loss and rate come from the data itself. Pure; path-monitor.ts fills it in and reads it.
 *
 *    0        1        2        3        4                 8
 *   +--------+--------+--------+--------+-----------------+----------------------------+
 *   | version| kind   | BID    | 0      | sequence        | time the request was sent  |
 *   +--------+--------+--------+--------+-----------------+----------------------------+ 16
 *   | time the request came (response)  | time the response was sent                   |
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

/** Data over a path as one end has counted it; octets of whole outer packets. */
export interface TrafficCounts {
  readonly txPackets: number;
  readonly txOctets: number;
  readonly rxPackets: number;
  readonly rxOctets: number;
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
}

export function encodeProbe(probe: Probe): Uint8Array {
  const octets = new Uint8Array(PROBE_OCTETS);
  const view = new DataView(octets.buffer);
  octets[0] = VERSION;
  octets[1] = probe.kind === 'request' ? REQUEST : RESPONSE;
  octets[2] = probe.bid;
  view.setUint32(4, probe.sequence);
  const { txPackets, txOctets, rxPackets, rxOctets } = probe.counts;
  [probe.sentUs, probe.receivedUs, probe.answeredUs, txPackets, txOctets, rxPackets, rxOctets].forEach(
    (value, i) => view.setBigUint64(8 + i * 8, BigInt(value)),
  );
  return octets;
}

/** Null: cut short, of another version or kind, or with numbers that no counter or clock reaches. */
export function decodeProbe(octets: Uint8Array): Probe | null {
  if (octets.length < PROBE_OCTETS || octets[0] !== VERSION || octets[1]! > RESPONSE) return null;
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const numbers = Array.from({ length: 7 }, (_, i) => Number(view.getBigUint64(8 + i * 8)));
  if (!numbers.every(Number.isSafeInteger)) return null;
  const [sentUs, receivedUs, answeredUs, txPackets, txOctets, rxPackets, rxOctets] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    kind: octets[1] === REQUEST ? 'request' : 'response',
    bid: octets[2]!,
    sequence: view.getUint32(4),
    sentUs,
    receivedUs,
    answeredUs,
    counts: { txPackets, txOctets, rxPackets, rxOctets },
  };
}
