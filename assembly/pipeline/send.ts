/**
 * The list of outgoing packets of a batch and its grouping: each endpoint's packets are one sendmmsg(2) call on contiguous
 * struct mmsghdr; within it, packets of a path stand together in the order in which they were made. Where the endpoint can do
 * UDP_SEGMENT (udp(7)), a run of a path's packets of one length (the last may be shorter) is a single message with one iovec
 * a packet: the kernel takes it through the stack once.
 *
 * A path may have a link record: then its packets go by packet sockets, straight to the next hop (src/dataplane/path-links.ts).
 *
 *   packets as made   a1 b1 a2 c1 b2 a3      endpoint X has paths a and b, endpoint Y has c
 *   places            a1 a2 a3 b1 b2 | c1
 *   messages          [a1 a2 a3] [b1 b2] | [c1]
 */
import {
  CONTROL,
  CONTROL_ENDPOINTS,
  CONTROL_HOST_BASE,
  CONTROL_MESSAGE_SIZE,
  CONTROL_PATH_CAPACITY,
  CONTROL_PATH_STATS,
  COUNTER_PATH_TX,
  COUNTER_PATH_TX_MERGED,
  ENDPOINT_MODE,
  ENDPOINT_OFFLOAD,
  ENDPOINT_OFFLOAD_SEGMENT,
  ENDPOINT_STRIDE,
  GROUP_COUNT,
  GROUP_ENDPOINT,
  GROUP_FIRST,
  GROUP_HEAD,
  GROUP_STRIDE,
  GROUP_TAIL,
  IOVEC_SIZE,
  LINK_ENDPOINT,
  LINK_SOCKADDR,
  LINK_SOCKADDR_LENGTH,
  MESSAGE_REFUSED,
  MMSGHDR_CONTROL,
  MMSGHDR_CONTROLLEN,
  MMSGHDR_IOV,
  MMSGHDR_IOVLEN,
  MMSGHDR_NAME,
  MMSGHDR_NAMELEN,
  MMSGHDR_SIZE,
  MODE_UDP4,
  MODE_UDP6,
  PATH_ENDPOINT,
  PATH_GROUP_COUNT,
  PATH_GROUP_HASH_BITS,
  PATH_GROUP_LINK,
  PATH_GROUP_NEXT,
  PATH_GROUP_NEXT_PLACE,
  PATH_GROUP_PATH,
  PATH_GROUP_STRIDE,
  PATH_KERNEL_LENGTH,
  PATH_LINK,
  PATH_NUMBER,
  PATH_SOCKADDR,
  PATH_SOCKADDR_LENGTH,
  PATH_STAT_STRIDE,
  PATH_STAT_TX_BYTES,
  PATH_STAT_TX_PACKETS,
  SEND_MAX,
  SEND_SETTLED,
  WORKER_GROUPS,
  WORKER_GROUP_COUNT,
  WORKER_GROUP_OF,
  WORKER_INDEX,
  WORKER_MESSAGE_COUNT,
  WORKER_MESSAGE_ERRORS,
  WORKER_MESSAGE_FIRST,
  WORKER_MESSAGE_PACKETS,
  WORKER_PATH_GROUPS,
  WORKER_PATH_GROUP_OF,
  WORKER_SEND_ADDRESSES,
  WORKER_SEND_BUFFERS,
  WORKER_SEND_CONTROLS,
  WORKER_SEND_COUNT,
  WORKER_SEND_HEADERS,
  WORKER_SEND_IOVECS,
  WORKER_SEND_LENGTHS,
  WORKER_SEND_LINKS,
  WORKER_SEND_ORDER,
  WORKER_SEND_PATHS,
  WORKER_SEND_PLACES,
  WORKER_SEND_TOS,
} from '../layout';
import { freeBuffers } from '../memory/buffers';
import { count, countDrop } from '../stats';

// struct cmsghdr of 64-bit Linux (cmsg(3)): u64 length, i32 level, i32 type, data.
const CMSG_INT: u64 = 20;
const CMSG_SHORT: u64 = 18;
const CMSG_SPACE: u64 = 24;
const IP_LEVEL_TOS: u64 = 0x0000_0001_0000_0000; // level IPPROTO_IP (0), type IP_TOS (1)
const IPV6_LEVEL_TCLASS: u64 = 0x0000_0043_0000_0029; // level IPPROTO_IPV6 (41), type IPV6_TCLASS (67)
const UDP_LEVEL_SEGMENT: u64 = 0x0000_0067_0000_0011; // level SOL_UDP (17), type UDP_SEGMENT (103)

/** UDP_MAX_SEGMENTS of kernels before 6.9, and what one IPv4 datagram can hold. */
const SEGMENTS_MAX: u32 = 64;
const MESSAGE_MAX: u32 = 65507;

// @ts-ignore: decorator
@inline
export function sendRoom(worker: usize): u32 {
  return <u32>SEND_MAX - load<u32>(worker, WORKER_SEND_COUNT);
}

/** Appends an encapsulated packet (`outer`, whole length); the caller has made sure of room. */
// @ts-ignore: decorator
@inline
export function queueSend(
  worker: usize,
  path: usize,
  outer: usize,
  length: u32,
  tos: u32,
  buffer: usize,
): void {
  const n = load<u32>(worker, WORKER_SEND_COUNT);
  const at = worker + ((<usize>n) << 2);
  const skip = load<u32>(path, PATH_KERNEL_LENGTH);
  store<u32>(at, <u32>outer + skip, WORKER_SEND_ADDRESSES);
  store<u32>(at, length - skip, WORKER_SEND_LENGTHS);
  store<u32>(at, <u32>buffer, WORKER_SEND_BUFFERS);
  store<u32>(at, <u32>path, WORKER_SEND_PATHS);
  store<u32>(at, tos, WORKER_SEND_TOS);
  store<u32>(at, 0, WORKER_SEND_PLACES);
  store<u32>(worker, n + 1, WORKER_SEND_COUNT);
}

/** Sorts the packets that are not settled by endpoint and path and lays out messages; `segment`: with UDP_SEGMENT. */
export function groupSends(worker: usize, segment: bool = true): void {
  const n = load<u32>(worker, WORKER_SEND_COUNT);
  const pathGroups = formPathGroups(worker, n);
  const groups = formGroups(worker, pathGroups);
  givePlaces(worker, groups);
  for (let i: u32 = 0; i < n; i++) {
    const at = worker + ((<usize>i) << 2);
    const number = load<u32>(at, WORKER_SEND_PLACES);
    if (number == <u32>SEND_SETTLED) continue;
    const pathGroup = pathGroupAt(worker, number);
    const place = load<u32>(pathGroup, PATH_GROUP_NEXT_PLACE);
    store<u32>(pathGroup, place + 1, PATH_GROUP_NEXT_PLACE);
    store<u32>(at, place, WORKER_SEND_PLACES);
    const order = worker + ((<usize>place) << 2);
    store<u32>(order, i, WORKER_SEND_ORDER);
    store<u32>(order, load<u32>(pathGroup, PATH_GROUP_LINK), WORKER_SEND_LINKS);
  }
  layMessages(worker, groups, segment);
  store<u32>(worker, groups, WORKER_GROUP_COUNT);
}

// @ts-ignore: decorator
@inline
function pathGroupAt(worker: usize, number: u32): usize {
  return worker + WORKER_PATH_GROUPS + <usize>number * PATH_GROUP_STRIDE;
}

// @ts-ignore: decorator
@inline
function groupAt(worker: usize, number: u32): usize {
  return worker + WORKER_GROUPS + <usize>number * GROUP_STRIDE;
}

// @ts-ignore: decorator
@inline
function hashPlace(worker: usize, slot: u32): usize {
  return worker + WORKER_PATH_GROUP_OF + <usize>((slot & ((1 << PATH_GROUP_HASH_BITS) - 1)) << 1);
}

// @ts-ignore: decorator
@inline
function hashOf(path: u32): u32 {
  return ((path >> 6) * 0x9e3779b1) >> (32 - PATH_GROUP_HASH_BITS);
}

/** Counts packets by path; each packet's WORKER_SEND_PLACES becomes the number of its path group. */
function formPathGroups(worker: usize, n: u32): u32 {
  let groups: u32 = 0;
  let lastPath: u32 = 0;
  let lastNumber: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const at = worker + ((<usize>i) << 2);
    if (load<u32>(at, WORKER_SEND_PLACES) == <u32>SEND_SETTLED) continue;
    const path = load<u32>(at, WORKER_SEND_PATHS);
    let number = lastNumber;
    if (path != lastPath) {
      let slot = hashOf(path);
      let entry = <u32>load<u16>(hashPlace(worker, slot));
      while (entry && load<u32>(pathGroupAt(worker, entry - 1), PATH_GROUP_PATH) != path) {
        slot++;
        entry = <u32>load<u16>(hashPlace(worker, slot));
      }
      if (!entry) {
        entry = ++groups;
        store<u16>(hashPlace(worker, slot), <u16>entry);
        const record = pathGroupAt(worker, entry - 1);
        store<u32>(record, path, PATH_GROUP_PATH);
        store<u32>(record, 0, PATH_GROUP_COUNT);
        store<u32>(record, 0, PATH_GROUP_NEXT);
        store<u32>(record, slot, PATH_GROUP_NEXT_PLACE);
        // Read once a batch: endpoint and address have to fit together, though the control thread may change both.
        const cell = <usize>load<u32>(<usize>path, PATH_LINK);
        store<u32>(record, atomic.load<u32>(cell), PATH_GROUP_LINK);
      }
      number = entry - 1;
      lastPath = path;
      lastNumber = number;
    }
    const record = pathGroupAt(worker, number);
    store<u32>(record, load<u32>(record, PATH_GROUP_COUNT) + 1, PATH_GROUP_COUNT);
    store<u32>(at, number, WORKER_SEND_PLACES);
  }
  for (let g: u32 = 0; g < groups; g++) {
    store<u16>(hashPlace(worker, load<u32>(pathGroupAt(worker, g), PATH_GROUP_NEXT_PLACE)), 0);
  }
  return groups;
}

/** Chains the path groups of each endpoint, in the order of their first packets. */
function formGroups(worker: usize, pathGroups: u32): u32 {
  let groups: u32 = 0;
  for (let g: u32 = 0; g < pathGroups; g++) {
    const pathGroup = pathGroupAt(worker, g);
    const link = <usize>load<u32>(pathGroup, PATH_GROUP_LINK);
    const endpoint = link
      ? load<u32>(link, LINK_ENDPOINT)
      : load<u32>(<usize>load<u32>(pathGroup, PATH_GROUP_PATH), PATH_ENDPOINT);
    const map = worker + WORKER_GROUP_OF + <usize>(endpoint << 1);
    let number = <u32>load<u16>(map);
    if (!number) {
      number = ++groups;
      store<u16>(map, <u16>number);
      const group = groupAt(worker, number - 1);
      store<u32>(group, endpoint, GROUP_ENDPOINT);
      store<u32>(group, g + 1, GROUP_HEAD);
    } else {
      const tail = load<u32>(groupAt(worker, number - 1), GROUP_TAIL);
      store<u32>(pathGroupAt(worker, tail - 1), g + 1, PATH_GROUP_NEXT);
    }
    store<u32>(groupAt(worker, number - 1), g + 1, GROUP_TAIL);
  }
  for (let g: u32 = 0; g < groups; g++) {
    const endpoint = load<u32>(groupAt(worker, g), GROUP_ENDPOINT);
    store<u16>(worker + WORKER_GROUP_OF + <usize>(endpoint << 1), 0);
  }
  return groups;
}

/** Gives every path group its first place; GROUP_FIRST and GROUP_TAIL become the group's places. */
function givePlaces(worker: usize, groups: u32): void {
  let place: u32 = 0;
  for (let g: u32 = 0; g < groups; g++) {
    const group = groupAt(worker, g);
    store<u32>(group, place, GROUP_FIRST);
    let number = load<u32>(group, GROUP_HEAD);
    while (number) {
      const pathGroup = pathGroupAt(worker, number - 1);
      store<u32>(pathGroup, place, PATH_GROUP_NEXT_PLACE);
      place += load<u32>(pathGroup, PATH_GROUP_COUNT);
      number = load<u32>(pathGroup, PATH_GROUP_NEXT);
    }
    store<u32>(group, place, GROUP_TAIL);
  }
}

/** Turns places into messages; GROUP_FIRST and GROUP_COUNT then count struct mmsghdr. */
function layMessages(worker: usize, groups: u32, segment: bool): void {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  let message: u32 = 0;
  for (let g: u32 = 0; g < groups; g++) {
    const group = groupAt(worker, g);
    const endpoint =
      <usize>load<u32>(CONTROL, CONTROL_ENDPOINTS) +
      <usize>load<u32>(group, GROUP_ENDPOINT) * ENDPOINT_STRIDE;
    const merge = segment && (atomic.load<u32>(endpoint, ENDPOINT_OFFLOAD) & ENDPOINT_OFFLOAD_SEGMENT) != 0;
    const mode = load<u32>(endpoint, ENDPOINT_MODE);
    let place = load<u32>(group, GROUP_FIRST);
    const end = load<u32>(group, GROUP_TAIL);
    const first = message;
    while (place < end) {
      const packets = merge ? layRun(worker, base, place, end) : layIovec(worker, base, place);
      layMessage(worker, base, message, place, packets, mode);
      place += packets;
      message++;
    }
    store<u32>(group, first, GROUP_FIRST);
    store<u32>(group, message - first, GROUP_COUNT);
  }
  store<u32>(worker, message, WORKER_MESSAGE_COUNT);
}

// @ts-ignore: decorator
@inline
function packetAt(worker: usize, place: u32): usize {
  return worker + ((<usize>load<u32>(worker + ((<usize>place) << 2), WORKER_SEND_ORDER)) << 2);
}

/** The iovec of one packet; gives 1, the number of packets. */
function layIovec(worker: usize, base: u64, place: u32): u32 {
  const packet = packetAt(worker, place);
  const iovec = worker + WORKER_SEND_IOVECS + <usize>place * IOVEC_SIZE;
  store<u64>(iovec, base + <u64>load<u32>(packet, WORKER_SEND_ADDRESSES));
  store<u64>(iovec, <u64>load<u32>(packet, WORKER_SEND_LENGTHS), 8);
  return 1;
}

/** The iovecs of packets that may go as one message: same path, TOS and length, but for a shorter last one. */
function layRun(worker: usize, base: u64, first: u32, end: u32): u32 {
  layIovec(worker, base, first);
  const packet = packetAt(worker, first);
  const path = load<u32>(packet, WORKER_SEND_PATHS);
  const tos = load<u32>(packet, WORKER_SEND_TOS);
  const length = load<u32>(packet, WORKER_SEND_LENGTHS);
  let sum = length;
  let packets: u32 = 1;
  while (first + packets < end && packets < SEGMENTS_MAX) {
    const next = packetAt(worker, first + packets);
    const octets = load<u32>(next, WORKER_SEND_LENGTHS);
    if (
      load<u32>(next, WORKER_SEND_PATHS) != path ||
      load<u32>(next, WORKER_SEND_TOS) != tos ||
      octets > length ||
      sum + octets > MESSAGE_MAX
    ) {
      break;
    }
    layIovec(worker, base, first + packets);
    packets++;
    sum += octets;
    if (octets < length) break;
  }
  return packets;
}

/** struct mmsghdr number `message` for the packets from `place` on (sendmmsg(2)). */
function layMessage(worker: usize, base: u64, message: u32, place: u32, packets: u32, mode: u32): void {
  const index = worker + ((<usize>message) << 2);
  store<u32>(index, place, WORKER_MESSAGE_FIRST);
  store<u32>(index, packets, WORKER_MESSAGE_PACKETS);
  store<u32>(index, 0, WORKER_MESSAGE_ERRORS);
  const packet = packetAt(worker, place);
  const path = <usize>load<u32>(packet, WORKER_SEND_PATHS);
  const header = worker + WORKER_SEND_HEADERS + <usize>message * MMSGHDR_SIZE;
  const link = <usize>load<u32>(worker + ((<usize>place) << 2), WORKER_SEND_LINKS);
  store<u64>(header, base + <u64>(link ? link + LINK_SOCKADDR : path + PATH_SOCKADDR), MMSGHDR_NAME);
  store<u32>(header, link ? LINK_SOCKADDR_LENGTH : load<u32>(path, PATH_SOCKADDR_LENGTH), MMSGHDR_NAMELEN);
  store<u64>(header, base + <u64>(worker + WORKER_SEND_IOVECS + <usize>place * IOVEC_SIZE), MMSGHDR_IOV);
  store<u64>(header, packets, MMSGHDR_IOVLEN);
  const control = worker + WORKER_SEND_CONTROLS + <usize>message * CONTROL_MESSAGE_SIZE;
  let octets: u64 = 0;
  const tos = load<u32>(packet, WORKER_SEND_TOS);
  if (tos && (mode == MODE_UDP4 || mode == MODE_UDP6)) {
    store<u64>(control, CMSG_INT);
    store<u64>(control, mode == MODE_UDP4 ? IP_LEVEL_TOS : IPV6_LEVEL_TCLASS, 8);
    store<u32>(control, tos, 16);
    octets = CMSG_SPACE;
  }
  if (packets > 1) {
    const at = control + <usize>octets;
    store<u64>(at, CMSG_SHORT);
    store<u64>(at, UDP_LEVEL_SEGMENT, 8);
    store<u32>(at, load<u32>(packet, WORKER_SEND_LENGTHS), 16);
    octets += CMSG_SPACE;
  }
  store<u64>(header, octets ? base + <u64>control : 0, MMSGHDR_CONTROL);
  store<u64>(header, octets, MMSGHDR_CONTROLLEN);
}

/** Notes that message `message` was not sent, for `reason`: its packets are dropped. */
export function sendFailed(worker: usize, message: u32, reason: u32): void {
  const index = worker + ((<usize>message) << 2);
  const first = load<u32>(index, WORKER_MESSAGE_FIRST);
  const packets = load<u32>(index, WORKER_MESSAGE_PACKETS);
  for (let place = first; place < first + packets; place++) {
    store<u32>(packetAt(worker, place), 0, WORKER_SEND_LENGTHS);
    countDrop(worker, reason);
  }
}

/** Message `message` holds several packets and was refused as such: its endpoint does not try again. */
export function disableSegments(worker: usize, message: u32): void {
  const first = load<u32>(worker + ((<usize>message) << 2), WORKER_MESSAGE_FIRST);
  const path = <usize>load<u32>(packetAt(worker, first), WORKER_SEND_PATHS);
  const endpoint =
    <usize>load<u32>(CONTROL, CONTROL_ENDPOINTS) + <usize>load<u32>(path, PATH_ENDPOINT) * ENDPOINT_STRIDE;
  atomic.and<u32>(endpoint, ~ENDPOINT_OFFLOAD_SEGMENT, ENDPOINT_OFFLOAD);
}

/**
 * Lays the messages with MESSAGE_REFUSED out again, one packet a message; all others are sent or given up. Groups and messages count
 * from 0 again.
 */
export function regroupSends(worker: usize): void {
  const n = load<u32>(worker, WORKER_MESSAGE_COUNT);
  for (let m: u32 = 0; m < n; m++) {
    const index = worker + ((<usize>m) << 2);
    if (load<u32>(index, WORKER_MESSAGE_ERRORS) == <u32>MESSAGE_REFUSED) continue;
    const first = load<u32>(index, WORKER_MESSAGE_FIRST);
    const end = first + load<u32>(index, WORKER_MESSAGE_PACKETS);
    for (let place = first; place < end; place++) {
      store<u32>(packetAt(worker, place), SEND_SETTLED, WORKER_SEND_PLACES);
    }
  }
  groupSends(worker, false);
}

/** Counts what was sent, frees the buffers and empties the list. */
export function sendsDone(worker: usize): void {
  const n = load<u32>(worker, WORKER_SEND_COUNT);
  const stats =
    <usize>load<u32>(CONTROL, CONTROL_PATH_STATS) +
    <usize>load<u32>(worker, WORKER_INDEX) *
      <usize>load<u32>(CONTROL, CONTROL_PATH_CAPACITY) *
      PATH_STAT_STRIDE;
  let sent: u64 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const packet = worker + ((<usize>i) << 2);
    const length = load<u32>(packet, WORKER_SEND_LENGTHS);
    if (length) {
      const path = <usize>load<u32>(packet, WORKER_SEND_PATHS);
      const at = stats + <usize>load<u32>(path, PATH_NUMBER) * PATH_STAT_STRIDE;
      const whole = <u64>length + <u64>load<u32>(path, PATH_KERNEL_LENGTH);
      store<u64>(at, load<u64>(at, PATH_STAT_TX_PACKETS) + 1, PATH_STAT_TX_PACKETS);
      store<u64>(at, load<u64>(at, PATH_STAT_TX_BYTES) + whole, PATH_STAT_TX_BYTES);
      sent++;
    }
  }
  freeBuffers(worker, worker + WORKER_SEND_BUFFERS, n);
  count(worker, COUNTER_PATH_TX, sent);
  countMerged(worker);
  store<u32>(worker, 0, WORKER_SEND_COUNT);
  store<u32>(worker, 0, WORKER_GROUP_COUNT);
  store<u32>(worker, 0, WORKER_MESSAGE_COUNT);
}

function countMerged(worker: usize): void {
  const n = load<u32>(worker, WORKER_MESSAGE_COUNT);
  let merged: u64 = 0;
  for (let m: u32 = 0; m < n; m++) {
    if (load<u32>(worker + ((<usize>m) << 2), WORKER_MESSAGE_PACKETS) > 1) merged++;
  }
  if (merged) count(worker, COUNTER_PATH_TX_MERGED, merged);
}
