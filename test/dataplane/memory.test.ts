/** The shared memory at its limits: addresses beyond 2 GiB, and what a refused session leaves behind. */
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { Heap } from '../../src/dataplane/heap.ts';
import { dataplaneOptions } from '../../src/node/host-options.ts';
import { BenchNode } from '../support/bench-node.ts';
import { fillHeap } from '../support/full-heap.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

test('a heap that lies beyond 2 GiB gives addresses there', () => {
  const heap = new Heap(new Uint8Array(0), 2 ** 31 + 1, 2 ** 31 + 4096);
  expect(heap.allocate(64)).toBe(2 ** 31 + 64);
  expect(heap.allocate(100)).toBe(2 ** 31 + 128);
});

test('a full heap splits larger blocks that are free', () => {
  const heap = new Heap(new Uint8Array(1024).fill(7), 0, 1024);
  const whole = heap.allocate(1024);
  expect(() => heap.allocate(64)).toThrow(/full/);
  heap.release(whole, 1024);
  const parts = [heap.allocate(64), heap.allocate(200), heap.allocate(512), heap.allocate(100)];
  expect(parts.toSorted((a, b) => a - b)).toEqual([0, 128, 256, 512]);
  expect(heap.allocate(64)).toBe(64);
  expect(() => heap.allocate(64)).toThrow(/full/);
});

test('memory.heapMiB of 2 GiB and more is as large as it says', () => {
  const config = parseConfig('role: lma\nmemory: { heapMiB: 3072 }\nsessions: []\n', 'test.yaml');
  expect(dataplaneOptions(config).sizes.heap).toBe(3 * 2 ** 30);
});

test('sessions that there was no memory for leave room for smaller ones', () => {
  // Two windows of 4096 packets fit, with what belongs to them, and not a third.
  const node = new BenchNode('mag', { sessions: 3, paths: 3, heap: 48 << 10 });
  const session = (n: number, window: number) =>
    testSession({
      name: `mn${n}`,
      prefixes: [`2001:db8:${n}::/64`],
      sendKey: n,
      receiveKey: n,
      paths: [testPath(1)],
      resequencer: { window, minWaitUs: 1000, maxWaitUs: 10_000, late: 'deliver', provenLoss: true },
    });
  const names: string[] = [];
  const refused: string[] = [];
  for (let n = 1; n <= 20; n++) {
    try {
      node.add(session(n, 4096));
      names.push(`mn${n}`);
    } catch (error) {
      refused.push((error as { code: string }).code);
    }
    node.grace.collect();
  }
  expect(names.length).toBeGreaterThan(0);
  expect(new Set(refused)).toEqual(new Set(['OUT_OF_MEMORY']));
  for (const name of names) node.sessions.remove(name);
  node.grace.collect();
  node.add(session(31, 64), session(32, 64), session(33, 64));
  expect(node.sessions.size).toBe(3);
});

test('a path that there was no memory for can be added when there is some, and receives', () => {
  // Tables of peers and of paths begin with room for eight.
  const paths = Array.from({ length: 9 }, (_, i) => testPath(i + 1, { weight: i === 8 ? 1 : 0 }));
  const before = testSession({ paths: paths.slice(0, 8).map((path) => ({ ...path, weight: 1 })) });
  const after = testSession({ paths });
  const mag = new BenchNode('mag').add(after);
  const lma = new BenchNode('lma', { paths: 9 }).add(mirrored(before));
  const emptyHeap = fillHeap(lma.memory.heap);
  for (let attempt = 0; attempt < 3; attempt++) {
    expect(() => lma.sessions.update(mirrored(after))).toThrow(/shared memory is full/);
    lma.grace.collect();
  }
  emptyHeap();
  lma.sessions.update(mirrored(after));
  const { sent } = mag.encapsulate([innerPacket({ family: 4, payload: new Uint8Array(100) })]);
  expect(lma.decapsulate(8, [sent[0]!.bytes])).toHaveLength(1);
  expect(lma.drops).toEqual({});
});
