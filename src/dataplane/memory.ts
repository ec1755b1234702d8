/**
 * The shared memory of one data plane: sizes it, lays the regions out (assembly/layout.ts has the picture), and gives
 * the control thread its views. The memory never grows: addresses are handed to the kernel.
 */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import { Heap } from './heap.ts';

/** How much of everything the memory has room for. */
export interface MemorySizes {
  readonly workers: number;
  readonly sessions: number;
  readonly paths: number;
  /** Packet buffers, rounded up to a whole number of chains. */
  readonly buffers: number;
  /** Octets of one packet buffer, a multiple of 64. */
  readonly bufferSize: number;
  /** Octets for rings, tables and schedules. */
  readonly heap: number;
  /** Room for super-packets (segmentation offload): about 5 MiB a worker, touched only as far as they are used. */
  readonly supers: boolean;
  /** AF_XDP sockets, 5 MiB each; none by default. */
  readonly xdpSockets?: number;
  /** Flows remembered in each flow table, rounded up to a power of two; 16384 by default. */
  readonly flows?: number;
}

const DEFAULT_FLOWS = 16384;
/** Pins are made by people: so many flows can be moved on purpose. */
const PINS = 1024;
const PIN_AGE_SECONDS = 300;

const PAGE = 65536;

export class DataplaneMemory {
  readonly memory: WebAssembly.Memory;
  readonly sizes: MemorySizes;
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;
  readonly heap: Heap;
  readonly sessions: number;
  readonly paths: number;
  readonly endpoints: number;
  readonly pathStats: number;
  /** Records of AF_XDP sockets (XDP_STRIDE), where there may be any; page-aligned. */
  readonly xdp: number;
  /** Regions of workers 0 .. workers - 1, then one for the control thread. */
  readonly timers: readonly number[];

  /** Throws OUT_OF_MEMORY if the sizes do not fit into 4 GiB. */
  constructor(sizes: MemorySizes) {
    const buffers = Math.ceil(sizes.buffers / L.POOL_CHAIN) * L.POOL_CHAIN;
    // An odd number of cache lines: otherwise the headers of all buffers would share a few sets of the caches.
    const bufferSize = sizes.bufferSize | 64;
    this.sizes = { ...sizes, buffers, bufferSize };
    const regions = sizes.workers + 1;
    const timerBytes = Math.ceil(sizes.sessions / 64) * 8;
    let end = L.WORKERS + regions * L.WORKER_STRIDE;
    const take = (octets: number, alignment = 64): number => {
      const address = Math.ceil(end / alignment) * alignment;
      end = address + octets;
      return address;
    };
    this.endpoints = take(L.MAX_ENDPOINTS * L.ENDPOINT_STRIDE);
    this.timers = Array.from({ length: regions }, () => take(timerBytes));
    this.pathStats = take(regions * sizes.paths * L.PATH_STAT_STRIDE);
    this.sessions = take(sizes.sessions * L.SESSION_STRIDE);
    this.paths = take(sizes.paths * L.PATH_STRIDE);
    const supers = sizes.supers
      ? Array.from({ length: sizes.workers }, () => take(L.BATCH * L.SUPER_STRIDE))
      : [];
    const pool = take(buffers * bufferSize);
    const flowTables = layFlowTables(sizes.flows ?? DEFAULT_FLOWS, take);
    this.xdp = take((sizes.xdpSockets ?? 0) * L.XDP_STRIDE, L.XDP_PAGE);
    const heap = take(sizes.heap);
    const pages = Math.ceil(end / PAGE);
    if (pages > PAGE) {
      throw new TunloomError('OUT_OF_MEMORY', `memory: ${end} octets wanted, at most 4 GiB possible`);
    }
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const buffer = this.memory.buffer;
    this.bytes = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
    this.heap = new Heap(this.bytes, heap, end);

    this.setControl(L.CONTROL_SESSIONS, this.sessions);
    this.setControl(L.CONTROL_SESSION_CAPACITY, sizes.sessions);
    this.setControl(L.CONTROL_PATHS, this.paths);
    this.setControl(L.CONTROL_PATH_CAPACITY, sizes.paths);
    this.setControl(L.CONTROL_BUFFERS, pool);
    this.setControl(L.CONTROL_BUFFER_COUNT, buffers);
    this.setControl(L.CONTROL_BUFFER_SIZE, bufferSize);
    this.setControl(L.CONTROL_WORKER_COUNT, sizes.workers);
    this.setControl(L.CONTROL_ENDPOINTS, this.endpoints);
    this.setControl(L.CONTROL_PATH_STATS, this.pathStats);
    for (const [field, reference] of flowTables) this.u64[(L.CONTROL + field) / 8] = reference;
    this.setControl(L.CONTROL_PIN_AGE, (PIN_AGE_SECONDS * 1e6) >>> L.FLOW_TICK_SHIFT);
    supers.forEach((address, worker) => {
      this.u32[(this.workerRegion(worker) + L.WORKER_SUPERS) / 4] = address;
    });
    this.u64[(L.CONTROL + L.CONTROL_HASH_SEED) / 8] = crypto.getRandomValues(new BigUint64Array(1))[0]!;
  }

  /** Sets a u32 of the control block with an atomic store. */
  setControl(field: number, value: number): void {
    Atomics.store(this.u32, (L.CONTROL + field) / 4, value);
  }

  /** Reads a u32 of the control block. */
  control(field: number): number {
    return Atomics.load(this.u32, (L.CONTROL + field) / 4);
  }

  /** Reads a u64 counter as a number. */
  counter(address: number): number {
    return Number(this.u64[address / 8]);
  }

  /** Absolute address of the memory, 0 with in-memory devices. */
  get hostBase(): number {
    return this.counter(L.CONTROL + L.CONTROL_HOST_BASE);
  }

  workerRegion(index: number): number {
    return L.WORKERS + index * L.WORKER_STRIDE;
  }

  session(index: number): number {
    return this.sessions + index * L.SESSION_STRIDE;
  }

  path(index: number): number {
    return this.paths + index * L.PATH_STRIDE;
  }
}

/** Control block fields and references of the flow tables. */
function layFlowTables(flows: number, take: (octets: number) => number): [number, bigint][] {
  const table = (field: number, entries: number): [number, bigint] => {
    const bits = Math.ceil(Math.log2(Math.max(entries, 256) / L.FLOW_WAYS));
    const address = take(2 ** bits * L.FLOW_WAYS * L.FLOW_ENTRY);
    return [field, (BigInt(bits) << 32n) | BigInt(address)];
  };
  return [
    table(L.CONTROL_VERDICTS, flows),
    table(L.CONTROL_FLOWLETS, flows),
    table(L.CONTROL_FRAGMENTS, flows),
    table(L.CONTROL_SMALL_FLOWS, flows),
    table(L.CONTROL_PINS, PINS),
  ];
}
