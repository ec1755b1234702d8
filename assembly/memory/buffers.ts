/**
 * Packet buffers. Each worker keeps a small stack of free ones; whole chains of POOL_CHAIN move between the
 * stacks and one global lock-free pool (a Treiber stack; the tag in the upper half of its head rules out ABA).
 *
 *   worker stack  <-- chain of 32 --  global pool  -- chain of 32 -->  worker stack
 *
 * BUFFER_OWNER names the worker that has a buffer in hand, so that the buffers of a crashed worker can be found.
 */
import {
  BUFFER_NEXT,
  BUFFER_NEXT_CHAIN,
  BUFFER_OWNER,
  BUFFER_SUM,
  CONTROL,
  CONTROL_BUFFERS,
  CONTROL_BUFFER_COUNT,
  CONTROL_BUFFER_SIZE,
  CONTROL_POOL_CHAINS,
  CONTROL_POOL_HEAD,
  FREE_MAX,
  POOL_CHAIN,
  WORKER_FREE,
  WORKER_FREE_COUNT,
  WORKER_INDEX,
} from '../layout';

/** A free buffer, or 0 if there is none anywhere. */
// @ts-ignore: decorator
@inline
export function allocateBuffer(worker: usize): usize {
  let free = load<u32>(worker, WORKER_FREE_COUNT);
  if (!free) {
    free = takeChain(worker);
    if (!free) return 0;
  }
  free--;
  store<u32>(worker, free, WORKER_FREE_COUNT);
  const buffer = <usize>load<u32>(worker + WORKER_FREE + ((<usize>free) << 2));
  store<u64>(buffer, 0, BUFFER_SUM);
  return buffer;
}

export function freeBuffer(worker: usize, buffer: usize): void {
  let free = load<u32>(worker, WORKER_FREE_COUNT);
  if (free == <u32>FREE_MAX) {
    giveChain(worker);
    free -= POOL_CHAIN;
  }
  store<u32>(buffer, load<u32>(worker, WORKER_INDEX) + 1, BUFFER_OWNER);
  store<u32>(worker + WORKER_FREE + ((<usize>free) << 2), <u32>buffer);
  store<u32>(worker, free + 1, WORKER_FREE_COUNT);
}

/** Frees `count` buffers that the worker has in hand; their addresses stand at `list`, u32 each. */
export function freeBuffers(worker: usize, list: usize, count: u32): void {
  const end = list + ((<usize>count) << 2);
  while (true) {
    const free = load<u32>(worker, WORKER_FREE_COUNT);
    const some = min<u32>(<u32>((end - list) >> 2), <u32>FREE_MAX - free);
    copyWords(worker + WORKER_FREE + ((<usize>free) << 2), list, some);
    store<u32>(worker, free + some, WORKER_FREE_COUNT);
    list += (<usize>some) << 2;
    if (list == end) return;
    giveChain(worker);
  }
}

/** memory.copy is a call, which costs more than the few words that there are. */
// @ts-ignore: decorator
@inline
function copyWords(to: usize, from: usize, count: u32): void {
  const end = from + ((<usize>count) << 2);
  while (from + 12 < end) {
    v128.store(to, v128.load(from));
    from += 16;
    to += 16;
  }
  while (from < end) {
    store<u32>(to, load<u32>(from));
    from += 4;
    to += 4;
  }
}

/** Moves one chain from the pool to the worker's empty stack; gives the number of buffers on the stack. */
function takeChain(worker: usize): u32 {
  let head: u64;
  let first: usize;
  do {
    head = atomic.load<u64>(CONTROL, CONTROL_POOL_HEAD);
    first = <usize>(<u32>head);
    if (!first) return 0;
    // Buffers are never unmapped, so reading the link of a chain that another worker just took is harmless.
  } while (!replaceHead(head, load<u32>(first, BUFFER_NEXT_CHAIN)));
  atomic.sub<u32>(CONTROL, 1, CONTROL_POOL_CHAINS);
  const owner = load<u32>(worker, WORKER_INDEX) + 1;
  let count: u32 = 0;
  while (first) {
    store<u32>(first, owner, BUFFER_OWNER);
    store<u32>(worker + WORKER_FREE + ((<usize>count) << 2), <u32>first);
    count++;
    first = load<u32>(first, BUFFER_NEXT);
  }
  store<u32>(worker, count, WORKER_FREE_COUNT);
  return count;
}

/** Moves the topmost POOL_CHAIN buffers of the worker's stack to the pool. */
function giveChain(worker: usize): void {
  const free = load<u32>(worker, WORKER_FREE_COUNT) - POOL_CHAIN;
  let chain: usize = 0;
  for (let i: u32 = 0; i < <u32>POOL_CHAIN; i++) {
    const buffer = <usize>load<u32>(worker + WORKER_FREE + ((<usize>(free + i)) << 2));
    store<u32>(buffer, <u32>chain, BUFFER_NEXT);
    store<u32>(buffer, 0, BUFFER_OWNER);
    chain = buffer;
  }
  store<u32>(worker, free, WORKER_FREE_COUNT);
  pushChain(chain);
}

function pushChain(chain: usize): void {
  let head: u64;
  do {
    head = atomic.load<u64>(CONTROL, CONTROL_POOL_HEAD);
    store<u32>(chain, <u32>head, BUFFER_NEXT_CHAIN);
  } while (!replaceHead(head, <u32>chain));
  atomic.add<u32>(CONTROL, 1, CONTROL_POOL_CHAINS);
}

// @ts-ignore: decorator
@inline
function replaceHead(head: u64, first: u32): bool {
  const next = (((head >> 32) + 1) << 32) | (<u64>first);
  return atomic.cmpxchg<u64>(CONTROL, head, next, CONTROL_POOL_HEAD) == head;
}

/** Fills the empty pool with all buffers of the memory; called once, before any worker runs. */
export function fillPool(): void {
  const size = <usize>load<u32>(CONTROL, CONTROL_BUFFER_SIZE);
  const total = load<u32>(CONTROL, CONTROL_BUFFER_COUNT);
  let buffer = <usize>load<u32>(CONTROL, CONTROL_BUFFERS);
  let chain: usize = 0;
  for (let i: u32 = 1; i <= total; i++) {
    store<u32>(buffer, <u32>chain, BUFFER_NEXT);
    store<u32>(buffer, 0, BUFFER_OWNER);
    chain = buffer;
    if (i % POOL_CHAIN == 0) {
      pushChain(chain);
      chain = 0;
    }
    buffer += size;
  }
}

/**
 * Gives the buffers that a crashed worker had in hand back to the pool; its region must be out of use.
 * Single buffers become chains of one: correct, and mended as soon as they pass through a worker's stack.
 */
export function reclaimBuffers(workerIndex: u32): u32 {
  const size = <usize>load<u32>(CONTROL, CONTROL_BUFFER_SIZE);
  const total = load<u32>(CONTROL, CONTROL_BUFFER_COUNT);
  let buffer = <usize>load<u32>(CONTROL, CONTROL_BUFFERS);
  let chain: usize = 0;
  let length: u32 = 0;
  let reclaimed: u32 = 0;
  for (let i: u32 = 0; i < total; i++) {
    if (load<u32>(buffer, BUFFER_OWNER) == workerIndex + 1) {
      store<u32>(buffer, 0, BUFFER_OWNER);
      store<u32>(buffer, <u32>chain, BUFFER_NEXT);
      chain = buffer;
      reclaimed++;
      if (++length == <u32>POOL_CHAIN) {
        pushChain(chain);
        chain = 0;
        length = 0;
      }
    }
    buffer += size;
  }
  if (chain) pushChain(chain);
  return reclaimed;
}
