/**
 * The hot path's parts without any device, each beside its twin in C: encapsulate, decapsulate, resequence, prefix look-up, copy.
 * Both work on one and the same memory and leave it behind in the same state: check() runs both from one image of it and compares
 * every octet afterwards.
 */
import * as L from '../assembly/layout.ts';
import { GracePeriods } from '../src/dataplane/grace.ts';
import { LookupTables } from '../src/dataplane/lookup-tables.ts';
import type { SessionSpec } from '../src/dataplane/session-spec.ts';
import { BenchNode } from '../test/support/bench-node.ts';
import { innerPacket } from '../test/support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../test/support/session.ts';
import { hostAddress, type BenchKernels, type CTwins } from './twins.ts';

export interface Kernel {
  readonly name: string;
  /** Packets (or look-ups) a batch. */
  readonly packets: number;
  /** Nanoseconds of so many batches. */
  readonly wasm: (batches: number) => number;
  readonly c: (batches: number) => number;
  /** Throws if WebAssembly and C do not leave the same behind. */
  readonly check: () => void;
}

export type Order = (i: number) => number;
export const IN_ORDER: Order = (i) => i;
/** All packets of the first path, then all of the second. */
export const OUT_OF_STEP: Order = (i) => (i < L.BATCH / 2 ? i * 2 : (i - L.BATCH / 2) * 2 + 1);

const LENGTH = 1400;
/** Look-ups in one batch. */
const LOOKUPS = 4096;
/** Batches that a check compares. */
const CHECKED = 40;
/** Between batches, microseconds. */
const STEP = 100;

const inner = innerPacket({ family: 4, payload: new Uint8Array(LENGTH - 28) });
const session = testSession({
  clampMss: true,
  // Both end at one address, so that the LMA has one endpoint and a batch mixes them.
  paths: [testPath(1, { weight: 3 }), testPath(2, { weight: 2, remote: '203.0.113.1' })],
  resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
});

/** Nanoseconds that `work` takes. */
function nanoseconds(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) * 1e6;
}

/** The least that reading the clock twice takes, of either side. */
function clockCost(read: () => number): number {
  return Math.min(...Array.from({ length: 10_000 }, read));
}

/** Both from the same image of the memory; `state` is what the kernel remembers besides, taken back in between. */
function checkMemory(node: BenchNode, state: { turn: number }, kernel: Omit<Kernel, 'check'>): () => void {
  return () => {
    const { bytes } = node.memory;
    const { turn } = state;
    const before = bytes.slice();
    kernel.wasm(CHECKED);
    const after = bytes.slice();
    bytes.set(before);
    state.turn = turn;
    kernel.c(CHECKED);
    const at = Buffer.compare(bytes, after) && bytes.findIndex((octet, i) => octet !== after[i]);
    if (at) throw new Error(`${kernel.name}: C leaves something else at ${at} than WebAssembly`);
    if (Buffer.compare(before, after) === 0) throw new Error(`${kernel.name}: nothing was done`);
    const dropped = Object.entries(node.drops).filter(([, count]) => count);
    if (dropped.length) throw new Error(`${kernel.name}: packets were dropped: ${dropped.join()}`);
  };
}

/** Puts the packet's octets into every buffer of the pool, so that whichever comes to hand holds it. */
function fillBuffers(node: BenchNode, packet: Uint8Array): void {
  const { memory } = node;
  const pool = memory.control(L.CONTROL_BUFFERS);
  for (let i = 0; i < memory.sizes.buffers; i++) {
    memory.bytes.set(packet, pool + i * memory.sizes.bufferSize + L.BUFFER_PACKET);
  }
  for (let i = 0; i < L.BATCH; i++) {
    const header = node.worker + L.WORKER_RECEIVE_HEADERS + i * L.MMSGHDR_SIZE;
    memory.u32[(header + L.MMSGHDR_LEN) / 4] = packet.length;
  }
}

/**
 * What the worker's loop has the hot path do for a batch from the TUN: receive vector, check, session, ticket, path, headers,
 * grouping into mmsghdr and iovec, counting what was sent. `udpChecksum`: computed here, or left to the kernel as with sockets.
 */
export function encapsulateKernel(name: string, c: CTwins | null, udpChecksum: boolean): Kernel {
  const node = new BenchNode('mag').add(session);
  const { wasm, worker, memory } = node;
  for (const path of [0, 1]) {
    const flags = (memory.path(path) + L.PATH_FLAGS) / 4;
    if (!udpChecksum) memory.u32[flags]! &= ~L.PATH_FLAG_UDP_CHECKSUM;
  }
  fillBuffers(node, inner);
  const host = hostAddress(memory.memory);
  const kernel = {
    name,
    packets: L.BATCH,
    wasm: (batches: number) =>
      nanoseconds(() => {
        for (let i = 0; i < batches; i++) {
          wasm.prepareReceive(worker, -1, L.BATCH);
          wasm.encapsulate(worker, 0, L.BATCH, node.now, 0);
          wasm.sendsDone(worker);
        }
      }),
    c: (batches: number) => c!.encapsulate(host, worker, batches, node.now),
  };
  // The first batch takes its buffers from the pool, which the twin does not have.
  kernel.wasm(1);
  return { ...kernel, check: checkMemory(node, { turn: 0 }, kernel) };
}

/**
 * The same for batches whose packets are of random ones of so many sessions, each with paths and schedule of its own. Inner IPv6, so that
 * nothing but the address differs; the receive vector is left out.
 */
export function encapsulateManyKernel(name: string, c: CTwins | null, sessions: number): Kernel {
  const node = new BenchNode('mag', { sessions, paths: sessions * 2, heap: 256 << 20, supers: false });
  node.add(...manySessions(sessions));
  const { wasm, worker, memory } = node;
  for (let path = 0; path < sessions * 2; path++) {
    memory.u32[(memory.path(path) + L.PATH_FLAGS) / 4]! &= ~L.PATH_FLAG_UDP_CHECKSUM;
  }
  const source = `${sessionAddress(0)}1`;
  fillBuffers(node, innerPacket({ family: 6, source, payload: new Uint8Array(LENGTH - 48) }));
  const host = hostAddress(memory.memory);
  const places = (worker + L.WORKER_RECEIVE_BUFFERS) / 4;
  const state = { turn: 0 };
  /** What readv(2) would do. */
  const receive = (): void => {
    wasm.prepareReceive(worker, -1, L.BATCH);
    let random = (Math.imul(state.turn++, 0x9e3779b1) + 1) >>> 0;
    for (let i = 0; i < L.BATCH; i++) {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      const chosen = Math.floor((random / 2 ** 32) * sessions);
      memory.view.setUint32(memory.u32[places + i]! + L.BUFFER_PACKET + 12, chosen);
    }
  };
  const sum = (batches: number, one: () => number): number => {
    let ns = 0;
    for (let i = 0; i < batches; i++) {
      receive();
      ns += one();
    }
    return ns;
  };
  const wasmClock = clockCost(() => nanoseconds(() => {}));
  const cClock = c ? clockCost(c.clockCost) : 0;
  const kernel = {
    name,
    packets: L.BATCH,
    wasm: (batches: number) =>
      sum(batches, () => {
        const start = performance.now();
        wasm.encapsulate(worker, 0, L.BATCH, node.now, 0);
        wasm.sendsDone(worker);
        return (performance.now() - start) * 1e6 - wasmClock;
      }),
    c: (batches: number) => sum(batches, () => c!.encapsulateReady(host, worker, node.now) - cClock),
  };
  return { ...kernel, check: checkMemory(node, state, kernel) };
}

/** Outer headers of one packet of each path, BID 1 and 2. The UDP checksum is left to the kernel, as with sockets. */
function outerHeaders(spec: SessionSpec, packet: Uint8Array): Uint8Array[] {
  const { sent } = new BenchNode('mag').add(spec).encapsulate(Array.from({ length: 5 }, () => packet));
  return [1, 2].map((bid) => {
    const { bytes } = sent.find(({ bytes: octets }) => octets[15] === bid)!;
    bytes.fill(0, 26, 28);
    return bytes.slice(0, bytes.length - packet.length);
  });
}

/** Strip, validate, find path and session, put through the window in the given order of arrival, count what was written. */
export function decapsulateKernel(name: string, c: CTwins | null, order: Order): Kernel {
  const node = new BenchNode('lma').add(mirrored(session));
  const outer = outerHeaders(session, inner);
  return receivingKernel(name, c, node, inner, outer, (place, turn) => {
    const number = order(place);
    return { path: number & 1, sequence: (turn * L.BATCH + number) >>> 0, session: null };
  });
}

/**
 * The same for batches whose packets are of random ones of so many sessions, each with a path key, a window and numbers of its own. Inner
 * IPv6, so that nothing but addresses, keys and numbers differ.
 */
export function decapsulateManyKernel(name: string, c: CTwins | null, sessions: number): Kernel {
  const node = new BenchNode('lma', { sessions, paths: sessions * 2, heap: 256 << 20, supers: false });
  const specs = manySessions(sessions);
  node.add(...specs.map(mirrored));
  const { memory } = node;
  const source = `${sessionAddress(0)}1`;
  const packet = innerPacket({ family: 6, source, payload: new Uint8Array(LENGTH - 48) });
  let random = 0;
  let inBatch = new Map<number, number>();
  return receivingKernel(name, c, node, packet, outerHeaders(specs[0]!, packet), (place, turn) => {
    if (!place) {
      random = (Math.imul(turn, 0x9e3779b1) + 1) >>> 0;
      inBatch = new Map();
    }
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const chosen = Math.floor((random / 2 ** 32) * sessions);
    const before = inBatch.get(chosen) ?? 0;
    inBatch.set(chosen, before + 1);
    const head = memory.u32[(memory.session(chosen) + L.SESSION_HEAD) / 4]!;
    return { path: place & 1, sequence: head + before, session: chosen };
  });
}

interface Received {
  /** Which of the outer headers it has. */
  readonly path: number;
  readonly sequence: number;
  /** Number of its session among manySessions(); null: that of the outer header. */
  readonly session: number | null;
}

/** Batches of packets of the octets of `packet`, behind headers of `outer` as `receive` says for each place of a batch. */
function receivingKernel(
  name: string,
  c: CTwins | null,
  node: BenchNode,
  packet: Uint8Array,
  outer: readonly Uint8Array[],
  receive: (place: number, turn: number) => Received,
): Kernel {
  const { wasm, worker, memory } = node;
  fillBuffers(node, Uint8Array.of(...outer[0]!, ...packet));
  const places = (worker + L.WORKER_RECEIVE_BUFFERS) / 4;
  const host = hostAddress(memory.memory);
  const state = { turn: 0 };
  /** What recvmmsg(2) would do; gives the time. */
  const receiveBatch = (): number => {
    wasm.prepareReceive(worker, -1, L.BATCH);
    for (let i = 0; i < L.BATCH; i++) {
      const at = memory.u32[places + i]! + L.BUFFER_PACKET;
      const { path, sequence, session: number } = receive(i, state.turn);
      memory.bytes.set(outer[path]!, at);
      memory.view.setUint32(at + 40, sequence);
      if (number === null) continue;
      memory.view.setUint32(at + 36, number + 1);
      memory.view.setUint32(at + 44 + 12, number);
    }
    state.turn++;
    return node.now + state.turn * STEP;
  };
  const sum = (batches: number, one: (now: number) => number): number => {
    let ns = 0;
    for (let i = 0; i < batches; i++) ns += one(receiveBatch());
    return ns;
  };
  const wasmClock = clockCost(() => nanoseconds(() => {}));
  const cClock = c ? clockCost(c.clockCost) : 0;
  const kernel = {
    name,
    packets: L.BATCH,
    wasm: (batches: number) =>
      sum(batches, (now) => {
        const start = performance.now();
        wasm.decapsulate(worker, 0, 0, L.BATCH, now);
        wasm.deliveriesDone(worker, now);
        return (performance.now() - start) * 1e6 - wasmClock;
      }),
    c: (batches: number) => sum(batches, (now) => c!.decapsulate(host, worker, now) - cClock),
  };
  return { ...kernel, check: checkMemory(node, state, kernel) };
}

/** The resequencer alone: a buffer, its number, window, release, history, delivery list. */
export function resequenceKernel(
  name: string,
  c: CTwins | null,
  module: WebAssembly.Module,
  order: Order,
): Kernel {
  const node = new BenchNode('lma').add(mirrored(session));
  const { worker, memory } = node;
  const kernels = instantiate(module, memory.memory);
  const places = memory.heap.allocate(L.BATCH);
  memory.bytes.set(
    Array.from({ length: L.BATCH }, (_, i) => order(i)),
    places,
  );
  // Fills the worker's stack: the twin has no pool.
  node.wasm.prepareReceive(worker, -1, L.BATCH);
  node.decapsulate(0, []);
  const host = hostAddress(memory.memory);
  const state = { turn: 0 };
  /** Runs `batches` batches by the function given. */
  const run = (batches: number, by: (from: number, now: number) => number): number => {
    const from = (state.turn * L.BATCH) >>> 0;
    const now = node.now + state.turn * STEP;
    state.turn += batches;
    return by(from, now);
  };
  const at = memory.session(0);
  const kernel = {
    name,
    packets: L.BATCH,
    wasm: (batches: number) =>
      run(batches, (from, now) =>
        nanoseconds(() => kernels.resequence(worker, at, places, from, batches, now)),
      ),
    c: (batches: number) =>
      run(batches, (from, now) => c!.resequence(host, worker, at, places, from, batches, now)),
  };
  // The first batch takes its buffers from the pool, which the twin does not have.
  kernel.wasm(1);
  return { ...kernel, check: checkMemory(node, state, kernel) };
}

/** Sessions with a prefix and keys of their own each, all over the same two pairs of addresses. */
function manySessions(count: number): SessionSpec[] {
  return Array.from({ length: count }, (_, i) => ({
    ...session,
    name: `mn${i}`,
    prefixes: [`${sessionAddress(i)}/64`],
    sendKey: i + 1,
    receiveKey: i + 1,
    clampMss: false,
    resequencer: { ...session.resequencer, window: 64 },
  }));
}

/** The /64 prefix of a session, whose number is the second half of it. */
function sessionAddress(i: number): string {
  return `2001:db8:${(i >>> 16).toString(16)}:${(i & 0xffff).toString(16)}::`;
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): BenchKernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as BenchKernels;
}

/** Looks random ones of `sessions` /64 prefixes up, many in a call, addresses lying ready in memory. */
export function lookupKernel(c: CTwins | null, module: WebAssembly.Module, sessions: number): Kernel {
  const node = new BenchNode('mag', { buffers: 32, heap: 64 << 20, supers: false });
  const { memory } = node;
  const tables = new LookupTables(memory, node.wasm, new GracePeriods(memory, () => false));
  for (let i = 0; i < sessions; i++) tables.addPrefix(`${sessionAddress(i)}/64`, i + 1);
  // Enough addresses that the order does not repeat itself within the caches.
  const count = 1 << 16;
  const list = memory.heap.allocate(count * 16);
  let random = 1;
  for (let i = 0; i < count; i++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const chosen = Math.floor((random / 2 ** 32) * sessions);
    memory.view.setUint32(list + i * 16, 0x20010db8);
    memory.view.setUint16(list + i * 16 + 4, chosen >>> 16);
    memory.view.setUint16(list + i * 16 + 6, chosen & 0xffff);
  }
  const { findSessions6 } = instantiate(module, memory.memory);
  const host = hostAddress(memory.memory);
  const found = new Uint32Array(1);
  let next = 0;
  const run = (batches: number, by: (at: number) => number): number => {
    let ns = 0;
    for (let i = 0; i < batches; i++) {
      ns += by(list + next * 16);
      next = (next + LOOKUPS) & (count - 1);
    }
    return ns;
  };
  return {
    name: `prefix look-up, ${sessions.toLocaleString('en')} session${sessions > 1 ? 's' : ''}`,
    packets: LOOKUPS,
    wasm: (batches) => run(batches, (at) => nanoseconds(() => findSessions6(at, LOOKUPS))),
    c: (batches) => run(batches, (at) => c!.lookUp(host, at, LOOKUPS, found)),
    check: () => {
      const expected = findSessions6(list, LOOKUPS) >>> 0;
      c!.lookUp(host, list, LOOKUPS, found);
      if (!expected || found[0] !== expected) throw new Error('C finds other sessions than WebAssembly');
    },
  };
}

/** memory.copy of the same packet, 64 times: the yardstick for everything else. */
export function copyKernel(c: CTwins | null, module: WebAssembly.Module): Kernel {
  const node = new BenchNode('mag');
  const { memory } = node;
  const from = memory.heap.allocate(L.BATCH * 2048);
  const to = memory.heap.allocate(L.BATCH * 2048);
  memory.bytes.fill(1, from, from + L.BATCH * 2048);
  const { copyPackets } = instantiate(module, memory.memory);
  const host = hostAddress(memory.memory);
  const repeat = (batches: number, once: () => number): number => {
    let ns = 0;
    for (let i = 0; i < batches; i++) ns += once();
    return ns;
  };
  const kernel = {
    name: `copy of ${LENGTH} octets`,
    packets: L.BATCH,
    wasm: (batches: number) =>
      repeat(batches, () => nanoseconds(() => copyPackets(to, from, LENGTH, L.BATCH))),
    c: (batches: number) => repeat(batches, () => c!.copy(host, to, from, LENGTH, L.BATCH)),
  };
  return { ...kernel, check: checkMemory(node, { turn: 0 }, kernel) };
}
