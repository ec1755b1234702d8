/** The compiled hot path (assembly/index.ts): loading, and the types of what it exports. */
import { readFile } from 'node:fs/promises';
import { TunloomError } from '../errors.ts';

/** The ABI of assembly/index.ts, which documents each function. Addresses are octets in the shared memory. */
export interface HotPath {
  workerAddress(index: number): number;
  /** `more` is a number, and always given: to make one of undefined or of a boolean takes longer than the call. */
  encapsulate(worker: number, first: number, last: number, now: number, more: 0 | 1): number;
  groupSends(worker: number): void;
  sendFailed(worker: number, place: number, reason: number): void;
  disableSegments(worker: number, message: number): void;
  regroupSends(worker: number): void;
  sendsDone(worker: number): void;
  prepareReceive(worker: number, endpoint: number, count: number): number;
  decapsulate(worker: number, endpoint: number, first: number, received: number, now: number): number;
  receiveFrames(worker: number, socket: number, count: number): number;
  sendFrames(socket: number, headers: number, count: number): number;
  layWrites(worker: number): number;
  singleWrite(worker: number, write: number, after: number): number;
  writeFailed(worker: number, write: number): void;
  deliveryFailed(worker: number): void;
  deliveriesDone(worker: number, now: number): number;
  expire(worker: number, now: number, drained: number): void;
  nextDeadline(worker: number): number;
  startRound(worker: number, drained: number): void;
  passBatchEnd(worker: number, drained: boolean): void;
  fillPool(): void;
  initialiseWorker(index: number, timers: number): void;
  recoverWorker(index: number, timers: number): number;
  returnBuffers(index: number): number;
  emptySession(worker: number, session: number): number;
  tableInsert(form: number, reference: number, value: number): void;
  tableReplace(form: number, reference: number, value: number): number;
  tableFind(form: number, reference: number): number;
  tableMove(form: number, reference: number, address: number, bits: number): void;
  findSession(family: number, at: number): number;
  pickMany(worker: number, group: number, length: number, picks: number): number;
  readFlowKey(worker: number, family: number, at: number, total: number): void;
  pinFlow(bid: number, now: number): void;
}

/** Compiles build/release.wasm (or build/debug.wasm). Throws NO_HOT_PATH if it was not built. */
export async function compileHotPath(build: 'release' | 'debug' = 'release'): Promise<WebAssembly.Module> {
  const file = new URL(import.meta.resolve(`#wasm/${build}.wasm`));
  try {
    return await WebAssembly.compile(await readFile(file));
  } catch (error) {
    throw new TunloomError('NO_HOT_PATH', `cannot load ${file.pathname}: run \`npm run build:wasm\``, {
      cause: error,
    });
  }
}

/** Binds the module to a shared memory; instantiating it writes nothing there. */
export function instantiateHotPath(module: WebAssembly.Module, memory: WebAssembly.Memory): HotPath {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as HotPath;
}
