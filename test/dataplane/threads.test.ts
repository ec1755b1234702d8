/** Four threads on one session and one shared memory: nothing lost, doubled, out of order, or on the wrong path. */
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { compileHotPath } from '../../src/dataplane/wasm.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';
import type { StressTask } from '../support/stress-worker.ts';

const THREADS = 4;
const module = await compileHotPath();
const packet = innerPacket({ family: 4, payload: new Uint8Array(8) });
// udp-gre over IPv4: IPv4 20, UDP 8, TLV 4, GRE 4, key 4.
const SEQUENCE_OFFSET = 40;

async function runThreads<Result>(
  shared: Int32Array,
  task: (index: number) => Omit<StressTask, 'threads' | 'module' | 'shared' | 'sequenceOffset'>,
): Promise<Result[]> {
  const workers = Array.from({ length: THREADS }, (_, index) => {
    const workerData: StressTask = {
      ...task(index),
      threads: THREADS,
      module,
      shared: shared.buffer as SharedArrayBuffer,
      sequenceOffset: SEQUENCE_OFFSET,
    };
    return new Worker(new URL('../support/stress-worker.ts', import.meta.url), { workerData });
  });
  const results = workers.map(
    (worker) =>
      new Promise<Result>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('message', (message: Result | 'ready') => {
          if (message !== 'ready') resolve(message);
        });
      }),
  );
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
  Atomics.store(shared, 3, 1);
  Atomics.notify(shared, 3);
  try {
    return await Promise.all(results);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

test('a million tickets drawn by four threads: each once, on the path that the schedule says', async () => {
  const count = 250_000;
  const mag = new BenchNode('mag', { workers: THREADS, buffers: 8192 }).add(
    testSession({ paths: [testPath(1, { weight: 3 }), testPath(2, { weight: 2 })] }),
  );
  const shared = new Int32Array(new SharedArrayBuffer(16));
  const all = await runThreads<Uint32Array>(shared, (index) => ({
    kind: 'draw',
    index,
    count,
    memory: mag.memory.memory,
    packet,
    endpoint: 0,
    session: mag.memory.session(0),
  }));
  const paths = new Uint8Array(count * THREADS).fill(255);
  let doubled = 0;
  for (const pairs of all) {
    for (let i = 0; i < pairs.length; i += 2) {
      if (paths[pairs[i]!] !== 255) doubled++;
      paths[pairs[i]!] = pairs[i + 1]!;
    }
  }
  expect(doubled).toBe(0);
  const order = [0, 1, 0, 1, 0];
  let wrong = 0;
  paths.forEach((path, sequence) => {
    if (path !== order[sequence % 5]) wrong++;
  });
  expect(wrong).toBe(0);
  expect(mag.drops).toEqual({});
});

test(
  'two million numbers received by four threads come out once and in order',
  { timeout: 240_000 },
  async () => {
    const count = 500_000;
    const session = testSession({
      paths: Array.from({ length: THREADS }, (_, i) => testPath(i + 1)),
      resequencer: { window: 4096, minWaitUs: 1e6, maxWaitUs: 10e6, late: 'deliver', provenLoss: false },
    });
    const mag = new BenchNode('mag').add(session);
    const lma = new BenchNode('lma', { workers: THREADS, buffers: 16384 }).add(mirrored(session));
    const { sent } = mag.encapsulate(Array.from({ length: THREADS }, () => packet));
    const shared = new Int32Array(new SharedArrayBuffer(16));
    shared[0] = -1;
    const delivered = await runThreads<number>(shared, (index) => ({
      kind: 'resequence',
      index,
      count,
      memory: lma.memory.memory,
      // The number is patched later: no UDP checksum (octets 26 and 27).
      packet: Uint8Array.from(sent[index]!.bytes).fill(0, 26, 28),
      endpoint: sent[index]!.endpoint,
      session: lma.memory.session(0),
    }));
    expect(shared[1], 'deliveries out of order').toBe(0);
    expect(delivered.reduce((sum, n) => sum + n, 0)).toBe(count * THREADS);
    expect(lma.drops).toEqual({});
    expect(lma.resequencer()).toMatchObject({
      late: 0,
      duplicates: 0,
      lostProven: 0,
      lostTimeout: 0,
      lostWindow: 0,
      held: 0,
    });
  },
);

test.each([
  // Each turn once: exact. An account of octets may be overdrawn by a packet of every thread. A lottery: five deviations and more.
  ['weighted', 0],
  ['deficit', THREADS + 1],
  ['random', 3000],
] as const)(
  'four threads in one %s group: numbers once, shares as promised',
  async (scheduler, tolerance) => {
    const count = 100_000;
    const rule = {
      priority: 1,
      name: 'all',
      selectors: [{ family: 4 as const }],
      action: {
        action: 'paths' as const,
        bids: [1, 2],
        weights: { 1: 3, 2: 1 },
        distribution: { scheduler },
      },
    };
    const mag = new BenchNode('mag', { workers: THREADS, buffers: 8192 }).add(
      testSession({ paths: [testPath(1), testPath(2)], flows: [rule] }),
    );
    const all = await runThreads<Uint32Array>(new Int32Array(new SharedArrayBuffer(16)), (index) => ({
      kind: 'draw',
      index,
      count,
      memory: mag.memory.memory,
      packet,
      endpoint: 0,
      session: 0,
    }));
    const seen = new Uint8Array(count * THREADS);
    let first = 0;
    for (const pairs of all) {
      for (let i = 0; i < pairs.length; i += 2) {
        seen[pairs[i]!]!++;
        if (pairs[i + 1] === 0) first++;
      }
    }
    expect(seen.every((times) => times === 1)).toBe(true);
    // A turn of the deficit scheduler is up to 4500 octets, and the run may end in the middle of one.
    const turn = scheduler === 'deficit' ? Math.ceil(6000 / packet.length) : 0;
    expect(Math.abs(first - (count * THREADS * 3) / 4)).toBeLessThanOrEqual(tolerance + turn);
    expect(mag.drops).toEqual({});
  },
);
