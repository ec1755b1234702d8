/**
 * The messages of a batch, one for each of several endpoints, by one io_uring_enter(2) instead of as many sendmmsg(2). The worker's ring
 * lies in this memory (IORING_SETUP_NO_MMAP), so its entries are written and read here:
 *
 *   groups of the batch  --fillRing-->  submission queue  --io_uring_enter(2)-->  completion queue  --reapRing-->  errors
 *
 * All are sent, or refused, before the call returns, so the ring is empty between two of them.
 */
import {
  CONTROL,
  CONTROL_HOST_BASE,
  COUNTER_RING_BATCHES,
  CQE_RESULT,
  CQE_SIZE,
  GROUP_ENDPOINT,
  GROUP_FIRST,
  GROUP_STRIDE,
  MMSGHDR_SIZE,
  SQE_ADDRESS,
  SQE_FD,
  SQE_LENGTH,
  SQE_MESSAGE_FLAGS,
  SQE_SIZE,
  SQE_USER_DATA,
  WORKER_GROUPS,
  WORKER_GROUP_COUNT,
  WORKER_MESSAGE_ERRORS,
  WORKER_RING_CQES,
  WORKER_RING_CQ_HEAD,
  WORKER_RING_CQ_MASK,
  WORKER_RING_CQ_TAIL,
  WORKER_RING_FAILURES,
  WORKER_RING_SQES,
  WORKER_RING_SQ_MASK,
  WORKER_RING_SQ_TAIL,
  WORKER_SEND_HEADERS,
  WORKER_SOCKETS,
} from '../layout';
import { count } from '../stats';

const IORING_OP_SENDMSG: u32 = 9;
const MSG_DONTWAIT: u32 = 0x40;

/** Writes an entry for each group, which has one message and is one of at most URING_ENTRIES; gives their number. */
export function fillRing(worker: usize): u32 {
  const base = load<u64>(CONTROL, CONTROL_HOST_BASE);
  const sqes = <usize>load<u32>(worker, WORKER_RING_SQES);
  const mask = load<u32>(worker, WORKER_RING_SQ_MASK);
  const shared = <usize>load<u32>(worker, WORKER_RING_SQ_TAIL);
  const tail = load<u32>(shared);
  const groups = load<u32>(worker, WORKER_GROUP_COUNT);
  for (let g: u32 = 0; g < groups; g++) {
    const group = worker + WORKER_GROUPS + <usize>g * GROUP_STRIDE;
    const endpoint = <usize>load<u32>(group, GROUP_ENDPOINT);
    const message = load<u32>(group, GROUP_FIRST);
    const sqe = sqes + <usize>((tail + g) & mask) * SQE_SIZE;
    memory.fill(sqe, 0, SQE_SIZE);
    store<u32>(sqe, IORING_OP_SENDMSG);
    store<u32>(sqe, load<u32>(worker + (endpoint << 2), WORKER_SOCKETS), SQE_FD);
    store<u64>(sqe, base + <u64>(worker + WORKER_SEND_HEADERS + <usize>message * MMSGHDR_SIZE), SQE_ADDRESS);
    store<u32>(sqe, 1, SQE_LENGTH);
    store<u32>(sqe, MSG_DONTWAIT, SQE_MESSAGE_FLAGS);
    store<u64>(sqe, <u64>message, SQE_USER_DATA);
  }
  atomic.store<u32>(shared, tail + groups);
  count(worker, COUNTER_RING_BATCHES);
  return groups;
}

/** Takes what is complete: WORKER_MESSAGE_ERRORS has the errno of each message that failed. Gives the number of completions. */
export function reapRing(worker: usize): u32 {
  const cqes = <usize>load<u32>(worker, WORKER_RING_CQES);
  const mask = load<u32>(worker, WORKER_RING_CQ_MASK);
  const shared = <usize>load<u32>(worker, WORKER_RING_CQ_HEAD);
  const first = load<u32>(shared);
  const tail = atomic.load<u32>(<usize>load<u32>(worker, WORKER_RING_CQ_TAIL));
  for (let head = first; head != tail; head++) {
    const cqe = cqes + <usize>(head & mask) * CQE_SIZE;
    const result = load<i32>(cqe, CQE_RESULT);
    const message = load<u32>(cqe);
    if (result < 0) {
      store<u32>(worker + ((<usize>message) << 2), -result, WORKER_MESSAGE_ERRORS);
      store<u32>(worker, load<u32>(worker, WORKER_RING_FAILURES) + 1, WORKER_RING_FAILURES);
    }
  }
  atomic.store<u32>(shared, tail);
  return tail - first;
}
