/**
 * Cuts super-packets of the TUN (TSO, USO) into the packets that go on the wire. The kernel hands over one header and up to
 * 64 KiB of payload; each segment gets a buffer of its own with the header in front, patched as the kernel's own segmentation
 * would do it (RFC 9293, RFC 6864), and a complete checksum:
 *
 *   super-packet   | IP | TCP | payload 1 | payload 2 | payload 3 |
 *   segments       | IP | TCP | payload 1 |   | IP | TCP | payload 2 |   | IP | TCP | payload 3 |
 *                   ID, length, sequence number, flags, checksums differ
 *
 * struct virtio_net_hdr says how; nothing in it is believed that the packet itself does not show.
 */
import {
  BUFFER_PACKET,
  VNET_CSUM_OFFSET,
  VNET_CSUM_START,
  VNET_FLAGS,
  VNET_FLAG_NEEDS_CSUM,
  VNET_GSO_ECN,
  VNET_GSO_SIZE,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_TYPE,
  VNET_GSO_UDP_L4,
} from '../layout';
import { loadBe16, loadBe32, storeBe16, storeBe32 } from '../wire/bytes';
import { checksumAdd, checksumCopy, checksumFinish, pseudoHeader4, pseudoHeader6 } from '../wire/checksum';
import { PROTOCOL_TCP, PROTOCOL_UDP, findUpperLayer6 } from '../wire/ip';

const TCP_FIN_PSH: u32 = 0x09;
const TCP_CWR: u32 = 0x80;

/** Whether the virtio_net_hdr announces a packet that has to be cut. */
// @ts-ignore: decorator
@inline
export function isSuper(vnet: usize): bool {
  return load<u8>(vnet, VNET_GSO_TYPE) != 0;
}

/** Octets of payload a segment, as the virtio_net_hdr says. */
// @ts-ignore: decorator
@inline
export function segmentSize(vnet: usize): u32 {
  return load<u16>(vnet, VNET_GSO_SIZE);
}

/**
 * Completes the checksum that the kernel left for the device (VIRTIO_NET_HDR_F_NEEDS_CSUM): the field holds the sum of the
 * pseudo-header. False: the header points outside the packet.
 */
export function completeChecksum(vnet: usize, at: usize, length: u32): bool {
  if (!(load<u8>(vnet, VNET_FLAGS) & VNET_FLAG_NEEDS_CSUM)) return true;
  const start = <u32>load<u16>(vnet, VNET_CSUM_START);
  const field = start + <u32>load<u16>(vnet, VNET_CSUM_OFFSET);
  if (start > length || field + 2 > length) return false;
  const sum = checksumFinish(checksumAdd(0, at + start, length - start));
  // RFC 768: a UDP checksum of 0 is sent as all ones; for TCP both mean the same.
  store<u16>(at + field, sum ? sum : 0xffff);
  return true;
}

/**
 * Octets in front of the payload of the checked super-packet of `total` octets at `at`; 0 if it is not what its
 * virtio_net_hdr says, has no payload, or is a fragment.
 */
export function superHeaderLength(vnet: usize, at: usize, family: u32, total: u32): u32 {
  const type = (<u32>load<u8>(vnet, VNET_GSO_TYPE)) & ~VNET_GSO_ECN;
  if (!segmentSize(vnet)) return 0;
  const protocol = type == VNET_GSO_UDP_L4 ? PROTOCOL_UDP : PROTOCOL_TCP;
  if (type == VNET_GSO_TCPV4 ? family != 4 : type == VNET_GSO_TCPV6 ? family != 6 : type != VNET_GSO_UDP_L4) {
    return 0;
  }
  const upper = upperLayer(at, family, total, protocol);
  if (!upper) return 0;
  let header = upper + 8;
  if (protocol == PROTOCOL_TCP) {
    if (upper + 20 > total) return 0;
    const length = ((<u32>load<u8>(at + upper, 12)) >> 4) << 2;
    if (length < 20) return 0;
    header = upper + length;
  }
  return header < total ? header : 0;
}

/** Offset of the TCP or UDP header of a checked packet, 0 if there is none here. */
function upperLayer(at: usize, family: u32, total: u32, protocol: u32): u32 {
  if (family == 4) {
    if (<u32>load<u8>(at, 9) != protocol || loadBe16(at, 6) & 0x3fff) return 0;
    return ((<u32>load<u8>(at)) & 15) << 2;
  }
  return findUpperLayer6(at, total, protocol);
}

/**
 * Writes the segment that starts at payload octet `done` of the super-packet at `at` into `buffer`; gives its length.
 * `header` is what superHeaderLength() gave.
 */
export function writeSegment(
  buffer: usize,
  at: usize,
  family: u32,
  total: u32,
  header: u32,
  done: u32,
  size: u32,
): u32 {
  const payload = min<u32>(size, total - header - done);
  const last = header + done + payload == total;
  const length = header + payload;
  const to = buffer + BUFFER_PACKET;
  memory.copy(to, at, header);
  const sum = checksumCopy(to + header, at + header + done, payload);
  let upper: u32;
  let protocol: u32;
  let pseudo: u64;
  if (family == 4) {
    upper = ((<u32>load<u8>(to)) & 15) << 2;
    protocol = load<u8>(to, 9);
    storeBe16(to + 2, length);
    storeBe16(to + 4, loadBe16(at, 4) + done / size);
    store<u16>(to, 0, 10);
    store<u16>(to, checksumFinish(checksumAdd(0, to, upper)), 10);
    pseudo = pseudoHeader4(to, length - upper, protocol);
  } else {
    protocol = <u32>load<u8>(to, 6);
    upper = 40;
    if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) {
      protocol = findUpperLayer6(at, total, PROTOCOL_TCP) ? PROTOCOL_TCP : PROTOCOL_UDP;
      upper = findUpperLayer6(at, total, protocol);
    }
    storeBe16(to + 4, length - 40);
    pseudo = pseudoHeader6(to, length - upper, protocol);
  }
  const field = to + upper;
  if (protocol == PROTOCOL_TCP) {
    storeBe32(field + 4, loadBe32(at + upper, 4) + done);
    let flags = <u32>load<u8>(field, 13);
    if (!last) flags &= ~TCP_FIN_PSH;
    if (done) flags &= ~TCP_CWR;
    store<u8>(field, <u8>flags, 13);
    store<u16>(field, 0, 16);
    store<u16>(field, checksumFinish(checksumAdd(pseudo, field, header - upper) + sum), 16);
  } else {
    storeBe16(field + 4, length - upper);
    store<u16>(field, 0, 6);
    const check = checksumFinish(checksumAdd(pseudo, field, 8) + sum);
    store<u16>(field, check ? check : 0xffff, 6);
  }
  return length;
}
