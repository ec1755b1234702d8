/** UDP in IPv4 packets (RFC 768, RFC 791), for answers to hosts that have no address yet and so cannot be sent to by a UDP socket. */
import { internetChecksum } from '../../internet-checksum.ts';
import { parseAddress } from '../../ip.ts';

const IPPROTO_UDP = 17;
const IPV4_HEADER = 20;
const UDP_HEADER = 8;
const HOP_LIMIT = 64;

export interface UdpEnd {
  readonly address: string;
  readonly port: number;
}

/** The whole IPv4 packet. */
export function buildUdp4Packet(from: UdpEnd, to: UdpEnd, payload: Uint8Array): Uint8Array {
  const source = parseAddress(from.address).bytes;
  const destination = parseAddress(to.address).bytes;
  const packet = new Uint8Array(IPV4_HEADER + UDP_HEADER + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, packet.length);
  packet[8] = HOP_LIMIT;
  packet[9] = IPPROTO_UDP;
  packet.set(source, 12);
  packet.set(destination, 16);
  view.setUint16(10, internetChecksum([packet.subarray(0, IPV4_HEADER)]));
  const datagram = packet.subarray(IPV4_HEADER);
  view.setUint16(IPV4_HEADER, from.port);
  view.setUint16(IPV4_HEADER + 2, to.port);
  view.setUint16(IPV4_HEADER + 4, datagram.length);
  packet.set(payload, IPV4_HEADER + UDP_HEADER);
  const sum = internetChecksum([source, destination, datagram], IPPROTO_UDP + datagram.length);
  // 0 would mean: no checksum.
  view.setUint16(IPV4_HEADER + 6, sum === 0 ? 0xffff : sum);
  return packet;
}
