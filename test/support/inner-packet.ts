/** Inner packets for tests, built the slow and obvious way. */

/** One's complement sum of RFC 1071, 16 bits at a time. */
export function slowChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface InnerOptions {
  readonly family: 4 | 6;
  readonly payload: Uint8Array;
  readonly source?: string;
  readonly destination?: string;
  readonly tos?: number;
  readonly dontFragment?: boolean;
  readonly hopLimit?: number;
}

/** A UDP packet, uplink by default: from the mobile node 192.0.2.10 or 2001:db8:cafe::10. */
export function innerPacket(options: InnerOptions): Uint8Array {
  const { family, payload, tos = 0, hopLimit = 64 } = options;
  const source = addressBytes(options.source ?? (family === 4 ? '192.0.2.10' : '2001:db8:cafe::10'));
  const destination = addressBytes(
    options.destination ?? (family === 4 ? '203.0.113.200' : '2001:db8:ffff::1'),
  );
  const udp = new Uint8Array(8 + payload.length);
  const view = new DataView(udp.buffer);
  view.setUint16(0, 5000);
  view.setUint16(2, 6000);
  view.setUint16(4, udp.length);
  udp.set(payload, 8);
  const header = new Uint8Array(family === 4 ? 20 : 40);
  const fields = new DataView(header.buffer);
  if (family === 4) {
    header[0] = 0x45;
    header[1] = tos;
    fields.setUint16(2, 20 + udp.length);
    fields.setUint16(6, options.dontFragment ? 0x4000 : 0);
    header[8] = hopLimit;
    header[9] = 17;
    header.set(source, 12);
    header.set(destination, 16);
    fields.setUint16(10, slowChecksum(header));
  } else {
    fields.setUint32(0, (0x60000000 | (tos << 20)) >>> 0);
    fields.setUint16(4, udp.length);
    header[6] = 17;
    header[7] = hopLimit;
    header.set(source, 8);
    header.set(destination, 24);
  }
  return Uint8Array.from([...header, ...udp]);
}

function addressBytes(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.').map(Number));
  const [head = '', tail = ''] = text.split('::');
  const words = (part: string): number[] => (part ? part.split(':').map((word) => parseInt(word, 16)) : []);
  const before = words(head);
  const after = words(tail);
  const all = text.includes('::')
    ? [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
    : before;
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 255]));
}
