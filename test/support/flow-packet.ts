/** Inner packets with whatever a classifier may look at, built the slow and obvious way. */
import { parseAddress } from '../../src/ip.ts';
import { slowChecksum } from './inner-packet.ts';

export interface FlowPacket {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Null: the upper-layer header is not there (a later fragment), or has no ports. */
  readonly ports?: readonly [number, number] | null;
  readonly spi?: number;
  readonly dscp?: number;
  readonly label?: number;
  /** Octet offset and whether more follow. */
  readonly fragment?: { readonly offset: number; readonly more: boolean; readonly id: number };
  /** IPv6 only: extension headers in front of the upper layer, by next-header number (0, 43, 60, 51). */
  readonly extensions?: readonly number[];
  readonly payload?: number;
}

const PORTS = new Set([6, 17, 33, 132, 136]);

/** The packet's octets. */
export function flowPacket(packet: FlowPacket): Uint8Array {
  const { family, protocol, fragment, payload = 24 } = packet;
  const later = fragment !== undefined && fragment.offset > 0;
  const upper = new Uint8Array(Math.max(payload, 24));
  const view = new DataView(upper.buffer);
  if (!later && PORTS.has(protocol)) {
    const [source, destination] = packet.ports ?? [0, 0];
    view.setUint16(0, source);
    view.setUint16(2, destination);
    // A TCP header of 20 octets without SYN, so that nothing is clamped.
    if (protocol === 6) upper[12] = 0x50;
  }
  if (!later && protocol === 50) view.setUint32(0, packet.spi ?? 0);
  if (!later && protocol === 51) view.setUint32(4, packet.spi ?? 0);
  return family === 4 ? packet4(packet, upper) : packet6(packet, upper);
}

function packet4(packet: FlowPacket, upper: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + upper.length);
  const view = new DataView(bytes.buffer);
  const { fragment } = packet;
  bytes[0] = 0x45;
  bytes[1] = (packet.dscp ?? 0) << 2;
  view.setUint16(2, bytes.length);
  view.setUint16(4, fragment?.id ?? 0);
  view.setUint16(6, fragment ? (fragment.offset >> 3) | (fragment.more ? 0x2000 : 0) : 0x4000);
  bytes[8] = 64;
  bytes[9] = packet.protocol;
  bytes.set(parseAddress(packet.source).bytes, 12);
  bytes.set(parseAddress(packet.destination).bytes, 16);
  view.setUint16(10, slowChecksum(bytes.subarray(0, 20)));
  bytes.set(upper, 20);
  return bytes;
}

function packet6(packet: FlowPacket, upper: Uint8Array): Uint8Array {
  const { fragment, extensions = [] } = packet;
  const chain = [...extensions, ...(fragment ? [44] : []), packet.protocol];
  const headers = chain.slice(0, -1).map((kind, i) => {
    const next = chain[i + 1]!;
    if (kind === 44) {
      const header = new Uint8Array(8);
      const view = new DataView(header.buffer);
      header[0] = next;
      view.setUint16(2, fragment!.offset | (fragment!.more ? 1 : 0));
      view.setUint32(4, fragment!.id);
      return header;
    }
    if (kind === 51) {
      // RFC 4302 §2: 12 octets and an ICV of 12, length in 32-bit words less 2.
      const header = new Uint8Array(24);
      header[0] = next;
      header[1] = 4;
      new DataView(header.buffer).setUint32(4, packet.spi ?? 0);
      return header;
    }
    // PadN over the rest of an 8-octet header.
    return Uint8Array.from([next, 0, 1, 4, 0, 0, 0, 0]);
  });
  const body = [...headers.flatMap((header) => [...header]), ...upper];
  const bytes = new Uint8Array(40 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ((6 << 28) | ((packet.dscp ?? 0) << 22) | (packet.label ?? 0)) >>> 0);
  view.setUint16(4, body.length);
  bytes[6] = chain[0]!;
  bytes[7] = 64;
  bytes.set(parseAddress(packet.source).bytes, 8);
  bytes.set(parseAddress(packet.destination).bytes, 24);
  bytes.set(body, 40);
  return bytes;
}
