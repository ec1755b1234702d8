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

/** Appends; the caller has made sure of room. */
export function deliver(worker: usize, address: usize, length: u32, buffer: usize): void {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  const n = load<u32>(worker, WORKER_DELIVER_COUNT);
  const iovec = worker + WORKER_DELIVER_IOVECS + <usize>n * IOVEC_SIZE;
  store<u64>(iovec, base + <u64>address);
  store<u64>(iovec, <u64>length, 8);
  const header = worker + WORKER_DELIVER_HEADERS + <usize>n * MMSGHDR_SIZE;
  store<u64>(header, base + <u64>iovec, MMSGHDR_IOV);
  store<u64>(header, 1, MMSGHDR_IOVLEN);
  store<u32>(worker + ((<usize>n) << 2), <u32>buffer, WORKER_DELIVER_BUFFERS);
  store<u32>(worker, n + 1, WORKER_DELIVER_COUNT);
}
