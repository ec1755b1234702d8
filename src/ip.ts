/** IP addresses and prefixes as octets, and back to text (RFC 4291 §2.2, RFC 5952). */
import { isIP } from 'node:net';
import { TunloomError } from './errors.ts';

export interface Address {
  readonly family: 4 | 6;
  /** 4 or 16 octets, network order. */
  readonly bytes: Uint8Array;
}

export interface Prefix extends Address {
  readonly length: number;
}

/** Parses an address. Throws BAD_ADDRESS, naming the text; zone identifiers are refused. */
export function parseAddress(text: string): Address {
  const family = isIP(text);
  if (family === 4) return { family, bytes: Uint8Array.from(text.split('.').map(Number)) };
  if (family !== 6 || text.includes('%')) {
    throw new TunloomError('BAD_ADDRESS', `"${text}" is not an IPv4 or IPv6 address`);
  }
  const [head = '', tail] = text.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(before);
  bytes.set(after, 16 - after.length);
  return { family, bytes };
}

/** Octets of colon-separated groups, the last of which may be dotted IPv4. */
function groups(text: string): number[] {
  if (!text) return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/** Text of 4 or 16 octets, IPv6 in the form of RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!);
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = words.map((word) => word.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

/** Parses `address/length`. Throws BAD_PREFIX, naming the text, also if bits behind the prefix are set. */
export function parsePrefix(text: string): Prefix {
  const [address = '', lengthText = '', ...rest] = text.split('/');
  if (rest.length || !/^\d{1,3}$/.test(lengthText)) {
    throw new TunloomError('BAD_PREFIX', `"${text}" is not a prefix like 2001:db8::/64 or 192.0.2.0/24`);
  }
  const { family, bytes } = parseAddress(address);
  const length = Number(lengthText);
  if (length > bytes.length * 8) {
    throw new TunloomError(
      'BAD_PREFIX',
      `"${text}": an IPv${family} prefix has at most ${bytes.length * 8} bits`,
    );
  }
  for (let bit = length; bit < bytes.length * 8; bit++) {
    if (bytes[bit >> 3]! & (0x80 >> (bit & 7))) {
      throw new TunloomError('BAD_PREFIX', `"${text}": bits are set behind the first ${length}`);
    }
  }
  return { family, bytes, length };
}

/** Whether the address, 4 or 16 octets, lies in the prefix; never if it is of the other family. */
export function prefixContains(prefix: Prefix, address: Uint8Array): boolean {
  if (address.length !== prefix.bytes.length) return false;
  for (let bit = 0; bit < prefix.length; bit += 8) {
    const mask = 0xff00 >> Math.min(8, prefix.length - bit);
    if ((address[bit >> 3]! ^ prefix.bytes[bit >> 3]!) & mask & 0xff) return false;
  }
  return true;
}

/** The 16 octets that stand for an address of either family: IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
export function mapped16(address: Address): Uint8Array {
  if (address.family === 6) return address.bytes;
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff], 10);
  bytes.set(address.bytes, 12);
  return bytes;
}

/** struct sockaddr_in (16 octets used) or sockaddr_in6 (28), ip(7) and ipv6(7). */
export function encodeSockaddr(address: Address, port: number): { bytes: Uint8Array; length: number } {
  const bytes = new Uint8Array(28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, address.family === 4 ? 2 : 10, true);
  view.setUint16(2, port);
  bytes.set(address.bytes, address.family === 4 ? 4 : 8);
  return { bytes, length: address.family === 4 ? 16 : 28 };
}
