/**
 * IPv4 (RFC 791) and IPv6 (RFC 8200) headers of inner packets: one check, then everything may be trusted.
 *
 *   IPv4  0: version, IHL | 1: TOS | 2: total length | 4: ID | 6: flags, offset | 8: TTL | 9: protocol
 *         10: checksum | 12: source | 16: destination
 *   IPv6  0: version, class, flow label | 4: payload length | 6: next header | 7: hop limit
 *         8: source | 24: destination
 */
import {
  DROP_INNER_CHECKSUM,
  DROP_INNER_EXPIRED,
  DROP_INNER_MALFORMED,
  DROP_INNER_TRUNCATED,
} from '../layout';
import { loadBe16, loadBe64 } from './bytes';
import { checksumAdd, checksumFold, checksumHeader4 } from './checksum';

export const PROTOCOL_IPV4: u32 = 4;
export const PROTOCOL_TCP: u32 = 6;
export const PROTOCOL_UDP: u32 = 17;
export const PROTOCOL_IPV6: u32 = 41;
export const PROTOCOL_GRE: u32 = 47;
export const PROTOCOL_ICMPV6: u32 = 58;
export const NEXT_HEADER_DESTINATION: u32 = 60;

/** 4 or 6 for what the first nibble says, whatever it is otherwise. */
// @ts-ignore: decorator
@inline
export function ipVersion(at: usize): u32 {
  return (<u32>load<u8>(at)) >> 4;
}

/**
 * Checks the IP header of `length` octets at `at`. Gives the packet's own length (what follows it is link
 * padding), or minus the drop reason.
 */
// @ts-ignore: decorator
@inline
export function checkInner(at: usize, length: u32): i32 {
  if (length < 20) return -DROP_INNER_TRUNCATED;
  const version = ipVersion(at);
  if (version == 4) {
    const header = ((<u32>load<u8>(at)) & 15) << 2;
    const total = loadBe16(at, 2);
    if (header < 20 || total < header) return -DROP_INNER_MALFORMED;
    if (total > length) return -DROP_INNER_TRUNCATED;
    const sum = header == 20 ? checksumHeader4(at) : checksumAdd(0, at, header);
    if (checksumFold(sum) != 0xffff) return -DROP_INNER_CHECKSUM;
    if (!load<u8>(at, 8)) return -DROP_INNER_EXPIRED;
    return total;
  }
  if (version != 6) return -DROP_INNER_MALFORMED;
  if (length < 40) return -DROP_INNER_TRUNCATED;
  const payload = loadBe16(at, 4);
  if (payload + 40 > length) return -DROP_INNER_TRUNCATED;
  // A zero length with a hop-by-hop header would be a jumbogram (RFC 2675), which no tunnel here can carry.
  if (!payload && !load<u8>(at, 6)) return -DROP_INNER_MALFORMED;
  if (!load<u8>(at, 7)) return -DROP_INNER_EXPIRED;
  return payload + 40;
}

/**
 * Whether the source address of a checked inner packet may not appear in a tunnel: multicast, loopback, this
 * network, link-local, IPv4-mapped and -compatible (RFC 4213 §3.6, RFC 5213 §5.6.2). `::` and 0.0.0.0 are
 * left to the prefix check.
 */
// @ts-ignore: decorator
@inline
export function isMartianSource(at: usize, family: u32): bool {
  if (family != 4) return isMartianSource6(at);
  const first = <u32>load<u8>(at, 12);
  return first == 127 || first >= 224 || load<u16>(at, 12) == 0xfea9;
}

function isMartianSource6(at: usize): bool {
  const high = loadBe64(at, 8);
  const low = loadBe64(at, 16);
  if (high >> 56 == 0xff) return true;
  if (high >> 54 == 0x3fa) return true;
  if (high) return false;
  // ::/96 other than ::, and ::ffff:0:0/96.
  return low != 0 && (low >> 32 == 0 || low >> 32 == 0xffff);
}

/**
 * Offset of the upper-layer header of a checked IPv6 packet if it is `protocol` and not behind a later
 * fragment; 0 otherwise. Walks hop-by-hop, routing, destination options, fragment and AH headers.
 */
export function findUpperLayer6(at: usize, total: u32, protocol: u32): u32 {
  let next = <u32>load<u8>(at, 6);
  let offset: u32 = 40;
  // Each header is at least 8 octets long, so the walk ends within total / 8 steps.
  while (next != protocol) {
    if (offset + 8 > total) return 0;
    const header = at + offset;
    if (next == 0 || next == 43 || next == NEXT_HEADER_DESTINATION) {
      offset += (<u32>load<u8>(header, 1) + 1) << 3;
    } else if (next == 44) {
      if (loadBe16(header, 2) & 0xfff8) return 0;
      offset += 8;
    } else if (next == 51) {
      offset += (<u32>load<u8>(header, 1) + 2) << 2;
    } else {
      return 0;
    }
    next = <u32>load<u8>(header);
  }
  return offset < total ? offset : 0;
}
