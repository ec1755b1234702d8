/**
 * One end of the simulated tunnel: the tables, the hot path and the resequencer of a daemon (the same WASM module), without threads
 * and devices, and with the simulator's clock. Packets are collected for a moment, as a worker's loop does, and go through
 * the module in batches; what comes out is handed on at once.
 */
import * as L from '../../assembly/layout.ts';
import { readDrops, readResequencer } from '../dataplane/counters.ts';
import { EndpointRegistry } from '../dataplane/endpoints.ts';
import { GracePeriods } from '../dataplane/grace.ts';
import { DataplaneMemory } from '../dataplane/memory.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import { SessionStore } from '../dataplane/session-store.ts';
import type { ResequencerStatus } from '../dataplane/status.ts';
import { type HotPath, instantiateHotPath } from '../dataplane/wasm.ts';
import type { Actor, EventLoop } from './event-loop.ts';
import { WORDS, copyWords } from './link.ts';
import type { PacketStore } from './packet-store.ts';

/** What happens with the packets that come out. */
export interface EndPorts {
  /** An outer packet of `length` octets for path `path`; its first WORDS words are at `words[at]`. */
  transmit(path: number, words: Int32Array, at: number, length: number): void;
  /** An inner packet came out of path `path`, before the resequencer saw it. */
  arrived(path: number, tag: number): void;
  /** The inner packet leaves the tunnel. */
  delivered(tag: number): void;
}

/** Addresses and ports of a flow, and its DSCP as the octet in the header. */
export interface FlowFields {
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tos: number;
}

/** The same as the little-endian words of its packets' headers, and as what of their checksum is known beforehand. */
export interface FlowHeader {
  readonly version: number;
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
  readonly ports: number;
  readonly sum: number;
}

/** Word of the inner packet that holds the tag: behind 20 octets of IPv4 and the ports. */
const TAG_WORD = 6;
/** Word of the outer packet that begins with the GRE flags, and the S bit in its first octet. */
const GRE_WORD = 5;
const GRE_SEQUENCE = 0x10;
/** Smallest inner packet that has room for the tag. */
export const SMALLEST_PACKET = 28;
/** Virtual time starts here for the module, to which a time of 0 means "never". */
const EPOCH_US = 1_000_000;
/** Second word of an IPv4 header, little-endian. */
const DONT_FRAGMENT = 0x40 << 16;
const HASH_SEED = 0x7475_6e6c_6f6f_6d31n;

/** Arrays are written over and never cut, which would give their memory back. */
interface WaitingPackets {
  count: number;
  readonly tags: number[];
  readonly headers: FlowHeader[];
}

export class End implements Actor {
  readonly memory: DataplaneMemory;
  readonly #sessions: SessionStore;
  readonly #grace: GracePeriods;
  readonly #wasm: BatchCalls;
  readonly #loop: EventLoop;
  readonly #store: PacketStore;
  readonly #ports: EndPorts;
  readonly #number: number;
  readonly #timer: number;
  readonly #worker: number;
  readonly #batch: number;
  /** Inner packets that wait for the next batch; and, while that goes out, those for the one after it. */
  #waiting: WaitingPackets = { count: 0, tags: [], headers: [] };
  #spare: WaitingPackets = { count: 0, tags: [], headers: [] };
  /** Outer packets that wait, by path: lengths, and words. */
  readonly #received: readonly { count: number; words: Int32Array; lengths: Int32Array }[] = [];
  #pending = false;

  /** `batch`: nanoseconds for which packets are collected before they are worked off. */
  constructor(
    role: 'mag' | 'lma',
    module: WebAssembly.Module,
    session: SessionSpec,
    loop: EventLoop,
    store: PacketStore,
    ports: EndPorts,
    batch: number,
  ) {
    this.#loop = loop;
    this.#store = store;
    this.#ports = ports;
    this.#batch = batch;
    this.memory = new DataplaneMemory({
      workers: 1,
      sessions: 64,
      paths: 64,
      // What the window holds at most, and what a batch has in hand.
      buffers: session.resequencer.window + 4096,
      bufferSize: 2048,
      heap: 4 << 20,
      supers: false,
    });
    this.memory.u64[(L.CONTROL + L.CONTROL_HASH_SEED) / 8] = HASH_SEED;
    this.memory.setControl(L.CONTROL_ROLE, role === 'mag' ? L.ROLE_MAG : L.ROLE_LMA);
    this.memory.bytes.set([192, 0, 0, 8], L.CONTROL + L.CONTROL_ICMP_SOURCE4);
    const wasm = instantiateHotPath(module, this.memory.memory);
    wasm.fillPool();
    for (let region = 0; region <= 1; region++) wasm.initialiseWorker(region, this.memory.timers[region]!);
    this.#worker = wasm.workerAddress(0);
    this.#wasm = batchCalls(wasm);
    const endpoints = new EndpointRegistry(
      this.memory,
      {
        mode: () => L.MODE_WHOLE,
        offload: () => 0,
        open: () => [{ kind: 'memory', receive: null, send: null }],
        close: () => {},
      },
      () => {},
    );
    this.#grace = new GracePeriods(this.memory, () => false);
    this.#sessions = new SessionStore(this.memory, wasm, this.#grace, endpoints);
    this.#sessions.add(session);
    this.#received = session.paths.map(() => ({
      count: 0,
      words: new Int32Array(L.BATCH * WORDS),
      lengths: new Int32Array(L.BATCH),
    }));
    this.#number = loop.register(this);
    this.#timer = loop.register({ run: (now) => this.#expire(now) });
  }

  /** Hands an inner packet to the TUN; it goes out with the next batch. */
  send(tag: number, header: FlowHeader): void {
    const waiting = this.#waiting;
    waiting.tags[waiting.count] = tag;
    waiting.headers[waiting.count++] = header;
    this.#await();
  }

  /** Hands over an outer packet that path `path` brought. */
  receive(path: number, words: Int32Array, at: number, length: number): void {
    const queue = this.#received[path]!;
    if (queue.count === L.BATCH) this.#decapsulate(path, this.#loop.now);
    copyWords(words, at, queue.words, queue.count * WORDS);
    queue.lengths[queue.count++] = length;
    this.#await();
  }

  /** Changes the session as the control plane would, between two batches. */
  change(change: (sessions: SessionStore) => void): void {
    change(this.#sessions);
    this.#grace.collect();
  }

  get drops(): Record<string, number> {
    return readDrops(this.memory);
  }

  get resequencer(): ResequencerStatus {
    return readResequencer(this.memory, this.memory.session(0));
  }

  /** Packets in the resequencer now. */
  get held(): number {
    return this.memory.i32[(this.memory.session(0) + L.SESSION_HELD) / 4]!;
  }

  run(now: number): void {
    this.#pending = false;
    const received = this.#received;
    for (let path = 0; path < received.length; path++) {
      if (received[path]!.count) this.#decapsulate(path, now);
    }
    if (this.#waiting.count) this.#encapsulate(now);
    this.#setTimer();
  }

  #await(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#loop.at(this.#number, this.#loop.now + this.#batch);
  }

  #encapsulate(now: number): void {
    const { i32, u32 } = this.memory;
    const store = this.#store;
    const worker = this.#worker;
    const waiting = this.#waiting;
    const { tags, headers } = waiting;
    // Whatever is delivered here answers into the other one.
    this.#waiting = this.#spare;
    const time = nodeTime(now);
    for (let start = 0; start < waiting.count; start += L.BATCH) {
      const count = Math.min(L.BATCH, waiting.count - start);
      const ready = this.#wasm.prepareReceive(worker, -1, count);
      for (let i = 0; i < ready; i++) {
        const tag = tags[start + i]!;
        const size = store.sizes[store.find(tag)]!;
        const at = (u32[(worker + L.WORKER_RECEIVE_BUFFERS) / 4 + i]! + L.BUFFER_PACKET) / 4;
        writeHeader(i32, at, headers[start + i]!, size, tag);
        this.#setLength(i, size);
      }
      for (let done = 0; done < ready;) {
        done = this.#wasm.encapsulate(worker, done, ready, time);
        this.#transmit();
        this.#wasm.sendsDone(worker);
        this.#deliver(time);
      }
    }
    waiting.count = 0;
    this.#spare = waiting;
  }

  #transmit(): void {
    const { i32, u32 } = this.memory;
    const worker = this.#worker;
    const count = u32[(worker + L.WORKER_SEND_COUNT) / 4]!;
    for (let i = 0; i < count; i++) {
      const address = u32[(worker + L.WORKER_SEND_ADDRESSES) / 4 + i]!;
      const length = u32[(worker + L.WORKER_SEND_LENGTHS) / 4 + i]!;
      const record = u32[(worker + L.WORKER_SEND_PATHS) / 4 + i]!;
      this.#ports.transmit(u32[(record + L.PATH_ENDPOINT) / 4]!, i32, address / 4, length);
    }
  }

  #decapsulate(path: number, now: number): void {
    const { i32, u32 } = this.memory;
    const worker = this.#worker;
    const queue = this.#received[path]!;
    const { count } = queue;
    queue.count = 0;
    const time = nodeTime(now);
    const ready = this.#wasm.prepareReceive(worker, path, count);
    for (let i = 0; i < ready; i++) {
      const to = (u32[(worker + L.WORKER_RECEIVE_BUFFERS) / 4 + i]! + L.BUFFER_PACKET) / 4;
      const from = i * WORDS;
      copyWords(queue.words, from, i32, to);
      this.#setLength(i, queue.lengths[i]!);
      // Behind IPv4 and GRE with key; the sequence number, if the S bit is set (RFC 2890 §2), is a word more.
      const inner = queue.words[from + GRE_WORD]! & GRE_SEQUENCE ? 8 : 7;
      this.#ports.arrived(path, queue.words[from + inner + TAG_WORD]!);
    }
    for (let done = 0; done < ready;) {
      done = this.#wasm.decapsulate(worker, path, done, ready, time);
      this.#deliver(time);
    }
  }

  #setLength(i: number, length: number): void {
    const header = (this.#worker + L.WORKER_RECEIVE_HEADERS + i * L.MMSGHDR_SIZE) / 4;
    this.memory.u32[header + L.MMSGHDR_LEN / 4] = length;
    this.memory.u32[header + L.MMSGHDR_CONTROLLEN / 4] = 0;
  }

  #deliver(time: number): void {
    const { i32, u32 } = this.memory;
    const worker = this.#worker;
    // Neither packets nor a session whose lock is to be let go: nothing to do.
    if (!u32[(worker + L.WORKER_DELIVER_COUNT) / 4] && !u32[(worker + L.WORKER_HELD_COUNT) / 4]) return;
    do {
      const count = u32[(worker + L.WORKER_DELIVER_COUNT) / 4]!;
      for (let i = 0; i < count; i++) {
        const at = u32[(worker + L.WORKER_DELIVER_IOVECS + i * L.IOVEC_SIZE) / 4]!;
        this.#ports.delivered(i32[at / 4 + TAG_WORD]!);
      }
    } while (this.#wasm.deliveriesDone(worker, time));
  }

  #setTimer(): void {
    this.#loop.at(this.#timer, this.#deadline());
  }

  /** What has arrived has been read by now, but for what waits for the next batch, which is a few microseconds at most. */
  #expire(now: number): void {
    const time = nodeTime(now);
    this.#wasm.expire(this.#worker, time, time);
    this.#deliver(time);
    // One that could not be served yet is tried again in a microsecond.
    this.#loop.at(this.#timer, Math.max(this.#deadline(), now + 1000));
  }

  /** When the resequencer has to be looked at, Infinity if it need not be. */
  #deadline(): number {
    if (!this.memory.u32[(this.#worker + L.WORKER_TIMER_COUNT) / 4]) return Infinity;
    const deadline = this.#wasm.nextDeadline(this.#worker);
    return deadline ? (deadline - EPOCH_US) * 1000 : Infinity;
  }
}

type BatchCalls = Pick<
  HotPath,
  | 'prepareReceive'
  | 'encapsulate'
  | 'sendsDone'
  | 'decapsulate'
  | 'deliveriesDone'
  | 'expire'
  | 'nextDeadline'
>;

/** In an object of one shape: to V8 the exports of each instance have a shape of their own, and calls by them are slow. */
function batchCalls(wasm: HotPath): BatchCalls {
  const { prepareReceive, encapsulate, sendsDone, decapsulate, deliveriesDone, expire, nextDeadline } = wasm;
  return { prepareReceive, encapsulate, sendsDone, decapsulate, deliveriesDone, expire, nextDeadline };
}

function nodeTime(now: number): number {
  return EPOCH_US + Math.floor(now / 1000);
}

/** What all packets of a flow have in common: IPv4 with DF. */
export function flowHeader(fields: FlowFields): FlowHeader {
  const { protocol, source, destination, sourcePort, destinationPort, tos } = fields;
  const addresses = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff);
  return {
    version: 0x45 | (tos << 8),
    protocol: 64 | (protocol << 8),
    source: swap32(source),
    destination: swap32(destination),
    ports: swap16(sourcePort) | (swap16(destinationPort) << 16),
    sum: 0x4500 + tos + 0x4000 + 0x4000 + protocol + addresses,
  };
}

/** Headers with a right checksum, ports, tag; the rest of the packet is whatever was there. */
function writeHeader(i32: Int32Array, at: number, header: FlowHeader, size: number, tag: number): void {
  let sum = header.sum + size;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  i32[at] = header.version | (swap16(size) << 16);
  i32[at + 1] = DONT_FRAGMENT;
  i32[at + 2] = header.protocol | (swap16(sum) << 16);
  i32[at + 3] = header.source;
  i32[at + 4] = header.destination;
  i32[at + 5] = header.ports;
  i32[at + TAG_WORD] = tag;
  i32[at + 7] = 0;
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

function swap32(value: number): number {
  return (swap16(value) << 16) | swap16(value >>> 16);
}
