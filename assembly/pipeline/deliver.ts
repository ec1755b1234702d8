/** The list of packets that the worker writes to the TUN after a batch, in order, as struct mmsghdr. */
import {
  CONTROL,
  CONTROL_HOST_BASE,
  DELIVER_MAX,
  IOVEC_SIZE,
  MMSGHDR_IOV,
  MMSGHDR_IOVLEN,
  MMSGHDR_SIZE,
  WORKER_DELIVER_BUFFERS,
  WORKER_DELIVER_COUNT,
  WORKER_DELIVER_HEADERS,
  WORKER_DELIVER_IOVECS,
} from '../layout';

// @ts-ignore: decorator
@inline
export function deliveryRoom(worker: usize): u32 {
  return <u32>DELIVER_MAX - load<u32>(worker, WORKER_DELIVER_COUNT);
}

/** Lays the headers out, once: place n always has iovec n. */
export function layDeliveryHeaders(worker: usize): void {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  for (let n: usize = 0; n < <usize>DELIVER_MAX; n++) {
    const header = worker + WORKER_DELIVER_HEADERS + n * MMSGHDR_SIZE;
    store<u64>(header, base + <u64>(worker + WORKER_DELIVER_IOVECS + n * IOVEC_SIZE), MMSGHDR_IOV);
    store<u64>(header, 1, MMSGHDR_IOVLEN);
  }
}

/** Appends; the caller has made sure of room. */
export function deliver(worker: usize, address: usize, length: u32, buffer: usize): void {
  const n = load<u32>(worker, WORKER_DELIVER_COUNT);
  const iovec = worker + WORKER_DELIVER_IOVECS + <usize>n * IOVEC_SIZE;
  store<u64>(iovec, load<u64>(CONTROL, CONTROL_HOST_BASE) + <u64>address);
  store<u64>(iovec, <u64>length, 8);
  store<u32>(worker + ((<usize>n) << 2), <u32>buffer, WORKER_DELIVER_BUFFERS);
  store<u32>(worker, n + 1, WORKER_DELIVER_COUNT);
}
