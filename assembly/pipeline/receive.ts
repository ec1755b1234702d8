/**
 * The vector that a worker receives with, from the TUN and from path sockets alike: BATCH struct mmsghdr
 * (recvmmsg(2)), each with a free buffer, room for the sender's name and for ancillary data.
 *
 * A TUN with virtio_net_hdr and a socket with UDP_GRO may give 64 KiB at once. Then each place has three iovecs:
 *
 *   | virtio_net_hdr | packet buffer          | super-packet area behind its front room |
 *    (TUN only)       an ordinary packet ends  what is longer goes on here
 *                     in here
 */
import {
  BATCH,
  BUFFER_PACKET,
  CONTROL,
  CONTROL_BUFFER_SIZE,
  CONTROL_HOST_BASE,
  CONTROL_TUN_OFFLOAD,
  ENDPOINT_OFFLOAD,
  ENDPOINT_OFFLOAD_MERGE,
  IOVEC_SIZE,
  MMSGHDR_CONTROL,
  MMSGHDR_CONTROLLEN,
  MMSGHDR_FLAGS,
  MMSGHDR_IOV,
  MMSGHDR_IOVLEN,
  MMSGHDR_NAME,
  MMSGHDR_NAMELEN,
  MMSGHDR_SIZE,
  NAME_SIZE,
  RECEIVE_CONTROL_SIZE,
  RECEIVE_IOVECS,
  SUPER_FRONT,
  SUPER_STRIDE,
  TUN_OFFLOAD_VNET,
  VNET_SIZE,
  VNET_STRIDE,
  WORKER_RECEIVE_BUFFERS,
  WORKER_RECEIVE_CONTROLS,
  WORKER_RECEIVE_HEADERS,
  WORKER_RECEIVE_IOVECS,
  WORKER_RECEIVE_NAMES,
  WORKER_RECEIVE_VNET,
  WORKER_SUPERS,
} from '../layout';
import { allocateBuffer } from '../memory/buffers';

/** Octets that a received packet may fill in its own buffer. */
// @ts-ignore: decorator
@inline
export function bufferCapacity(): u32 {
  const capacity = load<u32>(CONTROL, CONTROL_BUFFER_SIZE) - BUFFER_PACKET;
  return min<u32>(capacity, SUPER_FRONT);
}

/** Whether messages of the TUN (`endpoint` 0) or of an endpoint may be longer than a packet buffer. */
function takesSupers(worker: usize, endpoint: usize): bool {
  if (!load<u32>(worker, WORKER_SUPERS)) return false;
  return endpoint
    ? (load<u32>(endpoint, ENDPOINT_OFFLOAD) & ENDPOINT_OFFLOAD_MERGE) != 0
    : (load<u32>(CONTROL, CONTROL_TUN_OFFLOAD) & TUN_OFFLOAD_VNET) != 0;
}

/**
 * Makes the vector ready for the TUN (`endpoint` 0) or an endpoint: a free buffer at every place, clean headers. Gives how
 * many places are ready, from the first on. Only what the last batch used is laid out again.
 */
export function prepareReceive(worker: usize, endpoint: usize, count: u32): u32 {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  const supers = takesSupers(worker, endpoint);
  const vnet = supers && !endpoint;
  const vectors: u64 = vnet ? 3 : supers ? 2 : 1;
  let place = worker + WORKER_RECEIVE_BUFFERS;
  let header = worker + WORKER_RECEIVE_HEADERS;
  let iovec = worker + WORKER_RECEIVE_IOVECS;
  for (let i: u32 = 0; i < count; i++) {
    if (!load<u32>(place)) {
      const buffer = allocateBuffer(worker);
      if (!buffer) return i;
      store<u32>(place, <u32>buffer);
      const name = base + <u64>(worker + WORKER_RECEIVE_NAMES + <usize>i * NAME_SIZE);
      if (load<u64>(header, MMSGHDR_NAME) != name) layPlace(worker, base, i, name);
      store<u64>(iovec, base + <u64>(buffer + BUFFER_PACKET), 16);
    }
    store<u64>(header, base + <u64>(vnet ? iovec : iovec + IOVEC_SIZE), MMSGHDR_IOV);
    store<u64>(header, vectors, MMSGHDR_IOVLEN);
    store<u32>(header, NAME_SIZE, MMSGHDR_NAMELEN);
    store<u64>(header, RECEIVE_CONTROL_SIZE, MMSGHDR_CONTROLLEN);
    store<u32>(header, 0, MMSGHDR_FLAGS);
    place += 4;
    header += MMSGHDR_SIZE;
    iovec += RECEIVE_IOVECS * IOVEC_SIZE;
  }
  return count;
}

/** What stays the same whatever buffer a place has: laid once. */
function layPlace(worker: usize, base: u64, i: u32, name: u64): void {
  const header = worker + WORKER_RECEIVE_HEADERS + <usize>i * MMSGHDR_SIZE;
  store<u64>(header, name, MMSGHDR_NAME);
  store<u64>(
    header,
    base + <u64>(worker + WORKER_RECEIVE_CONTROLS + <usize>i * RECEIVE_CONTROL_SIZE),
    MMSGHDR_CONTROL,
  );
  const iovec = worker + WORKER_RECEIVE_IOVECS + <usize>(i * RECEIVE_IOVECS) * IOVEC_SIZE;
  store<u64>(iovec, base + <u64>(worker + WORKER_RECEIVE_VNET + <usize>i * VNET_STRIDE));
  store<u64>(iovec, VNET_SIZE, 8);
  store<u64>(iovec, bufferCapacity(), 24);
  const supers = <usize>load<u32>(worker, WORKER_SUPERS);
  store<u64>(iovec, supers ? base + <u64>(supers + <usize>i * SUPER_STRIDE + SUPER_FRONT) : 0, 32);
  store<u64>(iovec, supers ? SUPER_STRIDE - SUPER_FRONT : 0, 40);
}

/** The buffer of message `i`, which from now on is the caller's. */
// @ts-ignore: decorator
@inline
export function takeReceived(worker: usize, i: u32): usize {
  const place = worker + WORKER_RECEIVE_BUFFERS + ((<usize>i) << 2);
  const buffer = <usize>load<u32>(place);
  store<u32>(place, 0);
  return buffer;
}

/** The buffer of message `i`, which stays where it is. */
// @ts-ignore: decorator
@inline
export function receivedBuffer(worker: usize, i: u32): usize {
  return <usize>load<u32>(worker + WORKER_RECEIVE_BUFFERS + ((<usize>i) << 2));
}

/** Address at which the `length` octets of message `i` lie in one piece. To be called once a message. */
export function gatherReceived(worker: usize, i: u32, length: u32): usize {
  const packet = receivedBuffer(worker, i) + BUFFER_PACKET;
  if (length <= bufferCapacity()) return packet;
  const at = gatheredReceived(worker, i, length);
  memory.copy(at, packet, bufferCapacity());
  return at;
}

/** The same address, after gatherReceived(). */
export function gatheredReceived(worker: usize, i: u32, length: u32): usize {
  const capacity = bufferCapacity();
  if (length <= capacity) return receivedBuffer(worker, i) + BUFFER_PACKET;
  const area = <usize>load<u32>(worker, WORKER_SUPERS) + <usize>i * SUPER_STRIDE;
  return area + <usize>(SUPER_FRONT - capacity);
}
