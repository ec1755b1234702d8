/**
 * Packets through the rings of an AF_XDP socket (linux/if_xdp.h; layout.ts has the picture): received frames become what recvmmsg(2)
 * would have left, struct mmsghdr for sendmmsg(2) become frames. Either way an IP packet is copied once. Indices are written when a
 * batch is complete, so that a worker that dies in one loses no chunk.
 */
import {
  BUFFER_PACKET,
  CONTROL,
  CONTROL_HOST_BASE,
  ETHERNET_HEADER,
  IOVEC_SIZE,
  MMSGHDR_CONTROLLEN,
  MMSGHDR_FLAGS,
  MMSGHDR_IOV,
  MMSGHDR_IOVLEN,
  MMSGHDR_LEN,
  MMSGHDR_NAME,
  MMSGHDR_SIZE,
  RING_CONSUMER,
  RING_ENTRIES,
  RING_PRODUCER,
  WORKER_RECEIVE_HEADERS,
  XDP_ADDRESS,
  XDP_CHUNK,
  XDP_CHUNKS,
  XDP_DESCRIPTOR,
  XDP_DONE,
  XDP_ENDPOINT,
  XDP_FILL,
  XDP_FRAME_ENDPOINT,
  XDP_MTU,
  XDP_RECEIVE,
  XDP_RECEIVE_CHUNKS,
  XDP_SEND,
  XDP_SEND_CHUNKS,
  XDP_UNUSED,
  XDP_UNUSED_COUNT,
} from '../layout';
import { bufferCapacity, receivedBuffer } from './receive';

const MSG_TRUNC: u32 = 0x20;
/** struct sockaddr_ll (packet(7)). */
const SOCKADDR_LL_PROTOCOL = 2;
const SOCKADDR_LL_ADDRESS = 12;
const EAGAIN = 11;
const EMSGSIZE = 90;

/**
 * Up to `count` frames that belong to the same endpoint, which XDP_ENDPOINT names afterwards, into the places that prepareReceive() has
 * made ready; their number.
 */
export function receiveFrames(worker: usize, socket: usize, count: u32): u32 {
  const consumer = index(socket, XDP_RECEIVE, RING_CONSUMER);
  const filled = index(socket, XDP_FILL, RING_PRODUCER);
  const available = min<u32>(count, index(socket, XDP_RECEIVE, RING_PRODUCER) - consumer);
  const frames = entries(socket, XDP_RECEIVE);
  const empty = entries(socket, XDP_FILL);
  let taken: u32 = 0;
  for (; taken < available; taken++) {
    const descriptor = frames + <usize>((consumer + taken) & (XDP_RECEIVE_CHUNKS - 1)) * XDP_DESCRIPTOR;
    const offset = <usize>load<u64>(descriptor);
    const frame = socket + XDP_CHUNKS + offset;
    const endpoint = load<u32>(frame - XDP_FRAME_ENDPOINT);
    if (!taken) store<u32>(socket, endpoint, XDP_ENDPOINT);
    else if (endpoint != load<u32>(socket, XDP_ENDPOINT)) break;
    takeFrame(worker, taken, frame, load<u32>(descriptor, 8));
    const chunk = offset & ~(XDP_CHUNK - 1);
    store<u64>(empty + ((<usize>((filled + taken) & (XDP_RECEIVE_CHUNKS - 1))) << 3), <u64>chunk);
  }
  setIndex(socket, XDP_RECEIVE, RING_CONSUMER, consumer + taken);
  setIndex(socket, XDP_FILL, RING_PRODUCER, filled + taken);
  return taken;
}

/** The program lets no frame through that is shorter than an Ethernet and an IPv4 header. */
function takeFrame(worker: usize, i: u32, frame: usize, frameLength: u32): void {
  const header = worker + WORKER_RECEIVE_HEADERS + <usize>i * MMSGHDR_SIZE;
  const length = frameLength - ETHERNET_HEADER;
  const capacity = bufferCapacity();
  memory.copy(
    receivedBuffer(worker, i) + BUFFER_PACKET,
    frame + ETHERNET_HEADER,
    <usize>min<u32>(length, capacity),
  );
  store<u32>(header, length, MMSGHDR_LEN);
  store<u64>(header, 0, MMSGHDR_CONTROLLEN);
  store<u32>(header, length > capacity ? MSG_TRUNC : 0, MMSGHDR_FLAGS);
}

/**
 * Puts the `count` messages at `headers`, each with a struct sockaddr_ll, into the ring of frames to send; the number, or -errno if the
 * first one finds no room (EAGAIN) or is too big (EMSGSIZE). The kernel has to be told (sendto(2)).
 */
export function sendFrames(socket: usize, headers: usize, count: u32): i32 {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  reclaim(socket);
  const unused = load<u32>(socket, XDP_UNUSED_COUNT);
  const producer = index(socket, XDP_SEND, RING_PRODUCER);
  const room = min<u32>(unused, XDP_SEND_CHUNKS - (producer - index(socket, XDP_SEND, RING_CONSUMER)));
  const frames = entries(socket, XDP_SEND);
  let sent: u32 = 0;
  let refusal = -EAGAIN;
  for (; sent < min<u32>(count, room); sent++) {
    const offset = load<u32>(socket + ((<usize>(unused - 1 - sent)) << 2), XDP_UNUSED);
    const frame = socket + XDP_CHUNKS + <usize>offset;
    const length = layFrame(socket, frame, headers + <usize>sent * MMSGHDR_SIZE, base);
    if (!length) {
      refusal = -EMSGSIZE;
      break;
    }
    const descriptor = frames + <usize>((producer + sent) & (XDP_SEND_CHUNKS - 1)) * XDP_DESCRIPTOR;
    store<u64>(descriptor, <u64>offset);
    store<u64>(descriptor, <u64>length, 8);
  }
  store<u32>(socket, unused - sent, XDP_UNUSED_COUNT);
  setIndex(socket, XDP_SEND, RING_PRODUCER, producer + sent);
  return sent ? <i32>sent : refusal;
}

/** The length of the frame; 0: its packet is too big for the interface. */
function layFrame(socket: usize, frame: usize, header: usize, base: u64): u32 {
  const name = <usize>(load<u64>(header, MMSGHDR_NAME) - base);
  store<u32>(frame, load<u32>(name, SOCKADDR_LL_ADDRESS));
  store<u16>(frame, load<u16>(name, SOCKADDR_LL_ADDRESS + 4), 4);
  store<u32>(frame, load<u32>(socket, XDP_ADDRESS), 6);
  store<u16>(frame, load<u16>(socket, XDP_ADDRESS + 4), 10);
  store<u16>(frame, load<u16>(name, SOCKADDR_LL_PROTOCOL), 12);
  const mtu = load<u32>(socket, XDP_MTU);
  let iovec = <usize>(load<u64>(header, MMSGHDR_IOV) - base);
  let packet: u32 = 0;
  for (let left = <u32>load<u64>(header, MMSGHDR_IOVLEN); left; left--) {
    const octets = <u32>load<u64>(iovec, 8);
    if (octets > mtu - packet) return 0;
    memory.copy(frame + ETHERNET_HEADER + <usize>packet, <usize>(load<u64>(iovec) - base), <usize>octets);
    packet += octets;
    iovec += IOVEC_SIZE;
  }
  return packet + ETHERNET_HEADER;
}

/** Takes back the chunks of frames that have left. */
function reclaim(socket: usize): void {
  const consumer = index(socket, XDP_DONE, RING_CONSUMER);
  const done = index(socket, XDP_DONE, RING_PRODUCER) - consumer;
  const sent = entries(socket, XDP_DONE);
  const unused = load<u32>(socket, XDP_UNUSED_COUNT);
  for (let i: u32 = 0; i < done; i++) {
    const offset = load<u32>(sent + ((<usize>((consumer + i) & (XDP_SEND_CHUNKS - 1))) << 3));
    store<u32>(socket + ((<usize>(unused + i)) << 2), offset, XDP_UNUSED);
  }
  store<u32>(socket, unused + done, XDP_UNUSED_COUNT);
  setIndex(socket, XDP_DONE, RING_CONSUMER, consumer + done);
}

// @ts-ignore: decorator
@inline
function index(socket: usize, ring: usize, field: usize): u32 {
  return atomic.load<u32>(<usize>load<u32>(socket + ring + field));
}

// @ts-ignore: decorator
@inline
function setIndex(socket: usize, ring: usize, field: usize, value: u32): void {
  atomic.store<u32>(<usize>load<u32>(socket + ring + field), value);
}

// @ts-ignore: decorator
@inline
function entries(socket: usize, ring: usize): usize {
  return <usize>load<u32>(socket + ring + RING_ENTRIES);
}
