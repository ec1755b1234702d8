/** When memory that workers may be reading is freed. */
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { GracePeriods } from '../../src/dataplane/grace.ts';
import { DataplaneMemory } from '../../src/dataplane/memory.ts';

function memoryOf(workers: number): DataplaneMemory {
  const rest = { sessions: 1, paths: 1, buffers: 64, bufferSize: 2048, heap: 4096, supers: false };
  return new DataplaneMemory({ workers, ...rest });
}

/** As the hot path does it. */
function endBatch(memory: DataplaneMemory, worker: number): void {
  const at = (memory.workerRegion(worker) + L.WORKER_GENERATION) / 4;
  Atomics.store(memory.u32, at, memory.control(L.CONTROL_GENERATION));
}

test.each([0, 2 ** 31 - 1, 2 ** 32 - 1])(
  'what is retired in generation %i + 1 waits for every running worker, and for those alone',
  (generation) => {
    const memory = memoryOf(3);
    memory.setControl(L.CONTROL_GENERATION, generation);
    for (const worker of [0, 1]) endBatch(memory, worker);
    const grace = new GracePeriods(memory, (worker) => worker < 2);
    const freed: string[] = [];
    grace.retire(() => void freed.push('first'));
    endBatch(memory, 0);
    grace.collect();
    expect(freed).toEqual([]);
    grace.retire(() => void freed.push('second'));
    endBatch(memory, 1);
    grace.collect();
    expect(freed).toEqual(['first']);
    endBatch(memory, 0);
    grace.collect();
    expect(freed).toEqual(['first', 'second']);
    expect(grace.pending).toBe(false);
  },
);

test('what is retired by freeing something else is freed after a grace period of its own', () => {
  const memory = memoryOf(1);
  const grace = new GracePeriods(memory, () => true);
  const freed: string[] = [];
  grace.retire(() => {
    freed.push('outer');
    grace.retire(() => void freed.push('inner'));
  });
  endBatch(memory, 0);
  grace.collect();
  expect(freed).toEqual(['outer']);
  endBatch(memory, 0);
  grace.collect();
  expect(freed).toEqual(['outer', 'inner']);
});

test('what cannot be freed yet is asked again', () => {
  const memory = memoryOf(1);
  const grace = new GracePeriods(memory, () => false);
  let asked = 0;
  grace.retire(() => ++asked === 2);
  grace.collect();
  expect(grace.pending).toBe(true);
  grace.collect();
  expect(grace.pending).toBe(false);
});
