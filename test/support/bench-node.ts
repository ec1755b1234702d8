/**
 * One end of a data plane without threads and devices: the real tables and the real hot path, driven by hand with
 * whole outer packets (MODE_WHOLE) and a clock of the test's own.
 */
import * as L from '../../assembly/layout.ts';
import { readDrops, readResequencer } from '../../src/dataplane/counters.ts';
import { EndpointRegistry } from '../../src/dataplane/endpoints.ts';
import { GracePeriods } from '../../src/dataplane/grace.ts';
import { DataplaneMemory, type MemorySizes } from '../../src/dataplane/memory.ts';
import type { SessionSpec } from '../../src/dataplane/session-spec.ts';
import { SessionStore } from '../../src/dataplane/session-store.ts';
import type { ResequencerStatus } from '../../src/dataplane/status.ts';
import { type HotPath, compileHotPath, instantiateHotPath } from '../../src/dataplane/wasm.ts';

/** An outer packet and the path (endpoint) that it left by. */
export interface SentPacket {
  readonly endpoint: number;
  readonly bytes: Uint8Array;
}

const SIZES: MemorySizes = {
  workers: 1,
  sessions: 64,
  paths: 256,
  buffers: 2048,
  bufferSize: 2048,
  heap: 16 << 20,
  supers: true,
};

const module = await compileHotPath();

export class BenchNode {
  readonly memory: DataplaneMemory;
  readonly wasm: HotPath;
  readonly sessions: SessionStore;
  readonly grace: GracePeriods;
  readonly worker: number;
  now = 1_000_000;

  constructor(role: 'mag' | 'lma', sizes: Partial<MemorySizes> = {}) {
    this.memory = new DataplaneMemory({ ...SIZES, ...sizes });
    this.memory.setControl(L.CONTROL_ROLE, role === 'mag' ? L.ROLE_MAG : L.ROLE_LMA);
    this.memory.bytes.set([192, 0, 0, 8], L.CONTROL + L.CONTROL_ICMP_SOURCE4);
    this.memory.bytes.set([0x20, 0x01, 0x0d, 0xb8], L.CONTROL + L.CONTROL_ICMP_SOURCE6);
    this.wasm = instantiateHotPath(module, this.memory.memory);
    this.wasm.fillPool();
    for (let region = 0; region <= this.memory.sizes.workers; region++) {
      this.wasm.initialiseWorker(region, this.memory.timers[region]!);
    }
    this.worker = this.wasm.workerAddress(0);
    this.grace = new GracePeriods(this.memory, () => false);
    const endpoints = new EndpointRegistry(
      this.memory,
      {
        mode: () => L.MODE_WHOLE,
        offload: () => 0,
        open: (_, workers) =>
          Array.from({ length: workers }, () => ({ kind: 'memory' as const, receive: null, send: null })),
        close: () => {},
      },
      () => {},
    );
    this.sessions = new SessionStore(this.memory, this.wasm, this.grace, endpoints);
  }

  add(...sessions: SessionSpec[]): this {
    for (const session of sessions) this.sessions.add(session);
    return this;
  }

  /** Feeds inner packets from the TUN; gives what is sent on paths, in order, and what goes back into the TUN. */
  encapsulate(packets: readonly Uint8Array[]): { sent: SentPacket[]; delivered: Uint8Array[] } {
    const sent: SentPacket[] = [];
    const delivered: Uint8Array[] = [];
    for (let start = 0; start < packets.length; start += L.BATCH) {
      const batch = packets.slice(start, start + L.BATCH);
      this.#load(batch);
      let done = 0;
      while (done < batch.length) {
        done = this.wasm.encapsulate(this.worker, done, batch.length, this.now);
        sent.push(...this.#sent());
        this.wasm.sendsDone(this.worker);
        delivered.push(...this.deliveries());
      }
    }
    return { sent, delivered };
  }

  /** Feeds outer packets that endpoint `endpoint` received, as one batch each 64; gives what the TUN gets. */
  decapsulate(endpoint: number, packets: readonly Uint8Array[]): Uint8Array[] {
    const delivered: Uint8Array[] = [];
    for (let start = 0; start < packets.length; start += L.BATCH) {
      const batch = packets.slice(start, start + L.BATCH);
      this.#load(batch);
      let done = 0;
      while (done < batch.length) {
        done = this.wasm.decapsulate(this.worker, endpoint, done, batch.length, this.now);
        delivered.push(...this.deliveries());
      }
    }
    return delivered;
  }

  /** Lets time pass up to `to`, serving deadlines as a worker would; gives what the TUN gets. */
  advance(to: number): Uint8Array[] {
    const delivered: Uint8Array[] = [];
    for (;;) {
      const deadline = this.wasm.nextDeadline(this.worker);
      if (!deadline || deadline > to) break;
      this.now = Math.max(this.now, deadline);
      this.wasm.expire(this.worker, this.now, this.now);
      const more = this.deliveries();
      delivered.push(...more);
      if (!more.length && this.wasm.nextDeadline(this.worker) === deadline) break;
    }
    this.now = to;
    return delivered;
  }

  /** The delivery list, as a worker writes it to the TUN. */
  deliveries(): Uint8Array[] {
    const delivered: Uint8Array[] = [];
    do {
      const count = this.memory.u32[(this.worker + L.WORKER_DELIVER_COUNT) / 4]!;
      for (let i = 0; i < count; i++) {
        delivered.push(this.#iovec(this.worker + L.WORKER_DELIVER_IOVECS + i * L.IOVEC_SIZE));
      }
    } while (this.wasm.deliveriesDone(this.worker, this.now));
    return delivered;
  }

  get drops(): Record<string, number> {
    return readDrops(this.memory);
  }

  resequencer(index = 0): ResequencerStatus {
    return readResequencer(this.memory, this.memory.session(index));
  }

  #load(batch: readonly Uint8Array[]): void {
    const room = this.wasm.prepareReceive(this.worker, -1, L.BATCH);
    if (room < batch.length) throw new Error(`only ${room} buffers for ${batch.length} packets`);
    batch.forEach((packet, i) => {
      const header = this.worker + L.WORKER_RECEIVE_HEADERS + i * L.MMSGHDR_SIZE;
      const buffer = this.memory.u32[(this.worker + L.WORKER_RECEIVE_BUFFERS) / 4 + i]!;
      this.memory.bytes.set(packet, buffer + L.BUFFER_PACKET);
      this.memory.u32[(header + L.MMSGHDR_LEN) / 4] = packet.length;
      this.memory.u32[(header + L.MMSGHDR_CONTROLLEN) / 4] = 0;
    });
  }

  #sent(): SentPacket[] {
    const groups = this.memory.u32[(this.worker + L.WORKER_GROUP_COUNT) / 4]!;
    const inOrder: SentPacket[] = [];
    for (let group = 0; group < groups; group++) {
      const at = (this.worker + L.WORKER_GROUPS + group * L.GROUP_STRIDE) / 4;
      const [endpoint, first, count] = this.memory.u32.subarray(at, at + 3) as unknown as [
        number,
        number,
        number,
      ];
      for (let message = first; message < first + count; message++) {
        const start = this.memory.u32[(this.worker + L.WORKER_MESSAGE_FIRST) / 4 + message]!;
        const packets = this.memory.u32[(this.worker + L.WORKER_MESSAGE_PACKETS) / 4 + message]!;
        for (let place = start; place < start + packets; place++) {
          const made = this.memory.u32[(this.worker + L.WORKER_SEND_ORDER) / 4 + place]!;
          const bytes = this.#iovec(this.worker + L.WORKER_SEND_IOVECS + place * L.IOVEC_SIZE);
          inOrder[made] = { endpoint, bytes };
        }
      }
    }
    return inOrder;
  }

  #iovec(at: number): Uint8Array {
    const address = this.memory.u32[at / 4]!;
    const length = this.memory.u32[at / 4 + 2]!;
    return this.memory.bytes.slice(address, address + length);
  }
}
