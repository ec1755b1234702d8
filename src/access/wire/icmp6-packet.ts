/** ICMPv6 messages in IPv6 packets (RFC 4443, RFC 8200), as Neighbour Discovery needs them: hop limit 255, no extension headers. */
import { internetChecksum } from '../../internet-checksum.ts';

const IPPROTO_ICMPV6 = 58;
const IPV6_HEADER = 40;
/** Neighbour Discovery never crosses a router (RFC 4861 §3.1). */
export const ND_HOP_LIMIT = 255;

/** An ICMPv6 message with its addresses, checked as RFC 4861 asks of every Neighbour Discovery message. */
export interface Icmp6Packet {
  /** 16 octets each. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** From the type on. */
  readonly message: Uint8Array;
}

/** Why a packet was not taken. */
export type Icmp6Refusal = 'malformed' | 'hopLimit' | 'checksum';

/** Writes the packet; octets 2 and 3 of `message` are filled in with the checksum. */
export function buildIcmp6Packet(
  source: Uint8Array,
  destination: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const packet = new Uint8Array(IPV6_HEADER + message.length);
  const view = new DataView(packet.buffer);
  view.setUint32(0, 0x6000_0000);
  view.setUint16(4, message.length);
  packet[6] = IPPROTO_ICMPV6;
  packet[7] = ND_HOP_LIMIT;
  packet.set(source, 8);
  packet.set(destination, 24);
  packet.set(message, IPV6_HEADER);
  view.setUint16(IPV6_HEADER + 2, 0);
  const body = packet.subarray(IPV6_HEADER);
  view.setUint16(
    IPV6_HEADER + 2,
    internetChecksum([source, destination, body], IPPROTO_ICMPV6 + body.length),
  );
  return packet;
}

/** Reads a packet of any octets; octets behind its length are ignored. */
export function readIcmp6Packet(packet: Uint8Array): Icmp6Packet | Icmp6Refusal {
  if (packet.length < IPV6_HEADER || packet[0]! >> 4 !== 6 || packet[6] !== IPPROTO_ICMPV6)
    return 'malformed';
  const length = (packet[4]! << 8) | packet[5]!;
  if (length < 4 || IPV6_HEADER + length > packet.length) return 'malformed';
  if (packet[7] !== ND_HOP_LIMIT) return 'hopLimit';
  const source = packet.subarray(8, 24);
  const destination = packet.subarray(24, 40);
  const message = packet.subarray(IPV6_HEADER, IPV6_HEADER + length);
  const sum = internetChecksum([source, destination, message], IPPROTO_ICMPV6 + length);
  return sum === 0 ? { source, destination, message } : 'checksum';
}
