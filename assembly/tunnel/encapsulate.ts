/**
 * Writes the outer headers in front of an inner packet, in place. Almost everything is in the path's template
 * (src/dataplane/path-template.ts), laid down 16 octets at a time; what differs from packet to packet is patched:
 *
 *   IPv4: TOS, total length, ID, DF, protocol, checksum     IPv6: class, payload length, next header
 *   UDP: length, checksum     TLV: length     GRE: protocol type, sequence, checksum
 */
import {
  PATH_FLAGS,
  PATH_FLAG_DF_COPY,
  PATH_FLAG_DSCP_COPY,
  PATH_FLAG_ECN_COPY,
  PATH_FLAG_GRE_CHECKSUM,
  PATH_FLAG_OUTER6,
  PATH_FLAG_SEQUENCE,
  PATH_FLAG_UDP_CHECKSUM,
  PATH_GRE_OFFSET,
  PATH_HEADER_LENGTH,
  PATH_PROTOCOL_OFFSET,
  PATH_SEQUENCE_OFFSET,
  PATH_TEMPLATE_END,
  PATH_TLV_OFFSET,
  PATH_TOS,
  PATH_UDP_OFFSET,
} from '../layout';
import { loadBe32, storeBe16, storeBe32 } from '../wire/bytes';
import { checksumAdd, checksumFinish, pseudoHeader4, pseudoHeader6 } from '../wire/checksum';
import { PROTOCOL_IPV4, PROTOCOL_IPV6, PROTOCOL_UDP } from '../wire/ip';

/** The outer TOS or traffic class for a checked inner packet: DSCP copied or fixed, ECN by RFC 6040 §4.1. */
// @ts-ignore: decorator
@inline
export function outerTos(path: usize, inner: usize, family: u32): u32 {
  const flags = load<u32>(path, PATH_FLAGS);
  const tos = family == 4 ? <u32>load<u8>(inner, 1) : (loadBe32(inner) >> 20) & 0xff;
  const dscp = flags & PATH_FLAG_DSCP_COPY ? tos & 0xfc : load<u32>(path, PATH_TOS);
  return flags & PATH_FLAG_ECN_COPY ? dscp | (tos & 3) : dscp;
}

/**
 * Encapsulates the checked inner packet of `length` octets; gives the address of the outer header. `sequence` goes
 * into the GRE header where the path has one, and into the IPv4 ID.
 */
// @ts-ignore: decorator
@inline
export function encapsulatePacket(
  path: usize,
  inner: usize,
  family: u32,
  length: u32,
  sequence: u32,
  tos: u32,
): usize {
  const flags = load<u32>(path, PATH_FLAGS);
  const headerLength = load<u32>(path, PATH_HEADER_LENGTH);
  // Whole 16-octet blocks, right-aligned: the surplus lands in the headroom in front of the outer header. Most headers are no
  // longer than three of them.
  v128.store(inner - 16, v128.load(path, PATH_TEMPLATE_END - 16));
  v128.store(inner - 32, v128.load(path, PATH_TEMPLATE_END - 32));
  v128.store(inner - 48, v128.load(path, PATH_TEMPLATE_END - 48));
  for (let done: u32 = 48; done < headerLength; done += 16) {
    v128.store(inner - done - 16, v128.load(path + PATH_TEMPLATE_END - done - 16));
  }
  const outer = inner - headerLength;
  const total = headerLength + length;

  const protocolOffset = load<u32>(path, PATH_PROTOCOL_OFFSET);
  const protocol: u32 = family == 4 ? PROTOCOL_IPV4 : PROTOCOL_IPV6;
  if (protocolOffset) store<u8>(outer + protocolOffset, <u8>protocol);
  const gre = load<u32>(path, PATH_GRE_OFFSET);
  if (gre) writeGre(path, flags, outer + gre, family, total - gre, sequence);

  if (flags & PATH_FLAG_OUTER6) {
    storeBe32(outer, 0x60000000 | (tos << 20));
    storeBe16(outer + 4, total - 40);
  } else {
    // The sum is made of the template and of what differs, not of what was just stored: reading parts of several stores back stalls.
    const template = path + PATH_TEMPLATE_END - headerLength;
    const start = load<u32>(template) | (tos << 8) | (total << 24) | ((total << 8) & 0xff0000);
    let second = load<u32>(template, 4) | ((sequence & 0xff) << 8) | ((sequence >> 8) & 0xff);
    if (flags & PATH_FLAG_DF_COPY && (family == 6 || load<u8>(inner, 6) & 0x40)) second |= 0x400000;
    const third = load<u32>(template, 8) | (protocolOffset ? protocol << 8 : 0);
    const sum =
      <u64>start + <u64>second + <u64>third + <u64>load<u32>(template, 12) + <u64>load<u32>(template, 16);
    store<u32>(outer, start);
    store<u32>(outer, second, 4);
    store<u32>(outer, third | ((<u32>checksumFinish(sum)) << 16), 8);
  }
  const udp = load<u32>(path, PATH_UDP_OFFSET);
  if (udp) writeUdp(path, flags, outer, udp, total - udp);
  return outer;
}

/** RFC 2784 §2, RFC 2890 §2: protocol type, sequence number, then the checksum over header and payload. */
// @ts-ignore: decorator
@inline
function writeGre(path: usize, flags: u32, gre: usize, family: u32, length: u32, sequence: u32): void {
  storeBe16(gre + 2, family == 4 ? 0x0800 : 0x86dd);
  if (flags & PATH_FLAG_SEQUENCE) storeBe32(gre + load<u32>(path, PATH_SEQUENCE_OFFSET), sequence);
  if (flags & PATH_FLAG_GRE_CHECKSUM) store<u16>(gre, checksumFinish(checksumAdd(0, gre, length)), 4);
}

/** RFC 768 and the TLV header of RFC 5845 §7.2. A computed checksum of 0 is sent as all ones. */
// @ts-ignore: decorator
@inline
function writeUdp(path: usize, flags: u32, outer: usize, offset: u32, length: u32): void {
  const udp = outer + offset;
  storeBe16(udp + 4, length);
  const tlv = load<u32>(path, PATH_TLV_OFFSET);
  if (tlv) storeBe16(outer + tlv + 2, length - 12);
  if (flags & PATH_FLAG_UDP_CHECKSUM) writeUdpChecksum(flags, outer, udp, length);
}

function writeUdpChecksum(flags: u32, outer: usize, udp: usize, length: u32): void {
  const pseudo =
    flags & PATH_FLAG_OUTER6
      ? pseudoHeader6(outer, length, PROTOCOL_UDP)
      : pseudoHeader4(outer, length, PROTOCOL_UDP);
  const sum = checksumFinish(checksumAdd(pseudo, udp, length));
  store<u16>(udp, sum ? sum : 0xffff, 6);
}
