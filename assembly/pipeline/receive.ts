/**
 * The vector that a worker receives with, from the TUN and from path sockets alike: BATCH struct mmsghdr
 * (recvmmsg(2)), each with a free buffer, room for the sender's name and for ancillary data.
 */
import {
  BATCH,
  BUFFER_PACKET,
  CONTROL,
  CONTROL_BUFFER_SIZE,
  CONTROL_HOST_BASE,
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
  WORKER_RECEIVE_BUFFERS,
  WORKER_RECEIVE_CONTROLS,
  WORKER_RECEIVE_HEADERS,
  WORKER_RECEIVE_IOVECS,
  WORKER_RECEIVE_NAMES,
} from '../layout';
import { allocateBuffer } from '../memory/buffers';

/** Lays out BATCH struct mmsghdr with a free buffer each; gives how many have one, from the first on. */
export function prepareReceive(worker: usize): u32 {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  const capacity = <u64>(load<u32>(CONTROL, CONTROL_BUFFER_SIZE) - BUFFER_PACKET);
  for (let i: u32 = 0; i < <u32>BATCH; i++) {
    const place = worker + WORKER_RECEIVE_BUFFERS + ((<usize>i) << 2);
    let buffer = <usize>load<u32>(place);
    if (!buffer) {
      buffer = allocateBuffer(worker);
      if (!buffer) return i;
      store<u32>(place, <u32>buffer);
    }
    const iovec = worker + WORKER_RECEIVE_IOVECS + <usize>i * IOVEC_SIZE;
    store<u64>(iovec, base + <u64>(buffer + BUFFER_PACKET));
    store<u64>(iovec, capacity, 8);
    const header = worker + WORKER_RECEIVE_HEADERS + <usize>i * MMSGHDR_SIZE;
    store<u64>(header, base + <u64>(worker + WORKER_RECEIVE_NAMES + <usize>i * NAME_SIZE), MMSGHDR_NAME);
    store<u32>(header, NAME_SIZE, MMSGHDR_NAMELEN);
    store<u64>(header, base + <u64>iovec, MMSGHDR_IOV);
    store<u64>(header, 1, MMSGHDR_IOVLEN);
    store<u64>(
      header,
      base + <u64>(worker + WORKER_RECEIVE_CONTROLS + <usize>i * RECEIVE_CONTROL_SIZE),
      MMSGHDR_CONTROL,
    );
    store<u64>(header, RECEIVE_CONTROL_SIZE, MMSGHDR_CONTROLLEN);
    store<u32>(header, 0, MMSGHDR_FLAGS);
  }
  return BATCH;
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
