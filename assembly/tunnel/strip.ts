/**
 * From the outer payload to the inner packet: IP-in-IP, GRE (RFC 2784, 2890, 7676), UDP with or without the TLV
 * header (RFC 5844, RFC 5845 §7.2), GRE-in-UDP (RFC 8086). Gives 0 or a drop reason and fills WORKER_META.
 *
 *   GRE  0: |C| |K|S| reserved | version |   2: protocol type   [4: checksum, reserved] [key] [sequence]
 *   TLV  0: type 0 | reserved            1: next header         2: length of what follows
 */
import {
  DROP_GRE_CHECKSUM,
  DROP_GRE_MALFORMED,
  DROP_GRE_PROTOCOL,
  DROP_INNER_MALFORMED,
  DROP_KEEPALIVE,
  DROP_OUTER_TRUNCATED,
  DROP_TLV_MALFORMED,
  ENCAPSULATION_GRE_IN_UDP,
  META_INNER,
  META_INNER_FAMILY,
  META_INNER_LENGTH,
  META_KEY,
  META_KEYED,
  META_PAYLOAD,
  META_PAYLOAD_LENGTH,
  META_PROTOCOL,
  META_SEQUENCE,
  META_SEQUENCED,
  PROBE_TYPE,
} from '../layout';
import { loadBe16, loadBe32 } from '../wire/bytes';
import { checksumAdd, checksumFold } from '../wire/checksum';
import { PROTOCOL_GRE, PROTOCOL_IPV4, PROTOCOL_IPV6, PROTOCOL_UDP, ipVersion } from '../wire/ip';

/** Strips the payload that WORKER_META describes, received by an endpoint of `encapsulation`. */
// @ts-ignore: decorator
@inline
export function stripTunnel(meta: usize, encapsulation: u32): u32 {
  let at = <usize>load<u32>(meta, META_PAYLOAD);
  let length = load<u32>(meta, META_PAYLOAD_LENGTH);
  let protocol = load<u32>(meta, META_PROTOCOL);
  store<u32>(meta, 0, META_KEYED);
  store<u32>(meta, 0, META_SEQUENCED);
  if (protocol == PROTOCOL_UDP) {
    if (encapsulation == ENCAPSULATION_GRE_IN_UDP) {
      protocol = PROTOCOL_GRE;
    } else {
      if (!length) return DROP_OUTER_TRUNCATED;
      // RFC 5845 §7.2: the first nibble tells a TLV header (0) from IPv4 (4) and IPv6 (6).
      const version = ipVersion(at);
      if (version) {
        protocol = version == 4 ? PROTOCOL_IPV4 : PROTOCOL_IPV6;
      } else {
        if (length < 4) return DROP_OUTER_TRUNCATED;
        if (loadBe16(at, 2) != length - 4) return DROP_TLV_MALFORMED;
        protocol = <u32>load<u8>(at, 1);
        at += 4;
        length -= 4;
      }
    }
  }
  if (protocol == PROTOCOL_GRE) return stripGre(meta, at, length);
  if (protocol != PROTOCOL_IPV4 && protocol != PROTOCOL_IPV6) return DROP_TLV_MALFORMED;
  return noteInner(meta, at, length, protocol == PROTOCOL_IPV4 ? 4 : 6);
}

// @ts-ignore: decorator
@inline
function stripGre(meta: usize, at: usize, length: u32): u32 {
  if (length < 4) return DROP_OUTER_TRUNCATED;
  const flags = loadBe16(at);
  // RFC 2784 §2.2, §2.3: discard if any of bits 1, 4, 5 or the version is set (bits 2 and 3 are K and S).
  if (flags & 0x4c07) return DROP_GRE_MALFORMED;
  let offset: u32 = 4;
  if (flags & 0x8000) offset += 4;
  if (flags & 0x2000) offset += 4;
  if (flags & 0x1000) offset += 4;
  if (length < offset) return DROP_OUTER_TRUNCATED;
  if (flags & 0x8000 && checksumFold(checksumAdd(0, at, length)) != 0xffff) return DROP_GRE_CHECKSUM;
  let field = at + (flags & 0x8000 ? 8 : 4);
  if (flags & 0x2000) {
    store<u32>(meta, 1, META_KEYED);
    store<u32>(meta, loadBe32(field), META_KEY);
    field += 4;
  }
  if (flags & 0x1000) {
    store<u32>(meta, 1, META_SEQUENCED);
    store<u32>(meta, loadBe32(field), META_SEQUENCE);
  }
  const type = loadBe16(at, 2);
  if (type == 0x0800 || type == 0x86dd) {
    return noteInner(meta, at + offset, length - offset, type == 0x0800 ? 4 : 6);
  }
  if (type == PROBE_TYPE && flags & 0x2000) {
    // Family 0: a probe (pipeline/probe.ts).
    store<u32>(meta, <u32>(at + offset), META_INNER);
    store<u32>(meta, length - offset, META_INNER_LENGTH);
    store<u32>(meta, 0, META_INNER_FAMILY);
    return 0;
  }
  // Protocol type 0 is nobody's: our keepalive, a header and nothing else.
  if (type == 0 && length == offset) return DROP_KEEPALIVE;
  return DROP_GRE_PROTOCOL;
}

/** The inner packet must be of the family that the header around it announced. */
// @ts-ignore: decorator
@inline
function noteInner(meta: usize, at: usize, length: u32, family: u32): u32 {
  if (!length) return DROP_OUTER_TRUNCATED;
  if (ipVersion(at) != family) return DROP_INNER_MALFORMED;
  store<u32>(meta, <u32>at, META_INNER);
  store<u32>(meta, length, META_INNER_LENGTH);
  store<u32>(meta, family, META_INNER_FAMILY);
  return 0;
}
