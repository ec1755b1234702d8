/** The identifiers of Mobile Node Identifier and MAG Identifier: a subtype and octets (RFC 4283, RFC 8278 §4.2). */
import { hex, textOrHex } from '../octets.ts';
import { SUBTYPE_NAI } from '../numbers.ts';

const DIGIT_0 = 48;
const DIGIT_9 = 57;

export interface Identifier {
  /** Mobile Node Identifier Option Subtypes registry: 1 NAI, 2 IPv6 address, 3 IMSI, 5 EUI-48 ... */
  readonly subtype: number;
  readonly identifier: Uint8Array;
}

/** A Network Access Identifier such as mn1@example.org (RFC 7542). */
export function nai(text: string): Identifier {
  return { subtype: SUBTYPE_NAI, identifier: new TextEncoder().encode(text) };
}

/** The NAI itself, or `subtype:octets in hex`: the same text exactly for the same identifier, so it serves as a key. */
export function identifierText({ subtype, identifier }: Identifier): string {
  if (subtype !== SUBTYPE_NAI) return `${subtype}:0x${hex(identifier)}`;
  const text = textOrHex(identifier);
  const first = text.charCodeAt(0);
  if (first < DIGIT_0 || first > DIGIT_9) return text;
  // An NAI whose text looks like one of the other forms must not be taken for it.
  return /^(\d+:)?0x/.test(text) && !text.startsWith(`0x${hex(identifier)}`)
    ? `1:0x${hex(identifier)}`
    : text;
}
