/**
 * The list of outgoing messages of a batch and its grouping by endpoint: each group is one sendmmsg(2) call on
 * contiguous struct mmsghdr. iovecs point straight into the packet buffers, names straight at the path's sockaddr.
 *
 *   messages as made:   A B A C B A        grouped:   A A A | B B | C       (order within an endpoint kept)
 */
import {
  CONTROL,
  CONTROL_ENDPOINTS,
  CONTROL_HOST_BASE,
  CONTROL_MESSAGE_SIZE,
  CONTROL_PATH_CAPACITY,
  CONTROL_PATH_STATS,
  COUNTER_PATH_TX,
  ENDPOINT_MODE,
  ENDPOINT_STRIDE,
  GROUP_COUNT,
  GROUP_ENDPOINT,
  GROUP_FIRST,
  GROUP_STRIDE,
  IOVEC_SIZE,
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
  PATH_KERNEL_LENGTH,
  PATH_NUMBER,
  PATH_SOCKADDR,
  PATH_SOCKADDR_LENGTH,
  PATH_STAT_STRIDE,
  PATH_STAT_TX_BYTES,
  PATH_STAT_TX_PACKETS,
  SEND_MAX,
  WORKER_GROUPS,
  WORKER_GROUP_COUNT,
  WORKER_GROUP_OF,
  WORKER_INDEX,
  WORKER_SEND_ADDRESSES,
  WORKER_SEND_BUFFERS,
  WORKER_SEND_CONTROLS,
  WORKER_SEND_COUNT,
  WORKER_SEND_HEADERS,
  WORKER_SEND_IOVECS,
  WORKER_SEND_LENGTHS,
  WORKER_SEND_ORDER,
  WORKER_SEND_PATHS,
  WORKER_SEND_TOS,
} from '../layout';
import { freeBuffer } from '../memory/buffers';
import { count, countDrop } from '../stats';

// struct cmsghdr of 64-bit Linux (cmsg(3)): u64 length, i32 level, i32 type, data.
const CMSG_LENGTH: u64 = 20;
const CMSG_SPACE: u64 = 24;
const IP_LEVEL_TOS: u64 = 0x0000_0001_0000_0000; // level IPPROTO_IP (0), type IP_TOS (1)
const IPV6_LEVEL_TCLASS: u64 = 0x0000_0043_0000_0029; // level IPPROTO_IPV6 (41), type IPV6_TCLASS (67)

// @ts-ignore: decorator
@inline
export function sendRoom(worker: usize): u32 {
  return <u32>SEND_MAX - load<u32>(worker, WORKER_SEND_COUNT);
}

/** Appends an encapsulated packet (`outer`, whole length); the caller has made sure of room. */
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
  store<u32>(worker, n + 1, WORKER_SEND_COUNT);
}

/** Sorts the messages by endpoint and lays out headers and iovecs. */
export function groupSends(worker: usize): void {
  const n = load<u32>(worker, WORKER_SEND_COUNT);
  let groups: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const path = <usize>load<u32>(worker + ((<usize>i) << 2), WORKER_SEND_PATHS);
    const endpoint = load<u32>(path, PATH_ENDPOINT);
    const map = worker + WORKER_GROUP_OF + endpoint;
    let group = <u32>load<u8>(map);
    if (!group) {
      group = ++groups;
      store<u8>(map, <u8>group);
      const record = worker + WORKER_GROUPS + <usize>(group - 1) * GROUP_STRIDE;
      store<u32>(record, endpoint, GROUP_ENDPOINT);
      store<u32>(record, 0, GROUP_COUNT);
    }
    const record = worker + WORKER_GROUPS + <usize>(group - 1) * GROUP_STRIDE;
    store<u32>(record, load<u32>(record, GROUP_COUNT) + 1, GROUP_COUNT);
  }
  let first: u32 = 0;
  for (let g: u32 = 0; g < groups; g++) {
    const record = worker + WORKER_GROUPS + <usize>g * GROUP_STRIDE;
    store<u32>(record, first, GROUP_FIRST);
    first += load<u32>(record, GROUP_COUNT);
    store<u32>(record, 0, GROUP_COUNT);
  }
  for (let i: u32 = 0; i < n; i++) {
    const path = <usize>load<u32>(worker + ((<usize>i) << 2), WORKER_SEND_PATHS);
    const map = worker + WORKER_GROUP_OF + load<u32>(path, PATH_ENDPOINT);
    const record = worker + WORKER_GROUPS + <usize>(load<u8>(map) - 1) * GROUP_STRIDE;
    const place = load<u32>(record, GROUP_FIRST) + load<u32>(record, GROUP_COUNT);
    store<u32>(record, load<u32>(record, GROUP_COUNT) + 1, GROUP_COUNT);
    store<u32>(worker + ((<usize>place) << 2), i, WORKER_SEND_ORDER);
    layMessage(worker, i, place, path);
  }
  for (let g: u32 = 0; g < groups; g++) {
    const record = worker + WORKER_GROUPS + <usize>g * GROUP_STRIDE;
    store<u8>(worker + WORKER_GROUP_OF + load<u32>(record, GROUP_ENDPOINT), 0);
  }
  store<u32>(worker, groups, WORKER_GROUP_COUNT);
}

/** struct mmsghdr number `place` for message `i` (sendmmsg(2)). */
function layMessage(worker: usize, i: u32, place: u32, path: usize): void {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  const message = worker + ((<usize>i) << 2);
  const iovec = worker + WORKER_SEND_IOVECS + <usize>place * IOVEC_SIZE;
  store<u64>(iovec, base + <u64>load<u32>(message, WORKER_SEND_ADDRESSES));
  store<u64>(iovec, <u64>load<u32>(message, WORKER_SEND_LENGTHS), 8);

  const header = worker + WORKER_SEND_HEADERS + <usize>place * MMSGHDR_SIZE;
  store<u64>(header, base + <u64>(path + PATH_SOCKADDR), MMSGHDR_NAME);
  store<u32>(header, load<u32>(path, PATH_SOCKADDR_LENGTH), MMSGHDR_NAMELEN);
  store<u64>(header, base + <u64>iovec, MMSGHDR_IOV);
  store<u64>(header, 1, MMSGHDR_IOVLEN);

  const endpoint =
    <usize>load<u32>(CONTROL, CONTROL_ENDPOINTS) + <usize>load<u32>(path, PATH_ENDPOINT) * ENDPOINT_STRIDE;
  const mode = load<u32>(endpoint, ENDPOINT_MODE);
  const tos = load<u32>(message, WORKER_SEND_TOS);
  if (tos && (mode == MODE_UDP4 || mode == MODE_UDP6)) {
    const control = worker + WORKER_SEND_CONTROLS + <usize>place * CONTROL_MESSAGE_SIZE;
    store<u64>(control, CMSG_LENGTH);
    store<u64>(control, mode == MODE_UDP4 ? IP_LEVEL_TOS : IPV6_LEVEL_TCLASS, 8);
    store<u32>(control, tos, 16);
    store<u64>(header, base + <u64>control, MMSGHDR_CONTROL);
    store<u64>(header, CMSG_SPACE, MMSGHDR_CONTROLLEN);
  } else {
    store<u64>(header, 0, MMSGHDR_CONTROL);
    store<u64>(header, 0, MMSGHDR_CONTROLLEN);
  }
}

/** Notes that the message at grouped position `place` was not sent, for `reason`. */
export function sendFailed(worker: usize, place: u32, reason: u32): void {
  const i = load<u32>(worker + ((<usize>place) << 2), WORKER_SEND_ORDER);
  store<u32>(worker + ((<usize>i) << 2), 0, WORKER_SEND_LENGTHS);
  countDrop(worker, reason);
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
    const message = worker + ((<usize>i) << 2);
    const length = load<u32>(message, WORKER_SEND_LENGTHS);
    if (length) {
      const path = <usize>load<u32>(message, WORKER_SEND_PATHS);
      const at = stats + <usize>load<u32>(path, PATH_NUMBER) * PATH_STAT_STRIDE;
      const whole = <u64>length + <u64>load<u32>(path, PATH_KERNEL_LENGTH);
      store<u64>(at, load<u64>(at, PATH_STAT_TX_PACKETS) + 1, PATH_STAT_TX_PACKETS);
      store<u64>(at, load<u64>(at, PATH_STAT_TX_BYTES) + whole, PATH_STAT_TX_BYTES);
      sent++;
    }
    freeBuffer(worker, <usize>load<u32>(message, WORKER_SEND_BUFFERS));
  }
  count(worker, COUNTER_PATH_TX, sent);
  store<u32>(worker, 0, WORKER_SEND_COUNT);
  store<u32>(worker, 0, WORKER_GROUP_COUNT);
}
