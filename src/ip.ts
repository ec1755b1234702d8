/** IP addresses and prefixes as octets, and back to text (RFC 4291 §2.2, RFC 5952). */
import { TunloomError } from './errors.ts';

export interface Address {
  readonly family: 4 | 6;
  /** 4 or 16 octets, network order. */
  readonly bytes: Uint8Array;
}

export interface Prefix extends Address {
  readonly length: number;
}

const DOT = 46;
const ZERO = 48;
const COLON = 58;

/** Parses an address. Throws BAD_ADDRESS, naming the text; zone identifiers are refused. */
export function parseAddress(text: string): Address {
  const v6 = text.includes(':');
  const bytes = v6 ? octets6(text) : octets4(text);
  if (!bytes) throw new TunloomError('BAD_ADDRESS', `"${text}" is not an IPv4 or IPv6 address`);
  return { family: v6 ? 6 : 4, bytes };
}

/** Four decimal numbers without leading zeros; null: it is something else. */
function octets4(text: string): Uint8Array | null {
  const bytes = new Uint8Array(4);
  let at = 0;
  for (let octet = 0; octet < 4; octet++) {
    if (octet && text.charCodeAt(at++) !== DOT) return null;
    const start = at;
    let value = 0;
    for (; at - start < 3; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      // Also of what is behind the end, which is no number.
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    const length = at - start;
    if (!length || value > 255 || (length > 1 && text.charCodeAt(start) === ZERO)) return null;
    bytes[octet] = value;
  }
  return at === text.length ? bytes : null;
}

/** Groups of up to four hexadecimal digits, the last two perhaps as IPv4, one row of zeros perhaps as `::`. */
function octets6(text: string): Uint8Array | null {
  const bytes = new Uint8Array(16);
  let length = 0;
  /** Octets in front of `::`. */
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  }
  // It may end with `::`; anything else has to end with a group.
  while (gap !== length || at < text.length) {
    const start = at;
    let value = 0;
    for (let digit = hexDigit(text, at); digit >= 0 && at - start < 4; digit = hexDigit(text, at)) {
      value = (value << 4) | digit;
      at++;
    }
    if (at === start) return null;
    if (text.charCodeAt(at) === DOT) {
      const tail = length <= 12 ? octets4(text.slice(start)) : null;
      if (!tail) return null;
      bytes.set(tail, length);
      length += 4;
      break;
    }
    if (length === 16) return null;
    bytes[length++] = value >> 8;
    bytes[length++] = value & 255;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== COLON) return null;
    if (text.charCodeAt(at) !== COLON) continue;
    if (gap >= 0) return null;
    gap = length;
    at++;
  }
  if (gap < 0) return length === 16 ? bytes : null;
  if (length === 16) return null;
  const behind = 16 - (length - gap);
  bytes.copyWithin(behind, gap, length);
  return bytes.fill(0, gap, behind);
}

/** Value of the hexadecimal digit there; -1: it is none. */
function hexDigit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= ZERO && code <= 57) return code - ZERO;
  const letter = code | 0x20;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** Text of 4 or 16 octets, IPv6 in the form of RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  // The first of the longest rows of zero groups, of at least two.
  let [from, most] = [-1, 1];
  for (let group = 0, row = 0; group < 8; group++) {
    row = bytes[group * 2]! | bytes[group * 2 + 1]! ? 0 : row + 1;
    if (row > most) [from, most] = [group + 1 - row, row];
  }
  let text = '';
  for (let group = 0; group < 8; group++) {
    if (group === from) {
      text += '::';
      group += most - 1;
      continue;
    }
    if (text && !text.endsWith('::')) text += ':';
    text += ((bytes[group * 2]! << 8) | bytes[group * 2 + 1]!).toString(16);
  }
  return text;
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

/** The one form of an address (RFC 5952), in which text can be compared. Throws BAD_ADDRESS. */
export function canonicalAddress(text: string): string {
  return formatAddress(parseAddress(text).bytes);
}

/** The one form of a prefix. Throws BAD_PREFIX. */
export function canonicalPrefix(text: string): string {
  const { bytes, length } = parsePrefix(text);
  return `${formatAddress(bytes)}/${length}`;
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

/** Whether `inner` lies in `outer`; never if it is of the other family. */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && prefixContains(outer, inner.bytes);
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
