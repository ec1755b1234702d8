/**
 * Outer headers of a received packet: from what a device delivered to (source, port, TOS, payload). Sockets have
 * removed and checked part of them already, see MODE_* in layout.ts; in-memory devices deliver them whole.
 * Every function gives 0 or a drop reason and fills WORKER_META.
 */
import {
  DROP_OUTER_CHECKSUM,
  DROP_OUTER_DESTINATION,
  DROP_OUTER_FRAGMENT,
  DROP_OUTER_MALFORMED,
  DROP_OUTER_TRUNCATED,
  ENDPOINT_ADDRESS,
  ENDPOINT_MODE,
  ENDPOINT_PORT,
  ENDPOINT_PROTOCOL,
  META_PAYLOAD,
  META_PAYLOAD_LENGTH,
  META_PORT,
  META_PROTOCOL,
  META_SEGMENT,
  META_SOURCE_HIGH,
  META_SOURCE_LOW,
  META_TOS,
  MODE_RAW4,
  MODE_RAW6,
  MODE_UDP4,
  MODE_WHOLE,
} from '../layout';
import { loadBe16, loadBe32, loadBe64 } from '../wire/bytes';
import { checksumAdd, checksumFold, checksumHeader4, pseudoHeader4, pseudoHeader6 } from '../wire/checksum';
import { NEXT_HEADER_DESTINATION, PROTOCOL_UDP, ipVersion } from '../wire/ip';

const MAPPED: u64 = 0x0000ffff00000000;
const MAPPED_IN_MEMORY: u64 = 0x00000000ffff0000;
const IP_LEVEL_TOS: u64 = 0x0000_0001_0000_0000; // level IPPROTO_IP (0), type IP_TOS (1)
const IPV6_LEVEL_TCLASS: u64 = 0x0000_0043_0000_0029; // level IPPROTO_IPV6 (41), type IPV6_TCLASS (67)
const SOCKET_LEVEL_STAMP: u64 = 0x0000_0023_0000_0001; // level SOL_SOCKET (1), type SCM_TIMESTAMPNS (35)
const UDP_LEVEL_GRO: u64 = 0x0000_0068_0000_0011; // level SOL_UDP (17), type UDP_GRO (104)

/** Reads what endpoint `endpoint` received: `length` octets at `at`, sender at `name`, ancillary data at `control`. */
// @ts-ignore: decorator
@inline
export function readOuter(
  meta: usize,
  endpoint: usize,
  at: usize,
  length: u32,
  name: usize,
  control: usize,
  controlLength: u32,
): u32 {
  const mode = load<u32>(endpoint, ENDPOINT_MODE);
  if (mode == MODE_WHOLE) return readWhole(meta, endpoint, at, length);
  if (mode == MODE_RAW4) return readHeader4(meta, at, length);
  // struct sockaddr_in6: family 2, port 2, flow 4, address 16; struct sockaddr_in: family 2, port 2, address 4.
  if (mode == MODE_UDP4) {
    store<u64>(meta, 0, META_SOURCE_HIGH);
    store<u64>(meta, MAPPED | (<u64>loadBe32(name, 4)), META_SOURCE_LOW);
  } else {
    store<u64>(meta, loadBe64(name, 8), META_SOURCE_HIGH);
    store<u64>(meta, loadBe64(name, 16), META_SOURCE_LOW);
  }
  store<u32>(meta, mode == MODE_RAW6 ? 0 : loadBe16(name, 2), META_PORT);
  readControl(meta, control, controlLength);
  store<u32>(meta, <u32>at, META_PAYLOAD);
  store<u32>(meta, length, META_PAYLOAD_LENGTH);
  store<u32>(meta, load<u32>(endpoint, ENDPOINT_PROTOCOL), META_PROTOCOL);
  return 0;
}

/**
 * Ancillary data (cmsg(3)): TOS from IP_RECVTOS (one octet) or class from IPV6_RECVTCLASS (an int), and the length of each
 * datagram from UDP_GRO (an int); 0 where nothing came.
 */
function readControl(meta: usize, at: usize, length: u32): void {
  store<u32>(meta, 0, META_TOS);
  store<u32>(meta, 0, META_SEGMENT);
  const end = at + length;
  while (at + 17 <= end) {
    const octets = load<u32>(at);
    const type = load<u64>(at, 8);
    if (type == IP_LEVEL_TOS || type == IPV6_LEVEL_TCLASS) store<u32>(meta, load<u8>(at, 16), META_TOS);
    else if (type == UDP_LEVEL_GRO) store<u32>(meta, load<u16>(at, 16), META_SEGMENT);
    if (octets < 16) return;
    at += <usize>((octets + 7) & ~7);
  }
}

/** When the kernel received the message (SO_TIMESTAMPNS, socket(7)): microseconds of CLOCK_REALTIME, 0 if it does not say. */
export function kernelStamp(at: usize, length: u32): u64 {
  const end = at + length;
  while (at + 32 <= end) {
    if (load<u64>(at, 8) == SOCKET_LEVEL_STAMP)
      return load<u64>(at, 16) * 1_000_000 + load<u64>(at, 24) / 1000;
    const octets = load<u32>(at);
    if (octets < 16) break;
    at += <usize>((octets + 7) & ~7);
  }
  return 0;
}

/** The IPv4 header, checked as ip(7) and RFC 1122 would: version, lengths, checksum, no fragment. */
// @ts-ignore: decorator
@inline
function readHeader4(meta: usize, at: usize, length: u32): u32 {
  if (length < 20) return DROP_OUTER_TRUNCATED;
  const header = ((<u32>load<u8>(at)) & 15) << 2;
  const total = loadBe16(at, 2);
  if (ipVersion(at) != 4 || header < 20 || total < header) return DROP_OUTER_MALFORMED;
  if (total > length) return DROP_OUTER_TRUNCATED;
  if (loadBe16(at, 6) & 0x3fff) return DROP_OUTER_FRAGMENT;
  store<u64>(meta, 0, META_SOURCE_HIGH);
  store<u64>(meta, MAPPED | (<u64>loadBe32(at, 12)), META_SOURCE_LOW);
  store<u32>(meta, 0, META_PORT);
  store<u32>(meta, load<u8>(at, 1), META_TOS);
  store<u32>(meta, <u32>at + header, META_PAYLOAD);
  store<u32>(meta, total - header, META_PAYLOAD_LENGTH);
  store<u32>(meta, load<u8>(at, 9), META_PROTOCOL);
  return 0;
}

/** The IPv6 header and a Tunnel Encapsulation Limit in front of the payload (RFC 2473 §4.1.1). */
function readHeader6(meta: usize, at: usize, length: u32): u32 {
  if (length < 40) return DROP_OUTER_TRUNCATED;
  const payload = loadBe16(at, 4);
  if (payload + 40 > length) return DROP_OUTER_TRUNCATED;
  let next = <u32>load<u8>(at, 6);
  let offset: u32 = 40;
  while (next == NEXT_HEADER_DESTINATION) {
    if (offset + 8 > payload + 40) return DROP_OUTER_TRUNCATED;
    next = <u32>load<u8>(at + offset);
    offset += (<u32>load<u8>(at + offset, 1) + 1) << 3;
  }
  if (offset > payload + 40) return DROP_OUTER_TRUNCATED;
  if (next == 44) return DROP_OUTER_FRAGMENT;
  store<u64>(meta, loadBe64(at, 8), META_SOURCE_HIGH);
  store<u64>(meta, loadBe64(at, 16), META_SOURCE_LOW);
  store<u32>(meta, 0, META_PORT);
  store<u32>(meta, (loadBe32(at) >> 20) & 0xff, META_TOS);
  store<u32>(meta, <u32>at + offset, META_PAYLOAD);
  store<u32>(meta, payload + 40 - offset, META_PAYLOAD_LENGTH);
  store<u32>(meta, next, META_PROTOCOL);
  return 0;
}

/** A whole outer packet: what the kernel checks for sockets is checked here. */
// @ts-ignore: decorator
@inline
function readWhole(meta: usize, endpoint: usize, at: usize, length: u32): u32 {
  if (!length) return DROP_OUTER_TRUNCATED;
  const version = ipVersion(at);
  let reason: u32 = DROP_OUTER_MALFORMED;
  if (version == 4) {
    reason = readHeader4(meta, at, length);
    if (!reason) {
      const first = load<u8>(at);
      const sum = first == 0x45 ? checksumHeader4(at) : checksumAdd(0, at, ((<u32>first) & 15) << 2);
      if (checksumFold(sum) != 0xffff) reason = DROP_OUTER_CHECKSUM;
    }
  } else if (version == 6) {
    reason = readHeader6(meta, at, length);
  }
  if (reason) return reason;
  // Compared as they lie in memory.
  const high = version == 4 ? 0 : load<u64>(at, 24);
  const low = version == 4 ? MAPPED_IN_MEMORY | ((<u64>load<u32>(at, 16)) << 32) : load<u64>(at, 32);
  if ((high ^ load<u64>(endpoint, ENDPOINT_ADDRESS)) | (low ^ load<u64>(endpoint, ENDPOINT_ADDRESS + 8))) {
    return DROP_OUTER_DESTINATION;
  }
  const protocol = load<u32>(meta, META_PROTOCOL);
  if (protocol != load<u32>(endpoint, ENDPOINT_PROTOCOL)) return DROP_OUTER_DESTINATION;
  return protocol == PROTOCOL_UDP ? readUdp(meta, endpoint, at, version) : 0;
}

/** RFC 768; a zero checksum is taken over IPv4 and, on these configured tunnels, over IPv6 (RFC 6935 §5). */
// @ts-ignore: decorator
@inline
function readUdp(meta: usize, endpoint: usize, at: usize, version: u32): u32 {
  const udp = <usize>load<u32>(meta, META_PAYLOAD);
  const available = load<u32>(meta, META_PAYLOAD_LENGTH);
  if (available < 8) return DROP_OUTER_TRUNCATED;
  const length = loadBe16(udp, 4);
  if (length < 8 || length > available) return DROP_OUTER_MALFORMED;
  if (loadBe16(udp, 2) != load<u32>(endpoint, ENDPOINT_PORT)) return DROP_OUTER_DESTINATION;
  if (load<u16>(udp, 6) && !udpChecksumIsRight(at, udp, length, version)) return DROP_OUTER_CHECKSUM;
  store<u32>(meta, loadBe16(udp), META_PORT);
  store<u32>(meta, <u32>udp + 8, META_PAYLOAD);
  store<u32>(meta, length - 8, META_PAYLOAD_LENGTH);
  return 0;
}

function udpChecksumIsRight(at: usize, udp: usize, length: u32, version: u32): bool {
  const pseudo =
    version == 4 ? pseudoHeader4(at, length, PROTOCOL_UDP) : pseudoHeader6(at, length, PROTOCOL_UDP);
  return checksumFold(checksumAdd(pseudo, udp, length)) == 0xffff;
}
