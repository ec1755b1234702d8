/**
 * Nanoseconds a packet of the hot path's parts, without any device: encapsulate, decapsulate, resequence, prefix look-up.
 * Each kernel is one function that works off one batch of 64 packets; bench/run.ts times it.
 */
import * as L from '../assembly/layout.ts';
import { GracePeriods } from '../src/dataplane/grace.ts';
import { LookupTables } from '../src/dataplane/lookup-tables.ts';
import { BenchNode } from '../test/support/bench-node.ts';
import { innerPacket } from '../test/support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../test/support/session.ts';

export interface Kernel {
  readonly name: string;
  /** Packets (or look-ups) a call. */
  readonly packets: number;
  readonly run: () => void;
}

const PAYLOAD = 1400 - 28;
/** Look-ups in one call. */
const LOOKUPS = 4096;
const inner = innerPacket({ family: 4, payload: new Uint8Array(PAYLOAD) });
const session = testSession({
  clampMss: true,
  paths: [testPath(1, { weight: 3 }), testPath(2, { weight: 2 })],
  resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
});

/** Puts `packet` into every receive buffer of the node's worker; the buffers come back after each batch. */
function fill(node: BenchNode, packet: (i: number) => Uint8Array): void {
  node.wasm.prepareReceive(node.worker, -1, L.BATCH);
  for (let i = 0; i < L.BATCH; i++) {
    const header = node.worker + L.WORKER_RECEIVE_HEADERS + i * L.MMSGHDR_SIZE;
    const buffer = node.memory.u32[(node.worker + L.WORKER_RECEIVE_BUFFERS) / 4 + i]!;
    const bytes = packet(i);
    node.memory.bytes.set(bytes, buffer + L.BUFFER_PACKET);
    node.memory.u32[(header + L.MMSGHDR_LEN) / 4] = bytes.length;
    node.memory.u32[(header + L.MMSGHDR_CONTROLLEN) / 4] = 0;
  }
}

/** Check, look up, ticket, header; the UDP checksum is left to the kernel, as with sockets. */
export function encapsulateKernel(): Kernel {
  const node = new BenchNode('mag').add(session);
  const flags = (node.memory.path(0) + L.PATH_FLAGS) / 4;
  const second = (node.memory.path(1) + L.PATH_FLAGS) / 4;
  node.memory.u32[flags]! &= ~L.PATH_FLAG_UDP_CHECKSUM;
  node.memory.u32[second]! &= ~L.PATH_FLAG_UDP_CHECKSUM;
  fill(node, () => inner);
  const places = (node.worker + L.WORKER_RECEIVE_BUFFERS) / 4;
  const buffers = node.memory.u32.slice(places, places + L.BATCH);
  const { wasm, worker, memory } = node;
  return {
    name: 'encapsulate',
    packets: L.BATCH,
    run: () => {
      // The same buffers again: the packets in them are unharmed, only headroom is written.
      memory.u32.set(buffers, places);
      wasm.encapsulate(worker, 0, L.BATCH, 1);
      // Forget the sends instead of freeing the buffers that we use again.
      memory.u32[(worker + L.WORKER_SEND_COUNT) / 4] = 0;
    },
  };
}

/** Strip, validate, find path and session, and put through the window in the given order of arrival. */
export function decapsulateKernel(name: string, order: (i: number) => number): Kernel {
  const mag = new BenchNode('mag').add(session);
  const lma = new BenchNode('lma').add(mirrored(session));
  const outer = mag.encapsulate([inner]).sent[0]!.bytes;
  outer.fill(0, 26, 28);
  fill(lma, () => outer);
  const { wasm, worker, memory } = lma;
  const headers = (worker + L.WORKER_RECEIVE_HEADERS + L.MMSGHDR_LEN) / 4;
  const places = (worker + L.WORKER_RECEIVE_BUFFERS) / 4;
  const positions = Array.from({ length: L.BATCH }, (_, i) => order(i));
  let sequence = 0;
  return {
    name,
    packets: L.BATCH,
    run: () => {
      wasm.prepareReceive(worker, -1, L.BATCH);
      for (let i = 0; i < L.BATCH; i++) {
        const at = memory.u32[places + i]! + L.BUFFER_PACKET;
        // A buffer that came back holds the same packet: only the number has to change.
        memory.u32[headers + i * (L.MMSGHDR_SIZE / 4)] = outer.length;
        memory.view.setUint32(at + 40, sequence + positions[i]!);
        if (memory.bytes[at] !== 0x45) memory.bytes.set(outer, at);
      }
      sequence = (sequence + L.BATCH) >>> 0;
      lma.now += 100;
      wasm.decapsulate(worker, 0, 0, L.BATCH, lma.now);
      wasm.deliveriesDone(worker, lma.now);
    },
  };
}

/** Looks random ones of `sessions` /64 prefixes up, many in a call, addresses lying ready in memory; the C twin does the same. */
export function lookupKernel(sessions: number, module: WebAssembly.Module): Kernel {
  const node = new BenchNode('mag', { buffers: 32, heap: 64 << 20 });
  const tables = new LookupTables(node.memory, node.wasm, new GracePeriods(node.memory, () => false));
  const address = (i: number): string => `2001:db8:${(i >>> 16).toString(16)}:${(i & 0xffff).toString(16)}::`;
  for (let i = 0; i < sessions; i++) tables.addPrefix(`${address(i)}/64`, i + 1);
  // Enough addresses that the order does not repeat itself within the caches.
  const count = 1 << 16;
  const list = node.memory.heap.allocate(count * 16);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const chosen = Math.floor((state / 2 ** 32) * sessions);
    node.memory.view.setUint32(list + i * 16, 0x20010db8);
    node.memory.view.setUint16(list + i * 16 + 4, chosen >>> 16);
    node.memory.view.setUint16(list + i * 16 + 6, chosen & 0xffff);
  }
  const { findSessions6 } = new WebAssembly.Instance(module, { env: { memory: node.memory.memory } })
    .exports as unknown as { findSessions6(at: number, count: number): number };
  let next = 0;
  return {
    name: `lookup ${sessions}`,
    packets: LOOKUPS,
    run: () => {
      findSessions6(list + next * 16, LOOKUPS);
      next = (next + LOOKUPS) & (count - 1);
    },
  };
}

/** memory.copy of the same packet, 64 times: the yardstick for everything else. */
export function copyKernel(): Kernel {
  const node = new BenchNode('mag');
  const from = node.memory.heap.allocate(L.BATCH * 2048);
  const to = node.memory.heap.allocate(L.BATCH * 2048);
  return {
    name: 'memory.copy',
    packets: L.BATCH,
    run: () => {
      for (let i = 0; i < L.BATCH; i++) {
        node.memory.bytes.copyWithin(to + i * 2048, from + i * 2048, from + i * 2048 + 1400);
      }
    },
  };
}
