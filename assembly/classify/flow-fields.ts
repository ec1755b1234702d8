/**
 * Takes a checked inner packet apart for classification: addresses, upper-layer protocol, ports, DSCP, SPI, flow label, in host byte
 * order at WORKER_FIELDS. IPv6 extension headers are walked; the SPI is that of ESP or of an authentication header, behind which
 * an IPv6 packet's upper layer is still read (RFC 4302) while an IPv4 packet's protocol is then 51. A fragment other than
 * the first has no ports and no SPI.
 */
import {
  FIELD_DESTINATION_HIGH,
  FIELD_DESTINATION_LOW,
  FIELD_DESTINATION_PORT,
  FIELD_DSCP,
  FIELD_FLAGS,
  FIELD_FRAGMENT_FIRST,
  FIELD_FRAGMENT_LATER,
  FIELD_HAS_PORTS,
  FIELD_HAS_SPI,
  FIELD_IDENTIFICATION,
  FIELD_LABEL,
  FIELD_PROTOCOL,
  FIELD_SOURCE_HIGH,
  FIELD_SOURCE_LOW,
  FIELD_SOURCE_PORT,
  FIELD_SPI,
} from '../layout';
import { loadBe16, loadBe32, loadBe64 } from '../wire/bytes';
import { NEXT_HEADER_DESTINATION, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ip';

const PROTOCOL_HOP_BY_HOP: u32 = 0;
const PROTOCOL_DCCP: u32 = 33;
const PROTOCOL_ROUTING: u32 = 43;
const PROTOCOL_FRAGMENT: u32 = 44;
const PROTOCOL_ESP: u32 = 50;
const PROTOCOL_AH: u32 = 51;
const PROTOCOL_SCTP: u32 = 132;
const PROTOCOL_UDP_LITE: u32 = 136;

/** Fills `fields` for the packet of `total` octets at `inner`. */
export function readFields(fields: usize, inner: usize, family: u32, total: u32): void {
  store<u64>(fields, 0, FIELD_SOURCE_PORT);
  store<u64>(fields, 0, FIELD_SPI);
  store<u32>(fields, 0, FIELD_IDENTIFICATION);
  if (family == 4) readFields4(fields, inner, total);
  else readFields6(fields, inner, total);
}

function readFields4(fields: usize, inner: usize, total: u32): void {
  store<u64>(fields, 0, FIELD_SOURCE_HIGH);
  store<u64>(fields, <u64>loadBe32(inner, 12), FIELD_SOURCE_LOW);
  store<u64>(fields, 0, FIELD_DESTINATION_HIGH);
  store<u64>(fields, <u64>loadBe32(inner, 16), FIELD_DESTINATION_LOW);
  store<u32>(fields, (<u32>load<u8>(inner, 1)) >> 2, FIELD_DSCP);
  const protocol = <u32>load<u8>(inner, 9);
  store<u32>(fields, protocol, FIELD_PROTOCOL);
  const fragment = loadBe16(inner, 6);
  let flags: u32 = 0;
  if (fragment & 0x3fff) {
    flags = fragment & 0x1fff ? FIELD_FRAGMENT_LATER : FIELD_FRAGMENT_FIRST;
    store<u32>(fields, loadBe16(inner, 4), FIELD_IDENTIFICATION);
  }
  const header = ((<u32>load<u8>(inner)) & 15) << 2;
  if (!(flags & FIELD_FRAGMENT_LATER)) flags |= readUpper(fields, inner, header, total, protocol);
  store<u32>(fields, flags, FIELD_FLAGS);
}

function readFields6(fields: usize, inner: usize, total: u32): void {
  store<u64>(fields, loadBe64(inner, 8), FIELD_SOURCE_HIGH);
  store<u64>(fields, loadBe64(inner, 16), FIELD_SOURCE_LOW);
  store<u64>(fields, loadBe64(inner, 24), FIELD_DESTINATION_HIGH);
  store<u64>(fields, loadBe64(inner, 32), FIELD_DESTINATION_LOW);
  const first = loadBe32(inner);
  store<u32>(fields, (first >> 22) & 0x3f, FIELD_DSCP);
  store<u32>(fields, first & 0xfffff, FIELD_LABEL);
  let next = <u32>load<u8>(inner, 6);
  let offset: u32 = 40;
  let flags: u32 = 0;
  // Each header is at least 8 octets long, so the walk ends within total / 8 steps.
  while (offset + 8 <= total) {
    const header = inner + offset;
    if (next == PROTOCOL_HOP_BY_HOP || next == PROTOCOL_ROUTING || next == NEXT_HEADER_DESTINATION) {
      offset += (<u32>load<u8>(header, 1) + 1) << 3;
    } else if (next == PROTOCOL_FRAGMENT) {
      const fragment = loadBe16(header, 2);
      // RFC 6946: an atomic fragment is a whole packet.
      if (fragment & 0xfff9) {
        flags |= fragment & 0xfff8 ? FIELD_FRAGMENT_LATER : FIELD_FRAGMENT_FIRST;
        store<u32>(fields, loadBe32(header, 4), FIELD_IDENTIFICATION);
      }
      offset += 8;
      if (flags & FIELD_FRAGMENT_LATER) {
        next = <u32>load<u8>(header);
        break;
      }
    } else if (next == PROTOCOL_AH) {
      store<u32>(fields, loadBe32(header, 4), FIELD_SPI);
      flags |= FIELD_HAS_SPI;
      offset += (<u32>load<u8>(header, 1) + 2) << 2;
    } else {
      break;
    }
    next = <u32>load<u8>(header);
  }
  store<u32>(fields, next, FIELD_PROTOCOL);
  if (!(flags & FIELD_FRAGMENT_LATER)) flags |= readUpper(fields, inner, offset, total, next);
  store<u32>(fields, flags, FIELD_FLAGS);
}

/** Ports or SPI at `offset`, as far as the packet has them; gives the flags. */
// @ts-ignore: decorator
@inline
function readUpper(fields: usize, inner: usize, offset: u32, total: u32, protocol: u32): u32 {
  if (
    protocol == PROTOCOL_TCP ||
    protocol == PROTOCOL_UDP ||
    protocol == PROTOCOL_SCTP ||
    protocol == PROTOCOL_DCCP ||
    protocol == PROTOCOL_UDP_LITE
  ) {
    if (offset + 4 > total) return 0;
    store<u32>(fields, loadBe16(inner + offset), FIELD_SOURCE_PORT);
    store<u32>(fields, loadBe16(inner + offset, 2), FIELD_DESTINATION_PORT);
    return FIELD_HAS_PORTS;
  }
  if (protocol == PROTOCOL_ESP || protocol == PROTOCOL_AH) {
    const at: u32 = protocol == PROTOCOL_ESP ? offset : offset + 4;
    if (at + 4 > total) return 0;
    store<u32>(fields, loadBe32(inner + at), FIELD_SPI);
    return FIELD_HAS_SPI;
  }
  return 0;
}
