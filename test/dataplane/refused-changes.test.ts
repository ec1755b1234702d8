/** Changes of paths that follow from what the network shows, when the memory is full: the data plane goes on, and makes them later. */
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import type { DataplaneEvent } from '../../src/dataplane/status.ts';
import { fillHeap } from '../support/full-heap.ts';
import { startMemoryDataplane } from '../support/memory-dataplane.ts';
import { testPath, testSession } from '../support/session.ts';

test('a path that goes down while the memory is full is left out as soon as there is room', async () => {
  const { dataplane } = await startMemoryDataplane({});
  const events: DataplaneEvent[] = [];
  try {
    dataplane.addSession(testSession());
    dataplane.on('event', (event) => events.push(event));
    const emptyHeap = fillHeap(dataplane.memory.heap);
    const down = (): void => dataplane.setMeasuredState('mn1', 1, 'down');
    dataplane.attempt('mn1', down);
    dataplane.attempt('mn1', () => dataplane.setPathDivisor('mn1', 2, 4));
    expect(events).toEqual([
      { event: 'changeRefused', session: 'mn1', error: expect.stringMatching(/shared memory is full/) },
    ]);
    expect([...dataplane.weightsInUse('mn1')]).toEqual([
      [1, 1],
      [2, 1],
    ]);
    emptyHeap();
    await expect.poll(() => dataplane.weightsInUse('mn1').get(1), { timeout: 5000 }).toBe(0);
  } finally {
    await dataplane.stop();
  }
});

test('an operator who is told that there is no room to leave a path out can say it again', async () => {
  const { dataplane } = await startMemoryDataplane({});
  try {
    dataplane.addSession(testSession());
    const emptyHeap = fillHeap(dataplane.memory.heap);
    const down = (): void => dataplane.setPathState('mn1', 1, 'down');
    expect(down).toThrow(/shared memory is full/);
    expect(dataplane.session('mn1').paths[0]!.state).toBe('up');
    expect(down).toThrow(/shared memory is full/);
    emptyHeap();
    down();
    expect(dataplane.weightsInUse('mn1').get(1)).toBe(0);
  } finally {
    await dataplane.stop();
  }
});

test('a smaller MTU is learned of all sessions, though there was no room for that of some', async () => {
  const { dataplane } = await startMemoryDataplane({ sizes: { sessions: 2, paths: 4 } });
  try {
    for (const n of [1, 2]) {
      const prefixes = [`192.0.2.${n}/32`];
      dataplane.addSession(
        testSession({ name: `mn${n}`, prefixes, sendKey: n, receiveKey: n, paths: [testPath(1)] }),
      );
    }
    const before = dataplane.innerMtu('mn1');
    const emptyHeap = fillHeap(dataplane.memory.heap);
    const { local, remote } = testPath(1);
    expect(dataplane.setPathMtu(local, remote, 1400)).toBe(true);
    expect(dataplane.innerMtu('mn1')).toBe(before);
    emptyHeap();
    for (const name of ['mn1', 'mn2']) {
      await expect.poll(() => dataplane.innerMtu(name), { timeout: 5000 }).toBe(before - 100);
    }
  } finally {
    await dataplane.stop();
  }
});

test('a NAT that changes a port while no path record is left does not end the watch for others', async () => {
  const { dataplane } = await startMemoryDataplane({});
  const path = testPath(1, { encapsulation: 'udp-gre', remotePort: 40000 });
  const { memory } = dataplane;
  /** As the hot path notes a sender that no path expects (assembly/pipeline/decapsulation.ts). */
  const note = (port: number): void => {
    const at = (memory.workerRegion(0) + L.WORKER_STRANGER) / 4;
    const set = (field: number, value: number): void => {
      memory.u32[at + field / 4] = value;
    };
    set(L.STRANGER_SELECTOR, 0x22222222);
    set(L.STRANGER_KEYED, 1);
    set(L.STRANGER_PORT, port);
    memory.u64[at / 2 + L.STRANGER_LOW / 8] = 0xffff_cb00_7101n;
    Atomics.store(memory.u32, at, 1);
    Atomics.add(memory.i32, (L.CONTROL + L.CONTROL_STRANGE) / 4, 1);
    Atomics.notify(memory.i32, (L.CONTROL + L.CONTROL_STRANGE) / 4);
  };
  const heard: number[] = [];
  const events: DataplaneEvent[] = [];
  try {
    dataplane.addSession(testSession({ paths: [path, testPath(2)] }));
    dataplane.on('event', (event) => events.push(event));
    dataplane.onStranger((_session, bid, port) => {
      heard.push(port);
      // Its record and that of the path as it was: there are two in all, and the other path has one.
      const paths = [{ ...path, bid, remotePort: port }, testPath(2)];
      dataplane.updateSession(testSession({ paths }));
    });
    note(40001);
    await expect.poll(() => heard).toEqual([40001]);
    note(40002);
    await expect.poll(() => heard).toEqual([40001, 40002]);
    expect(events.filter(({ event }) => event === 'changeRefused')).not.toEqual([]);
  } finally {
    await dataplane.stop();
  }
});

test('sockets of paths that have gone are closed when the data plane stops, though no worker has confirmed yet', async () => {
  const { dataplane, open } = await startMemoryDataplane({});
  dataplane.addSession(testSession());
  expect(open.size).toBe(2);
  dataplane.removeSession('mn1');
  expect(open.size).toBe(2);
  await dataplane.stop();
  expect(open.size).toBe(0);
});
