/**
 * Puts packets for the TUN together into super-packets, the reverse of segment.ts, after the resequencer: only in order are
 * segments neighbours. One writev(2) then carries up to 64 KiB of a flow through the kernel at once; the payloads stay where
 * they are, only the first packet's headers are copied and patched.
 *
 *   deliveries   a1 a2 b1 a3 c a4          one writev each:  [vnet, headers a, payload a1, a2, a3, a4]  [.. b1]  [c]
 *
 * Packets of different flows may change places, those of one flow never: a packet that does not fit to the open super-packet
 * of its flow closes it. Merged is what the kernel's GRO would merge (net/ipv4/tcp_offload.c): TCP segments with ACK and
 * nothing else but PSH, which ends a super-packet, alike in everything but number, length and checksum, each checksum verified;
 * and UDP datagrams of one length but for a shorter last one. Everything else is written as it came.
 */
import {
  BUFFER_SUM,
  CONTROL,
  CONTROL_HOST_BASE,
  CONTROL_TUN_OFFLOAD,
  COUNTER_TUN_TX_SUPER,
  IOVEC_SIZE,
  MERGE_CLOSED,
  MERGE_COUNT,
  MERGE_FIRST,
  MERGE_HEADER,
  MERGE_HEADERS,
  MERGE_HEADERS_MAX,
  MERGE_LAST,
  MERGE_NEXT,
  MERGE_PACKET,
  MERGE_PAYLOAD,
  MERGE_SEGMENT,
  MERGE_STATE,
  MERGE_STRIDE,
  MERGE_VNET,
  TUN_OFFLOAD_MERGE_TCP,
  TUN_OFFLOAD_MERGE_UDP,
  VNET_CSUM_OFFSET,
  VNET_CSUM_START,
  VNET_FLAGS,
  VNET_FLAG_NEEDS_CSUM,
  VNET_GSO_SIZE,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_TYPE,
  VNET_GSO_UDP_L4,
  VNET_HDR_LEN,
  VNET_SIZE,
  WORKER_DELIVER_BUFFERS,
  WORKER_DELIVER_COUNT,
  WORKER_DELIVER_IOVECS,
  WORKER_DELIVER_NEXT,
  WORKER_MERGES,
  WORKER_WRITES,
  WORKER_WRITE_COUNT,
  WORKER_WRITE_IOVECS,
} from '../layout';
import { count } from '../stats';
import { loadBe16, loadBe32, storeBe16 } from '../wire/bytes';
import { checksumAdd, checksumFinish, checksumFold, pseudoHeader4, pseudoHeader6 } from '../wire/checksum';
import { PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, ipVersion } from '../wire/ip';

const TCP_ACK: u32 = 0x10;
const TCP_PSH: u32 = 0x08;
/** In the 32-bit word of data offset, flags and window as memory has it: all of it but PSH. */
const TCP_WORD_MASK: u32 = ~(TCP_PSH << 8);
/** How far back an open super-packet of the same flow is looked for. */
const LOOK_BACK: u32 = 8;
/** UDP_MAX_SEGMENTS of older kernels; TCP could take more, but 64 KiB is full by then. */
const PACKETS_MAX: u32 = 64;
const OCTETS_MAX: u32 = 65535;

const FLOW_NONE: u32 = 0;
const FLOW_PLAIN: u32 = 1;
const FLOW_ADDRESSES: u32 = 2;

/**
 * Lays out the writes for all deliveries; gives their number. WORKER_WRITES has address and count of each one's iovecs.
 */
export function layWrites(worker: usize): u32 {
  const offload = atomic.load<u32>(CONTROL, CONTROL_TUN_OFFLOAD);
  const n = load<u32>(worker, WORKER_DELIVER_COUNT);
  let merges: u32 = 0;
  for (let i: u32 = 0; i < n; i++) merges = addPacket(worker, i, merges, offload);
  let iovec = worker + WORKER_WRITE_IOVECS;
  let supers: u64 = 0;
  for (let m: u32 = 0; m < merges; m++) {
    const merge = mergeAt(worker, m);
    const write = worker + WORKER_WRITES + ((<usize>m) << 3);
    const from = iovec;
    if (load<u32>(merge, MERGE_COUNT) > 1) {
      iovec = layMerge(worker, merge, iovec);
      supers++;
    } else {
      iovec = laySingle(worker, merge, load<u32>(merge, MERGE_FIRST), iovec);
    }
    store<u32>(write, <u32>from);
    store<u32>(write, <u32>((iovec - from) / IOVEC_SIZE), 4);
  }
  if (supers) count(worker, COUNTER_TUN_TX_SUPER, supers);
  store<u32>(worker, merges, WORKER_WRITE_COUNT);
  return merges;
}

/**
 * Lays write `m` out again for one packet of it: the first if `after` is 0, else the one after delivery `after` - 1. Gives
 * the delivery's number + 1, 0 if there is none.
 */
export function singleWrite(worker: usize, m: u32, after: u32): u32 {
  const i = after ? followingDelivery(worker, after - 1) : firstDelivery(worker, m) + 1;
  if (!i) return 0;
  const iovecs = <usize>load<u32>(worker + WORKER_WRITES + ((<usize>m) << 3));
  laySingle(worker, mergeAt(worker, m), i - 1, iovecs);
  return i;
}

/** Packets that write `m` carries: the first, and by followingDelivery() the others. */
// @ts-ignore: decorator
@inline
export function firstDelivery(worker: usize, m: u32): u32 {
  return load<u32>(mergeAt(worker, m), MERGE_FIRST);
}

/** The next delivery + 1 of the same write, 0 after the last. */
// @ts-ignore: decorator
@inline
export function followingDelivery(worker: usize, i: u32): u32 {
  return load<u16>(worker + WORKER_DELIVER_NEXT + ((<usize>i) << 1));
}

// @ts-ignore: decorator
@inline
function mergeAt(worker: usize, m: u32): usize {
  return worker + WORKER_MERGES + <usize>m * MERGE_STRIDE;
}

// @ts-ignore: decorator
@inline
function deliveryAt(worker: usize, i: u32): usize {
  return worker + WORKER_DELIVER_IOVECS + <usize>i * IOVEC_SIZE;
}

/** Address of delivery `i` in this memory. */
// @ts-ignore: decorator
@inline
function packetOf(worker: usize, i: u32): usize {
  return <usize>(load<u64>(deliveryAt(worker, i)) - load<u64>(CONTROL, CONTROL_HOST_BASE));
}

/** Gives delivery `i` a place: in an open super-packet or in one of its own. Gives the number of super-packets. */
function addPacket(worker: usize, i: u32, merges: u32, offload: u32): u32 {
  store<u16>(worker + WORKER_DELIVER_NEXT + ((<usize>i) << 1), 0);
  const at = packetOf(worker, i);
  const length = <u32>load<u64>(deliveryAt(worker, i), 8);
  const kind = flowKind(at);
  const protocol = kind == FLOW_PLAIN ? mergeableProtocol(at, length, offload) : 0;
  if (kind != FLOW_NONE) {
    const lowest = merges > LOOK_BACK ? merges - LOOK_BACK : 0;
    for (let m = merges; m > lowest; m--) {
      const merge = mergeAt(worker, m - 1);
      const state = load<u32>(merge, MERGE_STATE);
      if (state == MERGE_CLOSED) continue;
      if (!sameFlow(<usize>load<u32>(merge, MERGE_PACKET), at, kind == FLOW_PLAIN)) continue;
      if (protocol == state && append(worker, merge, i, at, length, protocol)) return merges;
      store<u32>(merge, MERGE_CLOSED, MERGE_STATE);
    }
  }
  const merge = mergeAt(worker, merges);
  store<u32>(merge, i, MERGE_FIRST);
  store<u32>(merge, i, MERGE_LAST);
  store<u32>(merge, 1, MERGE_COUNT);
  store<u32>(merge, <u32>at, MERGE_PACKET);
  store<u32>(merge, protocol, MERGE_STATE);
  if (protocol) {
    const upper = upperOffset(at);
    const header = protocol == PROTOCOL_TCP ? upper + tcpHeader(at + upper) : upper + 8;
    store<u32>(merge, header, MERGE_HEADER);
    store<u32>(merge, length - header, MERGE_PAYLOAD);
    store<u32>(merge, length - header, MERGE_SEGMENT);
    if (protocol == PROTOCOL_TCP) {
      store<u32>(merge, loadBe32(at + upper, 4) + length - header, MERGE_NEXT);
      if ((<u32>load<u8>(at + upper, 13)) & TCP_PSH) store<u32>(merge, MERGE_CLOSED, MERGE_STATE);
    }
  }
  return merges + 1;
}

// @ts-ignore: decorator
@inline
function upperOffset(at: usize): u32 {
  return ipVersion(at) == 4 ? 20 : 40;
}

// @ts-ignore: decorator
@inline
function tcpHeader(tcp: usize): u32 {
  return ((<u32>load<u8>(tcp, 12)) >> 4) << 2;
}

/** Which open super-packets a packet has to do with: those of its ports, of its addresses (ports unknown), none. */
function flowKind(at: usize): u32 {
  const v4 = ipVersion(at) == 4;
  const protocol = <u32>(v4 ? load<u8>(at, 9) : load<u8>(at, 6));
  if (v4) {
    if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) return FLOW_NONE;
    return load<u8>(at) == 0x45 && !(loadBe16(at, 6) & 0x3fff) ? FLOW_PLAIN : FLOW_ADDRESSES;
  }
  if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP) return FLOW_PLAIN;
  return protocol == PROTOCOL_ICMPV6 ? FLOW_NONE : FLOW_ADDRESSES;
}

/** TCP or UDP if the packet has what a super-packet may hold, else 0. */
function mergeableProtocol(at: usize, length: u32, offload: u32): u32 {
  let protocol: u32;
  let upper: u32 = 40;
  if (ipVersion(at) == 4) {
    // No options, no fragment.
    if (load<u8>(at) != 0x45 || loadBe16(at, 6) & 0x3fff || loadBe16(at, 2) != length) return 0;
    protocol = load<u8>(at, 9);
    upper = 20;
  } else {
    if (loadBe16(at, 4) + 40 != length) return 0;
    protocol = load<u8>(at, 6);
  }
  if (protocol == PROTOCOL_TCP && offload & TUN_OFFLOAD_MERGE_TCP) {
    if (length < upper + 20) return 0;
    const header = tcpHeader(at + upper);
    if (header < 20 || upper + header >= length) return 0;
    if ((load<u8>(at + upper, 12) & 15) != 0) return 0;
    return ((<u32>load<u8>(at + upper, 13)) & ~TCP_PSH) == TCP_ACK ? PROTOCOL_TCP : 0;
  }
  if (protocol == PROTOCOL_UDP && offload & TUN_OFFLOAD_MERGE_UDP) {
    if (length <= upper + 8 || loadBe16(at + upper, 4) != length - upper) return 0;
    return load<u16>(at + upper, 6) ? PROTOCOL_UDP : 0;
  }
  return 0;
}

/** Same addresses and, with `plain`, protocol and ports; `one` is plain. */
function sameFlow(one: usize, two: usize, plain: bool): bool {
  const version = ipVersion(one);
  if (version != ipVersion(two)) return false;
  if (version == 4) {
    if (load<u64>(one, 12) != load<u64>(two, 12)) return false;
    return !plain || (load<u8>(one, 9) == load<u8>(two, 9) && load<u32>(one, 20) == load<u32>(two, 20));
  }
  return (
    load<u64>(one, 32) == load<u64>(two, 32) &&
    load<u64>(one, 24) == load<u64>(two, 24) &&
    load<u64>(one, 16) == load<u64>(two, 16) &&
    load<u64>(one, 8) == load<u64>(two, 8) &&
    (!plain || (load<u8>(one, 6) == load<u8>(two, 6) && load<u32>(one, 40) == load<u32>(two, 40)))
  );
}

/** Appends the packet if it continues the super-packet; false changes nothing. */
function append(worker: usize, merge: usize, i: u32, at: usize, length: u32, protocol: u32): bool {
  const first = <usize>load<u32>(merge, MERGE_PACKET);
  const header = load<u32>(merge, MERGE_HEADER);
  const packets = load<u32>(merge, MERGE_COUNT);
  const payload = load<u32>(merge, MERGE_PAYLOAD);
  const segment = load<u32>(merge, MERGE_SEGMENT);
  const upper = upperOffset(at);
  if (length <= header || header > <u32>MERGE_HEADERS_MAX) return false;
  const octets = length - header;
  if (octets > segment || packets == PACKETS_MAX || header + payload + octets > OCTETS_MAX) return false;
  if (!sameNetworkHeader(first, at, packets)) return false;
  let ends = octets < segment;
  if (protocol == PROTOCOL_TCP) {
    if (!sameTcpHeader(first + upper, at + upper, header - upper)) return false;
    if (loadBe32(at + upper, 4) != load<u32>(merge, MERGE_NEXT)) return false;
    ends = ends || ((<u32>load<u8>(at + upper, 13)) & TCP_PSH) != 0;
  }
  // The first packet's checksum is verified when there is a second one.
  if (packets == 1) {
    const sum = sumOf(worker, load<u32>(merge, MERGE_FIRST));
    if (!checksumIsRight(first, upper, header + payload, protocol, sum)) return false;
  }
  if (!checksumIsRight(at, upper, length, protocol, sumOf(worker, i))) return false;
  store<u16>(worker + WORKER_DELIVER_NEXT + ((<usize>load<u32>(merge, MERGE_LAST)) << 1), <u16>(i + 1));
  store<u32>(merge, i, MERGE_LAST);
  store<u32>(merge, packets + 1, MERGE_COUNT);
  store<u32>(merge, payload + octets, MERGE_PAYLOAD);
  store<u32>(merge, load<u32>(merge, MERGE_NEXT) + octets, MERGE_NEXT);
  if (ends) store<u32>(merge, MERGE_CLOSED, MERGE_STATE);
  return true;
}

/** All of the IP header but lengths, checksum and, where it does not matter (RFC 6864 §4.1), the ID. */
function sameNetworkHeader(first: usize, at: usize, packets: u32): bool {
  if (ipVersion(first) == 6)
    return load<u32>(first) == load<u32>(at) && load<u8>(first, 7) == load<u8>(at, 7);
  if (load<u8>(first, 1) != load<u8>(at, 1) || load<u16>(first, 6) != load<u16>(at, 6)) return false;
  if (load<u8>(first, 8) != load<u8>(at, 8)) return false;
  return (load<u8>(at, 6) & 0x40) != 0 || loadBe16(at, 4) == ((loadBe16(first, 4) + packets) & 0xffff);
}

/** Acknowledgement number, data offset, flags but PSH, window, options. */
function sameTcpHeader(first: usize, at: usize, header: u32): bool {
  if (load<u32>(first, 8) != load<u32>(at, 8)) return false;
  if ((load<u32>(first, 12) & TCP_WORD_MASK) != (load<u32>(at, 12) & TCP_WORD_MASK)) return false;
  for (let option: u32 = 20; option < header; option += 4) {
    if (load<u32>(first + option) != load<u32>(at + option)) return false;
  }
  return true;
}

/** The sum of all octets of delivery `i`, 0 if nobody has summed it yet. */
// @ts-ignore: decorator
@inline
function sumOf(worker: usize, i: u32): u64 {
  return load<u64>(<usize>load<u32>(worker + ((<usize>i) << 2), WORKER_DELIVER_BUFFERS), BUFFER_SUM);
}

/** Verifies the checksum of TCP or UDP; `sum` is that of the whole packet, 0 if it is not known. */
function checksumIsRight(at: usize, upper: u32, length: u32, protocol: u32, sum: u64): bool {
  const pseudo =
    upper == 20 ? pseudoHeader4(at, length - upper, protocol) : pseudoHeader6(at, length - upper, protocol);
  if (!sum) return checksumFold(checksumAdd(pseudo, at + upper, length - upper)) == 0xffff;
  // What is not part of it is taken off: adding the complement (RFC 1071 §1).
  return checksumFold(pseudo + sum + <u64>(0xffff - checksumFold(checksumAdd(0, at, upper)))) == 0xffff;
}

/** A packet as it came, behind an empty virtio_net_hdr. Gives the address after its iovecs. */
function laySingle(worker: usize, merge: usize, i: u32, iovec: usize): usize {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  store<u64>(merge, 0, MERGE_VNET);
  store<u16>(merge, 0, MERGE_VNET + 8);
  const delivery = deliveryAt(worker, i);
  store<u64>(iovec, base + <u64>(merge + MERGE_VNET));
  store<u64>(iovec, VNET_SIZE, 8);
  store<u64>(iovec, load<u64>(delivery), 16);
  store<u64>(iovec, load<u64>(delivery, 8), 24);
  return iovec + 2 * IOVEC_SIZE;
}

/** virtio_net_hdr and headers of the super-packet, then all payloads. Gives the address after its iovecs. */
function layMerge(worker: usize, merge: usize, iovec: usize): usize {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  const first = <usize>load<u32>(merge, MERGE_PACKET);
  const header = load<u32>(merge, MERGE_HEADER);
  const total = header + load<u32>(merge, MERGE_PAYLOAD);
  const to = merge + MERGE_HEADERS;
  memory.copy(to, first, header);
  const v4 = ipVersion(first) == 4;
  const upper = upperOffset(first);
  const protocol = <u32>(v4 ? load<u8>(first, 9) : load<u8>(first, 6));
  let pseudo: u64;
  if (v4) {
    storeBe16(to + 2, total);
    store<u16>(to, 0, 10);
    store<u16>(to, checksumFinish(checksumAdd(0, to, 20)), 10);
    pseudo = pseudoHeader4(to, total - upper, protocol);
  } else {
    storeBe16(to + 4, total - 40);
    pseudo = pseudoHeader6(to, total - upper, protocol);
  }
  const vnet = merge + MERGE_VNET;
  const field: u32 = protocol == PROTOCOL_TCP ? 16 : 6;
  // The kernel sets the checksum right where it is needed: the field holds the pseudo-header's sum.
  store<u16>(to + upper + field, <u16>checksumFold(pseudo));
  let type = <u32>(v4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6);
  if (protocol == PROTOCOL_TCP) {
    // PSH of the last packet is the super-packet's.
    const last = packetOf(worker, load<u32>(merge, MERGE_LAST));
    store<u8>(to + upper, load<u8>(to + upper, 13) | (load<u8>(last + upper, 13) & (<u8>TCP_PSH)), 13);
  } else {
    type = VNET_GSO_UDP_L4;
    storeBe16(to + upper + 4, total - upper);
  }
  store<u8>(vnet, VNET_FLAG_NEEDS_CSUM, VNET_FLAGS);
  store<u8>(vnet, <u8>type, VNET_GSO_TYPE);
  store<u16>(vnet, <u16>header, VNET_HDR_LEN);
  store<u16>(vnet, <u16>load<u32>(merge, MERGE_SEGMENT), VNET_GSO_SIZE);
  store<u16>(vnet, <u16>upper, VNET_CSUM_START);
  store<u16>(vnet, <u16>field, VNET_CSUM_OFFSET);

  store<u64>(iovec, base + <u64>vnet);
  store<u64>(iovec, <u64>(<u32>VNET_SIZE + header), 8);
  iovec += IOVEC_SIZE;
  let next = load<u32>(merge, MERGE_FIRST) + 1;
  while (next) {
    const delivery = deliveryAt(worker, next - 1);
    store<u64>(iovec, load<u64>(delivery) + <u64>header);
    store<u64>(iovec, load<u64>(delivery, 8) - <u64>header, 8);
    iovec += IOVEC_SIZE;
    next = followingDelivery(worker, next - 1);
  }
  return iovec;
}
