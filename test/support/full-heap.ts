/** A shared memory without room. */
import { TunloomError } from '../../src/errors.ts';
import type { Heap } from '../../src/dataplane/heap.ts';

/** Takes all that the heap has left; gives a function that gives it back, in blocks of 4096 octets and less. */
export function fillHeap(heap: Heap): () => void {
  const taken: [address: number, size: number][] = [];
  for (const size of [4096, 64]) {
    try {
      for (;;) taken.push([heap.allocate(size), size]);
    } catch (error) {
      if (!(error instanceof TunloomError)) throw error;
    }
  }
  return () => {
    for (const [address, size] of taken.splice(0)) heap.release(address, size);
  };
}
