/** The list of packets that the worker writes to the TUN after a batch, in order. */
import {
  DELIVER_MAX,
  WORKER_DELIVER_ADDRESSES,
  WORKER_DELIVER_BUFFERS,
  WORKER_DELIVER_COUNT,
  WORKER_DELIVER_LENGTHS,
} from '../layout';

// @ts-ignore: decorator
@inline
export function deliveryRoom(worker: usize): u32 {
  return <u32>DELIVER_MAX - load<u32>(worker, WORKER_DELIVER_COUNT);
}

/** Appends; the caller has made sure of room. */
// @ts-ignore: decorator
@inline
export function deliver(worker: usize, address: usize, length: u32, buffer: usize): void {
  const n = load<u32>(worker, WORKER_DELIVER_COUNT);
  const at = worker + (<usize>n << 2);
  store<u32>(at, <u32>address, WORKER_DELIVER_ADDRESSES);
  store<u32>(at, length, WORKER_DELIVER_LENGTHS);
  store<u32>(at, <u32>buffer, WORKER_DELIVER_BUFFERS);
  store<u32>(worker, n + 1, WORKER_DELIVER_COUNT);
}
