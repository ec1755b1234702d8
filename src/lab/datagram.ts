/** The in-memory lab's packets: UDP over IPv4 or IPv6 with a number in front of the payload. */
import { internetChecksum } from '../internet-checksum.ts';
import { parseAddress } from '../ip.ts';

const UDP = 17;
const PORT = 5202;

/** An IP packet with UDP (checksum 0 over IPv4, left out over IPv6 too: nobody here checks it) and a number. */
export function buildDatagram(
  source: string,
  destination: string,
  number: number,
  payload: Uint8Array,
): Uint8Array {
  const from = parseAddress(source);
  const to = parseAddress(destination);
  const header = from.family === 4 ? 20 : 40;
  const packet = new Uint8Array(header + 12 + payload.length);
  const view = new DataView(packet.buffer);
  if (from.family === 4) {
    view.setUint16(0, 0x4500);
    view.setUint16(2, packet.length);
    view.setUint16(6, 0x4000);
    view.setUint16(8, (64 << 8) | UDP);
    packet.set(from.bytes, 12);
    packet.set(to.bytes, 16);
    view.setUint16(10, internetChecksum([packet.subarray(0, 20)]));
  } else {
    view.setUint32(0, 0x6000_0000);
    view.setUint16(4, packet.length - 40);
    view.setUint16(6, (UDP << 8) | 64);
    packet.set(from.bytes, 8);
    packet.set(to.bytes, 24);
  }
  view.setUint16(header, PORT);
  view.setUint16(header + 2, PORT);
  view.setUint16(header + 4, 12 + payload.length);
  view.setUint32(header + 8, number);
  packet.set(payload, header + 12);
  return packet;
}

/** Number and payload of a packet that buildDatagram() made. */
export function readDatagram(packet: Uint8Array): { number: number; payload: Uint8Array } {
  const header = packet[0]! >> 4 === 4 ? 20 : 40;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  return { number: view.getUint32(header + 8), payload: packet.slice(header + 12) };
}
