/**
 * The outer header of a path, as far as it is the same for every packet; assembly/tunnel/encapsulate.ts lays it in
 * front of the payload and patches the rest. Sources: RFC 2003, 2473, 4213 (ipip), RFC 2784, 2890, 7676 (gre),
 * RFC 5844 §4 (udp), RFC 5845 §7.2 (TLV header of udp-gre), RFC 8086 §3 (gre-in-udp).
 */
import * as L from '../../assembly/layout.ts';
import { mapped16, parseAddress } from '../ip.ts';
import type { Encapsulation, PathSpec } from './session-spec.ts';

const PROTOCOL_GRE = 47;
const PROTOCOL_UDP = 17;
const NEXT_HEADER_DESTINATION = 60;

/** Number of an encapsulation in the shared memory. */
export const ENCAPSULATION_NUMBERS: Readonly<Record<Encapsulation, number>> = {
  ipip: L.ENCAPSULATION_IPIP,
  gre: L.ENCAPSULATION_GRE,
  udp: L.ENCAPSULATION_UDP,
  'udp-gre': L.ENCAPSULATION_UDP_GRE,
  'gre-in-udp': L.ENCAPSULATION_GRE_IN_UDP,
};

/** A path's header and where in it the changing fields are; offsets from the outer header's start, 0 = absent. */
export interface PathTemplate {
  readonly bytes: Uint8Array;
  readonly family: 4 | 6;
  readonly udpOffset: number;
  readonly tlvOffset: number;
  readonly greOffset: number;
  readonly sequenceOffset: number;
  readonly protocolOffset: number;
  readonly sequenced: boolean;
  readonly greChecksum: boolean;
}

/** Whether packets of this path carry a sequence number (RFC 2890 §2.2). */
export function isSequenced(path: PathSpec): boolean {
  return path.encapsulation.includes('gre') && path.gre.sequence;
}

/** Whether packets of this path carry the session's GRE key (RFC 2890 §2.1), by which the receiver finds it; else by inner address. */
export function isKeyed(path: PathSpec): boolean {
  return path.encapsulation.includes('gre') && path.gre.key;
}

/** Builds the template; `sendKey` is used where the path's GRE header has a key. */
export function buildPathTemplate(path: PathSpec, sendKey: number | null): PathTemplate {
  const local = parseAddress(path.local);
  const remote = parseAddress(path.remote);
  const family = local.family;
  const usesUdp = path.encapsulation.includes('udp');
  const usesGre = path.encapsulation.includes('gre');
  const limit = family === 6 && !usesUdp ? path.encapsulationLimit : null;
  const parts: number[] = [];
  let protocolOffset = 0;
  const next = usesUdp ? PROTOCOL_UDP : usesGre ? PROTOCOL_GRE : 0;

  if (family === 4) {
    parts.push(0x45, 0, 0, 0, 0, 0, path.dontFragment === 'set' ? 0x40 : 0, 0, path.hopLimit, next, 0, 0);
    if (!next) protocolOffset = 9;
  } else {
    parts.push(0x60, 0, 0, 0, 0, 0, limit === null ? next : NEXT_HEADER_DESTINATION, path.hopLimit);
    if (!next) protocolOffset = limit === null ? 6 : 40;
  }
  parts.push(...local.bytes, ...remote.bytes);
  // RFC 2473 §4.1.1: destination options with the limit, padded to 8 octets by PadN.
  if (limit !== null) parts.push(next, 0, 4, 1, limit, 1, 1, 0);

  let udpOffset = 0;
  if (usesUdp) {
    udpOffset = parts.length;
    parts.push(...be16(path.localPort), ...be16(path.remotePort), 0, 0, 0, 0);
  }
  let tlvOffset = 0;
  if (path.encapsulation === 'udp-gre') {
    tlvOffset = parts.length;
    parts.push(0, PROTOCOL_GRE, 0, 0);
  }
  let greOffset = 0;
  let sequenceOffset = 0;
  if (usesGre) {
    greOffset = parts.length;
    const { key, sequence, checksum } = path.gre;
    parts.push((checksum ? 0x80 : 0) | (key ? 0x20 : 0) | (sequence ? 0x10 : 0), 0, 0, 0);
    if (checksum) parts.push(0, 0, 0, 0);
    if (key) parts.push(...be32(sendKey ?? 0));
    if (sequence) {
      sequenceOffset = parts.length - greOffset;
      parts.push(0, 0, 0, 0);
    }
  }
  return {
    bytes: Uint8Array.from(parts),
    family,
    udpOffset,
    tlvOffset,
    greOffset,
    sequenceOffset,
    protocolOffset,
    sequenced: isSequenced(path),
    greChecksum: usesGre && path.gre.checksum,
  };
}

/** The 16 octets by which the hot path knows an address: IPv4 as ::ffff:a.b.c.d. */
export function addressKey(address: string): Uint8Array {
  return mapped16(parseAddress(address));
}

function be16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

function be32(value: number): number[] {
  return [(value >>> 24) & 255, (value >> 16) & 255, (value >> 8) & 255, value & 255];
}
