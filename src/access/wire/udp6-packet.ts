/** UDP in IPv6 packets (RFC 768, RFC 8200), as DHCPv6 on a link needs them: no extension headers. */
import { internetChecksum } from '../../internet-checksum.ts';

const IPPROTO_UDP = 17;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;
const HOP_LIMIT = 64;

export interface Udp6Datagram {
  /** 16 octets each. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** Why a packet was not taken. */
export type Udp6Refusal = 'malformed' | 'checksum';

/** The whole IPv6 packet. */
export function buildUdp6Packet({
  source,
  destination,
  sourcePort,
  destinationPort,
  payload,
}: Udp6Datagram): Uint8Array {
  const length = UDP_HEADER + payload.length;
  const packet = new Uint8Array(IPV6_HEADER + length);
  const view = new DataView(packet.buffer);
  view.setUint32(0, 0x6000_0000);
  view.setUint16(4, length);
  packet[6] = IPPROTO_UDP;
  packet[7] = HOP_LIMIT;
  packet.set(source, 8);
  packet.set(destination, 24);
  view.setUint16(IPV6_HEADER, sourcePort);
  view.setUint16(IPV6_HEADER + 2, destinationPort);
  view.setUint16(IPV6_HEADER + 4, length);
  packet.set(payload, IPV6_HEADER + UDP_HEADER);
  const sum = internetChecksum([source, destination, packet.subarray(IPV6_HEADER)], IPPROTO_UDP + length);
  // 0 would mean: no checksum.
  view.setUint16(IPV6_HEADER + 6, sum === 0 ? 0xffff : sum);
  return packet;
}

/**
 * Reads a packet of any octets, as a packet socket shows it; octets behind its length are ignored. A checksum that the sender's kernel
 * has left to hardware which is not there (a virtual link) holds the sum of the pseudo-header, and is taken: such a packet has not been
 * on a wire.
 */
export function readUdp6Packet(packet: Uint8Array): Udp6Datagram | Udp6Refusal {
  if (packet.length < IPV6_HEADER + UDP_HEADER || packet[0]! >> 4 !== 6 || packet[6] !== IPPROTO_UDP) {
    return 'malformed';
  }
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const length = view.getUint16(4);
  if (length < UDP_HEADER || IPV6_HEADER + length > packet.length) return 'malformed';
  if (view.getUint16(IPV6_HEADER + 4) !== length) return 'malformed';
  const source = packet.subarray(8, 24);
  const destination = packet.subarray(24, 40);
  const datagram = packet.subarray(IPV6_HEADER, IPV6_HEADER + length);
  const given = view.getUint16(IPV6_HEADER + 6);
  const pseudo = ~internetChecksum([source, destination], IPPROTO_UDP + length) & 0xffff;
  // RFC 8200 §8.1: a checksum of zero is none, and over IPv6 there has to be one.
  if (given === 0) return 'checksum';
  const right = internetChecksum([source, destination, datagram], IPPROTO_UDP + length) === 0;
  if (!right && given !== pseudo) return 'checksum';
  return {
    source,
    destination,
    sourcePort: view.getUint16(IPV6_HEADER),
    destinationPort: view.getUint16(IPV6_HEADER + 2),
    payload: datagram.subarray(UDP_HEADER),
  };
}
