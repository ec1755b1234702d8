/**
 * Segmentation the slow and obvious way, octet by octet, as a judge of assembly/offload: cuts a super-packet as a network
 * device with TSO or USO would, and computes every checksum anew.
 */
import { slowChecksum } from '../support/inner-packet.ts';

export interface Vnet {
  readonly flags: number;
  readonly type: number;
  readonly headerLength: number;
  readonly size: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

export const TCPV4 = 1;
export const TCPV6 = 4;
export const UDP_L4 = 5;

export function encodeVnet(vnet: Vnet): Uint8Array {
  const bytes = new Uint8Array(10);
  const view = new DataView(bytes.buffer);
  bytes[0] = vnet.flags;
  bytes[1] = vnet.type;
  view.setUint16(2, vnet.headerLength, true);
  view.setUint16(4, vnet.size, true);
  view.setUint16(6, vnet.checksumStart, true);
  view.setUint16(8, vnet.checksumOffset, true);
  return bytes;
}

export function decodeVnet(bytes: Uint8Array): Vnet {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    flags: bytes[0]!,
    type: bytes[1]!,
    headerLength: view.getUint16(2, true),
    size: view.getUint16(4, true),
    checksumStart: view.getUint16(6, true),
    checksumOffset: view.getUint16(8, true),
  };
}

/** Offset of TCP or UDP behind a plain IP header, hop-by-hop and destination options. */
export function upperOffset(packet: Uint8Array): { offset: number; protocol: number } {
  if (packet[0]! >> 4 === 4) return { offset: (packet[0]! & 15) * 4, protocol: packet[9]! };
  let offset = 40;
  let protocol = packet[6]!;
  while (protocol === 0 || protocol === 60) {
    protocol = packet[offset]!;
    offset += (packet[offset + 1]! + 1) * 8;
  }
  return { offset, protocol };
}

/** Sets lengths and all checksums right. */
export function finish(packet: Uint8Array): Uint8Array {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const { offset, protocol } = upperOffset(packet);
  const v4 = packet[0]! >> 4 === 4;
  if (v4) {
    view.setUint16(2, packet.length);
    view.setUint16(10, 0);
    view.setUint16(10, slowChecksum(packet.subarray(0, offset)));
  } else {
    view.setUint16(4, packet.length - 40);
  }
  const field = offset + (protocol === 6 ? 16 : 6);
  if (protocol === 17) view.setUint16(offset + 4, packet.length - offset);
  view.setUint16(field, 0);
  const sum = slowChecksum(pseudoPacket(packet, offset, protocol));
  // RFC 768: 0 would mean that there is none; only UDP minds.
  view.setUint16(field, protocol === 17 ? sum || 0xffff : sum);
  return packet;
}

/** Upper layer with its pseudo-header in front. */
export function pseudoPacket(packet: Uint8Array, offset: number, protocol: number): Uint8Array {
  const length = packet.length - offset;
  const addresses = packet[0]! >> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  return Uint8Array.from([
    ...addresses,
    ...[0, 0, length >> 8, length & 255, 0, 0, 0, protocol],
    ...packet.subarray(offset),
  ]);
}

export function checksumIsRight(packet: Uint8Array): boolean {
  const { offset, protocol } = upperOffset(packet);
  return slowChecksum(pseudoPacket(packet, offset, protocol)) === 0;
}

/** The packets that `packet` stands for. */
export function segments(vnet: Vnet, packet: Uint8Array): Uint8Array[] {
  if (vnet.type === 0) return [packet];
  const { offset, protocol } = upperOffset(packet);
  const header = protocol === 6 ? offset + (packet[offset + 12]! >> 4) * 4 : offset + 8;
  const result: Uint8Array[] = [];
  for (let at = header; at < packet.length; at += vnet.size) {
    const segment = Uint8Array.from([
      ...packet.subarray(0, header),
      ...packet.subarray(at, Math.min(at + vnet.size, packet.length)),
    ]);
    const view = new DataView(segment.buffer);
    if (segment[0]! >> 4 === 4) view.setUint16(4, (view.getUint16(4) + result.length) & 0xffff);
    if (protocol === 6) {
      view.setUint32(offset + 4, (view.getUint32(offset + 4) + at - header) >>> 0);
      if (at + vnet.size < packet.length) segment[offset + 13]! &= ~0x09;
      if (at > header) segment[offset + 13]! &= ~0x80;
    }
    result.push(finish(segment));
  }
  return result;
}
