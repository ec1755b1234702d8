/** A thread of the stress test (test/dataplane/threads.test.ts): works on the shared memory without any lock of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import * as L from '../../assembly/layout.ts';
import { monotonicMicroseconds } from '../../src/dataplane/clock.ts';
import { instantiateHotPath } from '../../src/dataplane/wasm.ts';

export interface StressTask {
  readonly kind: 'draw' | 'resequence';
  readonly index: number;
  readonly threads: number;
  readonly count: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** draw: an inner packet; resequence: an outer packet of this thread's path. */
  readonly packet: Uint8Array;
  /** Where in the outer packet its sequence number stands, and the number within the inner packet. */
  readonly sequenceOffset: number;
  readonly endpoint: number;
  readonly session: number;
  /** i32: last number delivered, errors of order, packets delivered; start signal. */
  readonly shared: SharedArrayBuffer;
}

const task = workerData as StressTask;
const wasm = instantiateHotPath(task.module, task.memory);
const u32 = new Uint32Array(task.memory.buffer);
const bytes = new Uint8Array(task.memory.buffer);
const view = new DataView(task.memory.buffer);
const worker = wasm.workerAddress(task.index);
const shared = new Int32Array(task.shared);

parentPort!.postMessage('ready');
Atomics.wait(shared, 3, 0);
const result = task.kind === 'draw' ? draw() : resequence();
parentPort!.postMessage(result);

/** Encapsulates `count` packets; gives path by sequence number as pairs. */
function draw(): Uint32Array {
  const pairs = new Uint32Array(task.count * 2);
  let n = 0;
  while (n < task.count * 2) {
    const batch = Math.min(L.BATCH, task.count - n / 2);
    load(batch, () => {});
    let done = 0;
    while (done < batch) {
      done = wasm.encapsulate(worker, done, batch, 1, 0);
      const sends = u32[(worker + L.WORKER_SEND_COUNT) / 4]!;
      for (let i = 0; i < sends; i++) {
        const outer = u32[(worker + L.WORKER_SEND_ADDRESSES) / 4 + i]!;
        const path = u32[(worker + L.WORKER_SEND_PATHS) / 4 + i]!;
        pairs[n++] = view.getUint32(outer + task.sequenceOffset);
        pairs[n++] = u32[(path + L.PATH_ENDPOINT) / 4]!;
      }
      wasm.sendsDone(worker);
    }
  }
  return pairs;
}

/** Receives numbers index, index + threads, ... and checks the order of whatever it gets to deliver. */
function resequence(): number {
  const head = (task.session + L.SESSION_HEAD) / 4;
  const window = u32[(task.session + L.SESSION_MASK) / 4]! + 1;
  let next = task.index;
  const end = task.count * task.threads;
  let delivered = 0;
  // Stay until everything is out: another thread may leave the last packets to us.
  while (next < end || Atomics.load(shared, 2) < end) {
    const now = monotonicMicroseconds();
    const limit = Atomics.load(u32, head) + window - L.BATCH * task.threads;
    let batch = 0;
    if (next < end && next < limit) {
      batch = Math.min(L.BATCH, Math.ceil((end - next) / task.threads));
      load(batch, (at) => {
        view.setUint32(at + task.sequenceOffset, next);
        next += task.threads;
      });
      wasm.decapsulate(worker, task.endpoint, 0, batch, now);
    } else {
      wasm.expire(worker, now, now);
    }
    do {
      const count = u32[(worker + L.WORKER_DELIVER_COUNT) / 4]!;
      for (let i = 0; i < count; i++) {
        const buffer = u32[(worker + L.WORKER_DELIVER_BUFFERS) / 4 + i]!;
        const sequence = u32[(buffer + L.BUFFER_SEQUENCE) / 4]!;
        // The delivery lock is ours until deliveriesDone(): nobody else is here.
        if (sequence !== Atomics.load(shared, 0) + 1) Atomics.add(shared, 1, 1);
        Atomics.store(shared, 0, sequence);
        delivered++;
      }
      Atomics.add(shared, 2, count);
    } while (wasm.deliveriesDone(worker, now));
    wasm.passBatchEnd(worker, true);
  }
  return delivered;
}

function load(count: number, patch: (at: number) => void): void {
  let room = wasm.prepareReceive(worker, -1, L.BATCH);
  while (room < count) room = wasm.prepareReceive(worker, -1, L.BATCH);
  for (let i = 0; i < count; i++) {
    const header = worker + L.WORKER_RECEIVE_HEADERS + i * L.MMSGHDR_SIZE;
    const at = u32[(worker + L.WORKER_RECEIVE_BUFFERS) / 4 + i]! + L.BUFFER_PACKET;
    bytes.set(task.packet, at);
    patch(at);
    u32[(header + L.MMSGHDR_LEN) / 4] = task.packet.length;
    u32[(header + L.MMSGHDR_CONTROLLEN) / 4] = 0;
  }
}
