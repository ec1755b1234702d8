/** ICMPv6 Parameter Problem, code 0 (RFC 4443 §3.4), for a Mobility Header with a bad Payload Proto or Header Len (RFC 6275 §9.2). */
import { IPPROTO_MH } from './wire/numbers.ts';

const TYPE = 4;
const IPV6_HEADER = 40;
const ICMP_HEADER = 8;
/** The error fits into the smallest MTU with its own IPv6 header (RFC 4443 §3.4). */
const ROOM = 1280 - IPV6_HEADER - ICMP_HEADER - IPV6_HEADER;
const HOP_LIMIT = 64;

/**
 * The ICMPv6 message, its checksum 0. `offset`: octet of the Mobility Header that is wrong. The IPv6 header in front of it is written
 * anew, since raw sockets do not hand it out; extension headers between the two are not known.
 */
export function parameterProblem(
  message: Uint8Array,
  offset: number,
  source: Uint8Array,
  destination: Uint8Array,
): Uint8Array {
  const part = message.subarray(0, ROOM);
  const octets = new Uint8Array(ICMP_HEADER + IPV6_HEADER + part.length);
  const view = new DataView(octets.buffer);
  view.setUint8(0, TYPE);
  view.setUint32(4, IPV6_HEADER + offset);
  view.setUint8(ICMP_HEADER, 6 << 4);
  view.setUint16(ICMP_HEADER + 4, message.length);
  view.setUint8(ICMP_HEADER + 6, IPPROTO_MH);
  view.setUint8(ICMP_HEADER + 7, HOP_LIMIT);
  octets.set(source, ICMP_HEADER + 8);
  octets.set(destination, ICMP_HEADER + 24);
  octets.set(part, ICMP_HEADER + IPV6_HEADER);
  return octets;
}
