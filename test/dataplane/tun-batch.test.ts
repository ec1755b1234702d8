/** How much a worker reads from the TUN before it sends. */
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { TunDevice } from '../../src/dataplane/device/tun-device.ts';
import { addressOf, close, open } from '../../src/net/libc.ts';
import { BenchNode } from '../support/bench-node.ts';

const O_RDONLY = 0;
const BATCH_OCTETS = 512 << 10;

test('a batch of super-packets ends when it has 512 KiB', () => {
  const { memory, wasm, worker } = new BenchNode('mag');
  const base = addressOf(memory.memory);
  memory.u64[(L.CONTROL + L.CONTROL_HOST_BASE) / 8] = BigInt(base);
  memory.setControl(L.CONTROL_TUN_OFFLOAD, L.TUN_OFFLOAD_VNET);
  // Each read fills all of a place.
  const fd = open('/dev/zero', O_RDONLY);
  try {
    const headers = worker + L.WORKER_RECEIVE_HEADERS;
    const room = wasm.prepareReceive(worker, -1, L.BATCH);
    const received = new TunDevice(fd, true, base, memory.u32).receive(headers, room);
    const lengths = Array.from(
      { length: received },
      (_, i) => memory.u32[(headers + i * L.MMSGHDR_SIZE + L.MMSGHDR_LEN) / 4]! + L.VNET_SIZE,
    );
    const octets = lengths.reduce((sum, length) => sum + length, 0);
    expect(octets).toBeGreaterThanOrEqual(BATCH_OCTETS);
    expect(octets - lengths.at(-1)!).toBeLessThan(BATCH_OCTETS);
  } finally {
    close(fd);
  }
});
