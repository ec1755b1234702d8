/** How much a worker reads from the TUN before it sends, and that super-packets share one area. */
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { TunDevice } from '../../src/dataplane/device/tun-device.ts';
import { TunBatch } from '../../src/dataplane/tun-batch.ts';
import { addressOf, close, open } from '../../src/net/libc.ts';
import { BenchNode } from '../support/bench-node.ts';

const O_RDONLY = 0;

function tunWithOffload(): BenchNode & { base: number } {
  const node = new BenchNode('mag');
  const base = addressOf(node.memory.memory);
  node.memory.u64[(L.CONTROL + L.CONTROL_HOST_BASE) / 8] = BigInt(base);
  node.memory.setControl(L.CONTROL_TUN_OFFLOAD, L.TUN_OFFLOAD_VNET);
  return Object.assign(node, { base });
}

test('a read of the TUN ends with a super-packet', () => {
  const { memory, wasm, worker, base } = tunWithOffload();
  // Each read fills all of a place.
  const fd = open('/dev/zero', O_RDONLY);
  try {
    const headers = worker + L.WORKER_RECEIVE_HEADERS;
    const room = wasm.prepareReceive(worker, -1, L.BATCH);
    expect(room).toBe(L.BATCH);
    expect(new TunDevice(fd, true, base, memory.u32).receive(headers, room)).toBe(1);
    expect(memory.u32[(headers + L.MMSGHDR_LEN) / 4]).toBeGreaterThan(65535);
  } finally {
    close(fd);
  }
});

/** A TUN that gives packets of these lengths, and then has nothing; notes how many places each read was offered. */
function scripted(memory: { u32: Uint32Array }, lengths: number[], reads: number[]): TunDevice {
  const device = Object.create(TunDevice.prototype) as TunDevice;
  device.receive = (headers, count) => {
    reads.push(count);
    let i = 0;
    while (i < count && lengths.length) {
      const length = lengths.shift()!;
      memory.u32[(headers + i * L.MMSGHDR_SIZE + L.MMSGHDR_LEN) / 4] = length;
      i++;
      if (length > 4096) break;
    }
    return i;
  };
  return device;
}

test.each([
  {
    what: 'super-packets: 512 KiB',
    lengths: Array<number>(64).fill(61_000),
    places: 64,
    taken: 9,
    reads: [64, 63, 62, 61, 60, 59, 58, 57, 56],
  },
  {
    what: 'as many as were asked for',
    lengths: Array<number>(9).fill(61_000),
    places: 2,
    taken: 2,
    reads: [2, 1],
  },
  { what: 'one packet alone: no second read', lengths: [100], places: 1, taken: 1, reads: [1] },
  { what: 'small packets: one read', lengths: [100, 100, 100], places: 8, taken: 3, reads: [8] },
  { what: 'both', lengths: [100, 61_000, 100, 100], places: 8, taken: 4, reads: [8, 6] },
  { what: 'nothing', lengths: [], places: 8, taken: 0, reads: [8] },
])('a batch ends: $what', ({ lengths, places, taken, reads }) => {
  const { memory, wasm, worker } = tunWithOffload();
  const seen: number[] = [];
  let sends = 0;
  const tun = scripted(memory, [...lengths], seen);
  const batch = new TunBatch(wasm, worker, memory.u32, tun, () => {
    sends++;
    wasm.sendsDone(worker);
  });
  expect(batch.pass(places)).toBe(taken);
  expect(seen).toEqual(reads);
  expect(sends).toBe(taken ? 1 : 0);
  expect(batch.hasSupers).toBe(lengths.some((length) => length > 4096));
});
