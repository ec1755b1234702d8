/**
 * One end of the simulated tunnel: the tables, the hot path and the resequencer of a daemon (the same WASM module), without threads
 * and devices, and with the simulator's clock. Packets are collected for a moment, as a worker's loop does, and go through
 * the module in batches; what comes out is handed on at once.
 */
import * as L from '../../assembly/layout.ts';
import { readDrops, readResequencer, sumWorkerCounters } from '../dataplane/counters.ts';
import { DROP_NAMES } from '../dataplane/drop-reasons.ts';
import { EndpointRegistry } from '../dataplane/endpoints.ts';
import { GracePeriods } from '../dataplane/grace.ts';
import { DataplaneMemory } from '../dataplane/memory.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import { SessionStore } from '../dataplane/session-store.ts';
import type { ResequencerStatus } from '../dataplane/status.ts';
import { type HotPath, instantiateHotPath } from '../dataplane/wasm.ts';
import { BufferSupply } from './buffer-supply.ts';
import type { EventLoop } from './event-loop.ts';
import type { Link } from './link.ts';
import type { Random } from './random.ts';
import { SESSION } from './tunnel-session.ts';

/** What happens with the packets that come out. */
export interface EndPorts {
  /** An outer packet of `length` octets for path `path`; its first words are at `words[at]`. */
  transmit(path: number, words: Int32Array, at: number, length: number): void;
  /** An inner packet came out of a path, before the resequencer saw it. */
  arrived(tag: number): void;
  /** The inner packet leaves the tunnel. */
  delivered(tag: number): void;
  /** All that leaves it at this moment has left. */
  burstOver(): void;
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
/** Reasons of the encapsulating side (docs/drops.md) that packets of the simulator can meet. */
const SENDER_DROPS: ReadonlySet<string> = new Set(
  [L.DROP_NO_PATH, L.DROP_TOO_BIG, L.DROP_NO_BUFFER].map((reason) => DROP_NAMES[reason]!),
);
/** Smallest inner packet that has room for the tag. */
export const SMALLEST_PACKET = 28;
/** Virtual time starts here for the module, to which a time of 0 means "never". */
const EPOCH_US = 1_000_000;
/** Second word of an IPv4 header, little-endian. */
const DONT_FRAGMENT = 0x40 << 16;
/** Room for a packet of 1500 octets; an odd number of cache lines, so that buffers do not compete for the same places in the cache. */
const BUFFER_SIZE = 27 * 64;
/** So many buffers are made ready for packets at a time: a call for each packet would take long, many are bad for the cache. */
const READY = 16;
/** Schedules begin at one of so many positions: all periods are far shorter. */
const PHASES = 1 << 20;

/** Arrays are written over and never cut, which would give their memory back. */
interface WaitingPackets {
  count: number;
  readonly tags: number[];
  readonly sizes: number[];
  readonly headers: FlowHeader[];
}

export class End {
  readonly memory: DataplaneMemory;
  readonly #sessions: SessionStore;
  readonly #grace: GracePeriods;
  readonly #wasm: BatchCalls;
  readonly #supply: BufferSupply;
  readonly #loop: EventLoop;
  /** By which packets come, by path. */
  readonly #links: readonly Link[];
  /** When the first of each link's packets arrives. */
  readonly #arrivals: Float64Array;
  readonly #ports: EndPorts;
  readonly #number: number;
  readonly #timer: number;
  readonly #worker: number;
  readonly #places: WorkerPlaces;
  readonly #batch: number;
  /** Buffers that are ready for packets: those from `#nextReady` up to `#ready`. */
  #ready = 0;
  #nextReady = 0;
  /** Inner packets that wait for the next batch; and, while that goes out, those for the one after it. */
  #waiting: WaitingPackets = { count: 0, tags: [], sizes: [], headers: [] };
  #spare: WaitingPackets = { count: 0, tags: [], sizes: [], headers: [] };
  /** When the next batch is worked off because of what the TUN gave, and in all: also because of what arrives. */
  #sendDue = Infinity;
  #due = Infinity;

  /**
   * `chance` draws what is arbitrary in a daemon that has been running for a while: how flows are hashed, and where schedules stand.
   * `batch`: nanoseconds for which packets are collected before they are worked off.
   */
  constructor(
    role: 'mag' | 'lma',
    chance: Random,
    module: WebAssembly.Module,
    session: SessionSpec,
    loop: EventLoop,
    links: readonly Link[],
    ports: EndPorts,
    batch: number,
  ) {
    this.#loop = loop;
    this.#links = links;
    this.#ports = ports;
    this.#batch = batch;
    this.memory = new DataplaneMemory({
      workers: 1,
      sessions: 64,
      paths: 64,
      // What the window holds at most, and what batches and the stack of free ones have in hand.
      buffers: session.resequencer.window + 1024,
      bufferSize: BUFFER_SIZE,
      heap: 4 << 20,
      supers: false,
    });
    this.memory.u64[(L.CONTROL + L.CONTROL_HASH_SEED) / 8] =
      (BigInt(chance.word()) << 32n) | BigInt(chance.word());
    this.memory.setControl(L.CONTROL_ROLE, role === 'mag' ? L.ROLE_MAG : L.ROLE_LMA);
    this.memory.bytes.set([192, 0, 0, 8], L.CONTROL + L.CONTROL_ICMP_SOURCE4);
    const wasm = instantiateHotPath(module, this.memory.memory);
    this.#supply = new BufferSupply(this.memory, wasm.fillPool);
    for (let region = 0; region <= 1; region++) wasm.initialiseWorker(region, this.memory.timers[region]!);
    this.#worker = wasm.workerAddress(0);
    this.#places = workerPlaces(this.#worker);
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
    this.#beginAt(Math.floor(chance.fraction() * PHASES));
    this.#number = loop.register((now) => this.#run(now));
    this.#timer = loop.register((now) => this.#expire(now));
    this.#arrivals = new Float64Array(links.length);
    links.forEach((link, path) => link.connect(this.#arrivals, path, () => this.#appoint()));
  }

  /** As if `tickets` packets had been distributed before. */
  #beginAt(tickets: number): void {
    const { u32, u64 } = this.memory;
    const config = u32[(this.memory.session(0) + L.SESSION_CONFIG) / 4]!;
    u64[(config + L.CONFIG_ORIGIN) / 8] = BigInt.asUintN(64, -BigInt(tickets));
    const group = u32[(config + L.CONFIG_GROUP) / 4]!;
    if (group) u64[(group + L.GROUP_TICKET) / 8] = BigInt(tickets);
  }

  /** Hands an inner packet of `size` octets to the TUN; it goes out with the next batch. */
  send(tag: number, size: number, header: FlowHeader): void {
    const waiting = this.#waiting;
    waiting.tags[waiting.count] = tag;
    waiting.sizes[waiting.count] = size;
    waiting.headers[waiting.count++] = header;
    if (this.#sendDue !== Infinity) return;
    this.#sendDue = this.#loop.now + this.#batch;
    if (this.#sendDue < this.#due) this.#appoint();
  }

  /** Changes the session as the control plane would, between two batches. */
  change(change: (sessions: SessionStore) => void): void {
    change(this.#sessions);
    this.#grace.collect();
  }

  /** A probe came over a path: who delivers nothing is alive, so that gaps are not proven to be losses. Workers note that by themselves. */
  noteProbe(bid: number, now: number): void {
    const { number } = this.#sessions.installed(SESSION, bid)!;
    this.memory.u64[(this.memory.path(number) + L.PATH_RX_PROBED) / 8] = BigInt(nodeTime(now));
  }

  /** By reason: what it dropped of what it was given to send. */
  get senderDrops(): Record<string, number> {
    return this.#drops((reason) => SENDER_DROPS.has(reason));
  }

  /** The same of what came over the links. */
  get receiverDrops(): Record<string, number> {
    return this.#drops((reason) => !SENDER_DROPS.has(reason));
  }

  #drops(counts: (reason: string) => boolean): Record<string, number> {
    return Object.fromEntries(Object.entries(readDrops(this.memory)).filter(([reason]) => counts(reason)));
  }

  /** Packets for which the scheduler named no path of the group. */
  get picksRefused(): number {
    return sumWorkerCounters(this.memory, L.COUNTER_PICK_REFUSED);
  }

  get resequencer(): ResequencerStatus {
    return readResequencer(this.memory, this.memory.session(0));
  }

  /** Packets in the resequencer now. */
  get held(): number {
    return this.memory.i32[(this.memory.session(0) + L.SESSION_HELD) / 4]!;
  }

  #run(now: number): void {
    this.#sendDue = Infinity;
    const arrivals = this.#arrivals;
    for (let path = 0; path < arrivals.length; path++) {
      while (arrivals[path]! <= now) this.#decapsulate(path, now);
    }
    if (this.#waiting.count) this.#encapsulate(now);
    this.#appoint();
    this.#setTimer();
  }

  /** A batch is worked off a moment after the first of its packets came. */
  #appoint(): void {
    const arrivals = this.#arrivals;
    let arrival = Infinity;
    for (let path = 0; path < arrivals.length; path++) {
      if (arrivals[path]! < arrival) arrival = arrivals[path]!;
    }
    this.#due = Math.min(this.#sendDue, arrival + this.#batch);
    this.#loop.at(this.#number, this.#due);
  }

  #encapsulate(now: number): void {
    const { i32, u32 } = this.memory;
    const { receiveBuffers } = this.#places;
    const worker = this.#worker;
    const waiting = this.#waiting;
    const { tags, sizes, headers } = waiting;
    // Whatever is delivered here answers into the other one.
    this.#waiting = this.#spare;
    const time = nodeTime(now);
    for (let start = 0; start < waiting.count; start += L.BATCH) {
      const count = Math.min(L.BATCH, waiting.count - start);
      const first = this.#prepare(count);
      for (let i = 0; i < count; i++) {
        const size = sizes[start + i]!;
        const at = (u32[receiveBuffers + first + i]! + L.BUFFER_PACKET) >>> 2;
        writeHeader(i32, at, headers[start + i]!, size, tags[start + i]!);
        this.#setLength(first + i, size);
      }
      for (let done = first; done < first + count;) {
        done = this.#wasm.encapsulate(worker, done, first + count, time, 0);
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
    const { sendCount, sendAddresses, sendLengths, sendPaths } = this.#places;
    const count = u32[sendCount]!;
    for (let i = 0; i < count; i++) {
      const path = u32[(u32[sendPaths + i]! + L.PATH_ENDPOINT) >>> 2]!;
      this.#ports.transmit(path, i32, u32[sendAddresses + i]! >>> 2, u32[sendLengths + i]!);
    }
  }

  /** A batch of what has arrived over path number `path`. */
  #decapsulate(path: number, now: number): void {
    const link = this.#links[path]!;
    const count = link.arrivedBy(now, L.BATCH);
    const { i32, u32 } = this.memory;
    const { receiveBuffers } = this.#places;
    const worker = this.#worker;
    const time = nodeTime(now);
    const first = this.#prepare(count);
    for (let i = first; i < first + count; i++) {
      const at = (u32[receiveBuffers + i]! + L.BUFFER_PACKET) >>> 2;
      this.#setLength(i, link.take(i32, at));
      this.#ports.arrived(tagOf(i32, at));
    }
    for (let done = first; done < first + count;) {
      done = this.#wasm.decapsulate(worker, path, done, first + count, time);
      this.#deliver(time);
    }
  }

  /** Makes `count` buffers ready and gives the place of the first: the pool has more than can be in use. */
  #prepare(count: number): number {
    if (this.#nextReady + count > this.#ready) {
      this.#supply.replenish();
      this.#ready = this.#wasm.prepareReceive(this.#worker, -1, Math.max(count, READY));
      this.#nextReady = 0;
    }
    const first = this.#nextReady;
    this.#nextReady += count;
    return first;
  }

  #setLength(i: number, length: number): void {
    const { u32 } = this.memory;
    const header = this.#places.receiveHeaders + i * (L.MMSGHDR_SIZE / 4);
    u32[header + L.MMSGHDR_LEN / 4] = length;
    u32[header + L.MMSGHDR_CONTROLLEN / 4] = 0;
  }

  #deliver(time: number): void {
    const { i32, u32 } = this.memory;
    const { deliverCount, heldCount, deliverIovecs } = this.#places;
    const worker = this.#worker;
    // Neither packets nor a session whose lock is to be let go: nothing to do.
    if (!u32[deliverCount] && !u32[heldCount]) return;
    do {
      const count = u32[deliverCount]!;
      for (let i = 0; i < count; i++) {
        const at = u32[deliverIovecs + i * (L.IOVEC_SIZE / 4)]! >>> 2;
        this.#ports.delivered(i32[at + TAG_WORD]!);
      }
    } while (this.#wasm.deliveriesDone(worker, time));
    this.#ports.burstOver();
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
    if (!this.memory.u32[this.#places.timerCount]) return Infinity;
    const deadline = this.#wasm.nextDeadline(this.#worker);
    return deadline ? (deadline - EPOCH_US) * 1000 : Infinity;
  }
}

/** The tag of the inner packet in the outer one at `words[at]`. */
export function tagOf(words: Int32Array, at: number): number {
  // Behind IPv4 and GRE with key; the sequence number, if the S bit is set (RFC 2890 §2), is a word more.
  const inner = words[at + GRE_WORD]! & GRE_SEQUENCE ? 8 : 7;
  return words[at + inner + TAG_WORD]!;
}

type WorkerPlaces = ReturnType<typeof workerPlaces>;

/** Where the fields of a worker's region are as indices of words, worked out once: dividing for every packet would take long. */
function workerPlaces(worker: number) {
  return {
    receiveBuffers: (worker + L.WORKER_RECEIVE_BUFFERS) / 4,
    receiveHeaders: (worker + L.WORKER_RECEIVE_HEADERS) / 4,
    sendCount: (worker + L.WORKER_SEND_COUNT) / 4,
    sendAddresses: (worker + L.WORKER_SEND_ADDRESSES) / 4,
    sendLengths: (worker + L.WORKER_SEND_LENGTHS) / 4,
    sendPaths: (worker + L.WORKER_SEND_PATHS) / 4,
    deliverCount: (worker + L.WORKER_DELIVER_COUNT) / 4,
    deliverIovecs: (worker + L.WORKER_DELIVER_IOVECS) / 4,
    heldCount: (worker + L.WORKER_HELD_COUNT) / 4,
    timerCount: (worker + L.WORKER_TIMER_COUNT) / 4,
  };
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

/** Microseconds of the module's clock. */
export function nodeTime(now: number): number {
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
