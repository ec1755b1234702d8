/** A ring of io_uring(7) in memory of ours: io_uring_setup(2), io_uring_enter(2). Needs Linux 6.6; containers often forbid it. */
import { SystemCallError } from './errno.ts';
import { setUpRing } from './libc.ts';

const IORING_SETUP_NO_MMAP = 1 << 14;
const IORING_SETUP_NO_SQARRAY = 1 << 16;

/** struct io_uring_params and, in it, struct io_sqring_offsets and io_cqring_offsets. */
const PARAMS_SIZE = 120;
const FLAGS = 8;
const SQ_ENTRIES = 0;
const CQ_ENTRIES = 4;
const SQ_TAIL = 44;
const SQ_USER_ADDRESS = 72;
const CQ_HEAD = 80;
const CQ_TAIL = 84;
const CQ_CQES = 100;
const CQ_USER_ADDRESS = 112;

/** Positions on the page of the queues, and what positions in the queues are masked with. */
export interface RingLayout {
  readonly sqTail: number;
  readonly sqMask: number;
  readonly cqes: number;
  readonly cqHead: number;
  readonly cqTail: number;
  readonly cqMask: number;
}

/**
 * Opens a ring of `entries` whose queues lie on the page at the absolute address `queues`, and whose submission entries on that at `sqes`.
 * Null where the kernel is too old or io_uring is forbidden (ENOSYS, EINVAL, EPERM).
 */
export function openRing(
  entries: number,
  queues: number,
  sqes: number,
): { fd: number; layout: RingLayout } | null {
  const params = new Uint8Array(PARAMS_SIZE);
  const view = new DataView(params.buffer);
  view.setUint32(FLAGS, IORING_SETUP_NO_MMAP | IORING_SETUP_NO_SQARRAY, true);
  view.setBigUint64(SQ_USER_ADDRESS, BigInt(sqes), true);
  view.setBigUint64(CQ_USER_ADDRESS, BigInt(queues), true);
  let fd: number;
  try {
    fd = setUpRing(entries, params);
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  }
  const word = (at: number): number => view.getUint32(at, true);
  return {
    fd,
    layout: {
      sqTail: word(SQ_TAIL),
      sqMask: word(SQ_ENTRIES) - 1,
      cqes: word(CQ_CQES),
      cqHead: word(CQ_HEAD),
      cqTail: word(CQ_TAIL),
      cqMask: word(CQ_ENTRIES) - 1,
    },
  };
}
