/**
 * Traffic selectors (RFC 6088 §3). They describe packets *towards* the mobile node: the source is the correspondent, the
 * destination the node (RFC 6089 §4.2.1.4).
 */
import { BadValue, hex, type OctetReader, type OctetWriter } from '../octets.ts';

/** Both ends belong to the range. */
export interface NumberRange {
  readonly start: number;
  readonly end: number;
}

export interface AddressRange {
  readonly start: string;
  readonly end: string;
}

export interface IpSelector {
  readonly family: 4 | 6;
  readonly source?: AddressRange;
  readonly destination?: AddressRange;
  readonly spi?: NumberRange;
  /** IPv6 only; 20 bits count (RFC 8200). */
  readonly flowLabel?: NumberRange;
  readonly sourcePort?: NumberRange;
  readonly destinationPort?: NumberRange;
  /** DS field or traffic class: the whole octet, of which the upper six bits count. */
  readonly trafficClass?: NumberRange;
  /** Protocol or upper-layer next header. */
  readonly protocol?: NumberRange;
}

/** A format that RFC 6088 does not define, kept as it is. */
export interface UnknownSelector {
  readonly family: null;
  readonly format: number;
  readonly data: Uint8Array;
}

export type TrafficSelector = IpSelector | UnknownSelector;

type Field = Exclude<keyof IpSelector, 'family'>;

/** Fields in wire order: each takes two flags, start and end (from bit 31 on), and `width` octets. */
const FORMATS: Record<4 | 6, readonly (readonly [Field, width: 1 | 2 | 4 | 16])[]> = {
  4: [
    ['source', 4],
    ['destination', 4],
    ['spi', 4],
    ['sourcePort', 2],
    ['destinationPort', 2],
    ['trafficClass', 1],
    ['protocol', 1],
  ],
  6: [
    ['source', 16],
    ['destination', 16],
    ['spi', 4],
    ['flowLabel', 4],
    ['sourcePort', 2],
    ['destinationPort', 2],
    ['trafficClass', 1],
    ['protocol', 1],
  ],
};

function isAddress(field: Field): field is 'source' | 'destination' {
  return field === 'source' || field === 'destination';
}

function readNumber(value: OctetReader, width: number): number {
  return width === 4 ? value.u32() : width === 2 ? value.u16() : value.u8();
}

/** Reads TS format, reserved octet and selector (the order of RFC 6089). Throws BadValue. */
export function decodeTrafficSelector(value: OctetReader): TrafficSelector {
  const format = value.u8();
  value.skip(1);
  return decodeSelectorBody(format, value);
}

/** Reads what follows format and reserved octet. An end without its start, or before it, is a BadValue. */
export function decodeSelectorBody(format: number, value: OctetReader): TrafficSelector {
  if (format !== 1 && format !== 2) return { family: null, format, data: value.octets() };
  const family = format === 1 ? 4 : 6;
  const flags = value.u32();
  const selector: Record<string, unknown> = { family };
  let bit = 0x8000_0000;
  for (const [field, width] of FORMATS[family]) {
    const hasStart = (flags & bit) !== 0;
    const hasEnd = (flags & (bit >>> 1)) !== 0;
    bit >>>= 2;
    if (hasEnd && !hasStart) throw new BadValue(`end of ${field} without its start`);
    if (!hasStart) continue;
    if (isAddress(field)) {
      const start = value.address(family === 4 ? 4 : 16);
      selector[field] = { start, end: hasEnd ? value.address(family === 4 ? 4 : 16) : start };
    } else {
      const start = readNumber(value, width);
      const end = hasEnd ? readNumber(value, width) : start;
      if (end < start) throw new BadValue(`${field} ends before it starts`);
      selector[field] = { start, end };
    }
  }
  if (value.left) throw new BadValue(`${value.left} octets after the last field`);
  return selector as unknown as IpSelector;
}

/** The alignment of the sub-option that holds the selector: that of its widest field (RFC 6088 §3). */
export function selectorAlignment(selector: TrafficSelector): number {
  if (selector.family === null) return 1;
  if (selector.family === 6 && (selector.source || selector.destination)) return 8;
  return 4;
}

/** Writes format, reserved octet and selector. */
export function encodeTrafficSelector(selector: TrafficSelector, writer: OctetWriter): void {
  writer.u8(selector.family === null ? selector.format : selector.family === 4 ? 1 : 2);
  writer.u8(0);
  encodeSelectorBody(selector, writer);
}

export function encodeSelectorBody(selector: TrafficSelector, writer: OctetWriter): void {
  if (selector.family === null) {
    writer.octets(selector.data);
    return;
  }
  const { family } = selector;
  let flags = 0;
  let bit = 0x8000_0000;
  for (const [field] of FORMATS[family]) {
    const range = selector[field];
    if (range) flags |= bit | (range.end === range.start ? 0 : bit >>> 1);
    bit >>>= 2;
  }
  writer.u32(flags >>> 0);
  for (const [field, width] of FORMATS[family]) {
    const range = selector[field];
    if (!range) continue;
    for (const bound of range.end === range.start ? [range.start] : [range.start, range.end]) {
      if (typeof bound === 'string') writer.address(bound, family === 4 ? 4 : 16);
      else if (width === 4) writer.u32(bound);
      else if (width === 2) writer.u16(bound);
      else writer.u8(bound);
    }
  }
}

/** The selector in words. */
export function describeSelector(selector: TrafficSelector): string {
  if (selector.family === null) return `selector format ${selector.format} 0x${hex(selector.data)}`;
  const parts = FORMATS[selector.family].flatMap(([field]) => {
    const range = selector[field];
    if (!range) return [];
    return [`${field} ${range.start}${range.end === range.start ? '' : `-${range.end}`}`];
  });
  return `IPv${selector.family} ${parts.join(', ') || 'any'}`;
}
