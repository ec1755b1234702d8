/** Finds the Mobility Header in a frame: directly over IPv6 (RFC 6275 §6.1) or over UDP port 5436 (RFC 5844 §4.1). */
import { formatAddress } from '../ip.ts';
import type { Endpoint } from '../pmipv6/endpoint.ts';
import type { PseudoHeader } from '../pmipv6/wire/mobility-header.ts';
import { IPPROTO_MH, SIGNALING_PORT } from '../pmipv6/wire/numbers.ts';

/** A mobility message with its addresses, not decoded yet. */
export interface SignalingPacket {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** The Mobility Header and what follows it in the packet. */
  readonly octets: Uint8Array;
  /** For the checksum; not over UDP, whose own checksum serves. */
  readonly pseudoHeader: PseudoHeader | undefined;
}

const LINK_ETHERNET = 1;
const LINK_NULL = 0;
const LINK_LOOP = 108;
const LINK_SLL = 113;
const LINK_SLL2 = 276;
const LINK_RAW = new Set([12, 14, 101, 228, 229]);
const IPPROTO_UDP = 17;
const IPPROTO_FRAGMENT = 44;
/** Hop-by-hop options, routing header, destination options: skipped. */
const EXTENSIONS = new Set([0, 43, 60]);

/** The IP packet in a frame of this LINKTYPE_ number; undefined: none, or a link type that we do not know. */
export function ipPacketOf(linkType: number, frame: Uint8Array): Uint8Array | undefined {
  if (LINK_RAW.has(linkType)) return frame;
  if (linkType === LINK_NULL || linkType === LINK_LOOP) return frame.subarray(4);
  if (linkType === LINK_SLL) return frame.subarray(16);
  if (linkType === LINK_SLL2) return frame.subarray(20);
  if (linkType !== LINK_ETHERNET) return undefined;
  let at = 12;
  // 802.1Q and 802.1ad tags.
  while (at + 4 <= frame.length && (word(frame, at) === 0x8100 || word(frame, at) === 0x88a8)) at += 4;
  if (at + 2 > frame.length) return undefined;
  const type = word(frame, at);
  return type === 0x0800 || type === 0x86dd ? frame.subarray(at + 2) : undefined;
}

/** The mobility message of an IP packet; undefined if it has none, or is a fragment, or is cut off before it. */
export function signalingPacketOf(packet: Uint8Array): SignalingPacket | undefined {
  if (packet.length < 1) return undefined;
  return packet[0]! >> 4 === 6 ? overIpv6(packet) : packet[0]! >> 4 === 4 ? overIpv4(packet) : undefined;
}

function overIpv6(packet: Uint8Array): SignalingPacket | undefined {
  if (packet.length < 40) return undefined;
  const end = Math.min(packet.length, 40 + word(packet, 4));
  let next = packet[6]!;
  let at = 40;
  while (EXTENSIONS.has(next) && at + 8 <= end) {
    next = packet[at]!;
    at += (packet[at + 1]! + 1) * 8;
  }
  // An atomic fragment is whole (RFC 6946).
  if (next === IPPROTO_FRAGMENT && at + 8 <= end && (word(packet, at + 2) & 0xfff9) === 0) {
    next = packet[at]!;
    at += 8;
  }
  if (at >= end) return undefined;
  const source = packet.subarray(8, 24);
  const destination = packet.subarray(24, 40);
  const addresses = { source: formatAddress(source), destination: formatAddress(destination) };
  if (next === IPPROTO_UDP) return overUdp(packet.subarray(at, end), addresses);
  if (next !== IPPROTO_MH) return undefined;
  return {
    from: { address: addresses.source, port: null },
    to: { address: addresses.destination, port: null },
    octets: packet.subarray(at, end),
    pseudoHeader: { source, destination },
  };
}

function overIpv4(packet: Uint8Array): SignalingPacket | undefined {
  const header = (packet[0]! & 15) * 4;
  if (header < 20 || packet.length < header || packet[9] !== IPPROTO_UDP) return undefined;
  const end = Math.min(packet.length, word(packet, 2));
  const fragment = (word(packet, 6) & 0x3fff) !== 0;
  if (fragment || end < header) return undefined;
  const source = formatAddress(packet.subarray(12, 16));
  const destination = formatAddress(packet.subarray(16, 20));
  return overUdp(packet.subarray(header, end), { source, destination });
}

function overUdp(
  datagram: Uint8Array,
  { source, destination }: { readonly source: string; readonly destination: string },
): SignalingPacket | undefined {
  if (datagram.length < 8) return undefined;
  const ports = [word(datagram, 0), word(datagram, 2)] as const;
  if (!ports.includes(SIGNALING_PORT)) return undefined;
  const octets = datagram.subarray(8, Math.max(8, Math.min(datagram.length, word(datagram, 4))));
  return {
    from: { address: source, port: ports[0] },
    to: { address: destination, port: ports[1] },
    octets,
    pseudoHeader: undefined,
  };
}

function word(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!;
}
