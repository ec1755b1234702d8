/**
 * One end of a data plane without threads and devices: the real tables and the real hot path, driven by hand with
 * whole outer packets (MODE_WHOLE) and a clock of the test's own.
 */
import * as L from '../../assembly/layout.ts';
import { readDrops, readResequencer } from '../../src/dataplane/counters.ts';
import { EndpointRegistry, type OpenXdp } from '../../src/dataplane/endpoints.ts';
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
  /** `messages` of the last batch that encapsulate() sent. */
  lastMessages: number[] = [];

  /** `ports`: what endpoints are and can do; whole outer packets by default. */
  constructor(
    role: 'mag' | 'lma',
    sizes: Partial<MemorySizes> = {},
    ports: { mode: number; offload: number; links?: boolean; openXdp?: OpenXdp } = {
      mode: L.MODE_WHOLE,
      offload: 0,
    },
    hotPath: WebAssembly.Module = module,
    linger: ((letGo: () => void) => void) | null = null,
  ) {
    this.memory = new DataplaneMemory({ ...SIZES, ...sizes });
    this.memory.setControl(L.CONTROL_ROLE, role === 'mag' ? L.ROLE_MAG : L.ROLE_LMA);
    this.memory.bytes.set([192, 0, 0, 8], L.CONTROL + L.CONTROL_ICMP_SOURCE4);
    this.memory.bytes.set([0x20, 0x01, 0x0d, 0xb8], L.CONTROL + L.CONTROL_ICMP_SOURCE6);
    this.wasm = instantiateHotPath(hotPath, this.memory.memory);
    this.wasm.fillPool();
    for (let region = 0; region <= this.memory.sizes.workers; region++) {
      this.wasm.initialiseWorker(region, this.memory.timers[region]!);
    }
    this.worker = this.wasm.workerAddress(0);
    this.grace = new GracePeriods(this.memory, () => false);
    const endpoints = new EndpointRegistry(
      this.memory,
      {
        mode: () => ports.mode,
        offload: () => ports.offload,
        open: (_, workers) =>
          Array.from({ length: workers }, () => ({ kind: 'memory' as const, receive: null, send: null })),
        openLinks: (workers) =>
          ports.links
            ? Array.from({ length: workers }, () => ({ kind: 'memory' as const, receive: null, send: null }))
            : null,
        openXdp: ports.openXdp ?? null,
        close: () => {},
      },
      () => {},
    );
    this.sessions = new SessionStore(this.memory, this.wasm, this.grace, endpoints, linger);
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
        done = this.wasm.encapsulate(this.worker, done, batch.length, this.now, 0);
        sent.push(...this.#sent());
        this.lastMessages = this.messages;
        this.wasm.sendsDone(this.worker);
        delivered.push(...this.deliveries());
      }
    }
    return { sent, delivered };
  }

  /** Puts up to a batch of packets where the TUN would. */
  loadTun(packets: readonly Uint8Array[]): void {
    this.#load(packets);
  }

  /** The packets of `count` messages from `first` on, in the order in which they would be sent. */
  placedPackets(first: number, count: number): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (let message = first; message < first + count; message++) {
      const start = this.memory.u32[(this.worker + L.WORKER_MESSAGE_FIRST) / 4 + message]!;
      for (let place = start; place < start + this.messages[message]!; place++) {
        packets.push(this.#iovec(this.worker + L.WORKER_SEND_IOVECS + place * L.IOVEC_SIZE));
      }
    }
    return packets;
  }

  /** Buffers in the pool and in the worker's hands that hold no packet. */
  get freeBuffers(): number {
    const { u32 } = this.memory;
    const ready = u32.subarray(
      (this.worker + L.WORKER_RECEIVE_BUFFERS) / 4,
      (this.worker + L.WORKER_RECEIVE_BUFFERS) / 4 + L.BATCH,
    );
    return (
      this.memory.control(L.CONTROL_POOL_CHAINS) * L.POOL_CHAIN +
      u32[(this.worker + L.WORKER_FREE_COUNT) / 4]! +
      ready.filter((buffer) => buffer !== 0).length
    );
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

  /** Feeds one read of a TUN with virtio_net_hdr; gives what is sent on paths, in order. */
  encapsulateSuper(vnet: Uint8Array, packet: Uint8Array): { sent: SentPacket[]; delivered: Uint8Array[] } {
    const sent: SentPacket[] = [];
    const delivered: Uint8Array[] = [];
    this.wasm.prepareReceive(this.worker, -1, 1);
    this.memory.bytes.set(vnet, this.worker + L.WORKER_RECEIVE_VNET);
    this.#scatter(packet, 3);
    while (this.wasm.encapsulate(this.worker, 0, 1, this.now, 0) === 0) {
      sent.push(...this.#sent());
      this.wasm.sendsDone(this.worker);
    }
    sent.push(...this.#sent());
    this.wasm.sendsDone(this.worker);
    delivered.push(...this.deliveries());
    return { sent, delivered };
  }

  /**
   * Feeds one message of a udp(7) socket that holds datagrams of `size` octets (UDP_GRO; 0: not merged) from `name`, a
   * struct sockaddr; `stampUs`: when the kernel received it, by CLOCK_REALTIME (SO_TIMESTAMPNS; 0: it does not say). Deliveries are left for
   * writes().
   */
  receiveMessage(
    endpoint: number,
    name: Uint8Array,
    payload: Uint8Array,
    size: number,
    tos = 0,
    stampUs = 0,
  ): void {
    this.wasm.prepareReceive(this.worker, endpoint, 1);
    this.memory.bytes.set(name, this.worker + L.WORKER_RECEIVE_NAMES);
    const header = (this.worker + L.WORKER_RECEIVE_HEADERS) / 4;
    // As the kernel writes them: SCM_TIMESTAMPNS (level 1, type 35, struct timespec), UDP_GRO (level 17, type 104, int), then IP_TOS (level 0, type 1, one octet).
    const control = new DataView(this.memory.memory.buffer, this.worker + L.WORKER_RECEIVE_CONTROLS, 96);
    let octets = 0;
    if (stampUs) {
      control.setBigUint64(0, 32n, true);
      control.setInt32(8, 1, true);
      control.setInt32(12, 35, true);
      control.setBigUint64(16, BigInt(Math.floor(stampUs / 1e6)), true);
      control.setBigUint64(24, BigInt(stampUs % 1e6) * 1000n + 999n, true);
      octets = 32;
    }
    if (size) {
      control.setBigUint64(octets, 20n, true);
      control.setInt32(octets + 8, 17, true);
      control.setInt32(octets + 12, 104, true);
      control.setInt32(octets + 16, size, true);
      octets += 24;
    }
    control.setBigUint64(octets, 17n, true);
    control.setInt32(octets + 8, 0, true);
    control.setInt32(octets + 12, 1, true);
    control.setUint8(octets + 16, tos);
    this.memory.u32[header + L.MMSGHDR_CONTROLLEN / 4] = octets + 24;
    this.#scatter(payload, 2);
    this.wasm.decapsulate(this.worker, endpoint, 0, 1, this.now);
  }

  /** Feeds what another node sent, endpoint by endpoint; deliveries are left for writes(). */
  feed(sent: readonly SentPacket[]): void {
    for (const endpoint of new Set(sent.map((packet) => packet.endpoint))) {
      const batch = sent.filter((packet) => packet.endpoint === endpoint).map((packet) => packet.bytes);
      for (let start = 0; start < batch.length; start += L.BATCH) {
        const some = batch.slice(start, start + L.BATCH);
        this.#load(some);
        this.wasm.decapsulate(this.worker, endpoint, 0, some.length, this.now);
      }
    }
  }

  /** The octets of write `write`, as far as its first `vectors` iovecs go. */
  write(write: number, vectors: number): Uint8Array {
    const first = this.memory.u32[(this.worker + L.WORKER_WRITES) / 4 + write * 2]!;
    return Uint8Array.from(
      Array.from({ length: vectors }, (_, v) => [...this.#iovec(first + v * L.IOVEC_SIZE)]).flat(),
    );
  }

  /** The writes for a TUN with virtio_net_hdr, and what has to be written after them. */
  writes(): { vnet: Uint8Array; packet: Uint8Array }[] {
    const all: { vnet: Uint8Array; packet: Uint8Array }[] = [];
    do {
      const count = this.wasm.layWrites(this.worker);
      for (let i = 0; i < count; i++) {
        const whole = this.write(i, this.memory.u32[(this.worker + L.WORKER_WRITES) / 4 + i * 2 + 1]!);
        all.push({ vnet: whole.subarray(0, L.VNET_SIZE), packet: whole.subarray(L.VNET_SIZE) });
      }
    } while (this.wasm.deliveriesDone(this.worker, this.now));
    return all;
  }

  /** Puts `packet` where the kernel would: into the packet buffer, and what does not fit into the next iovec. */
  #scatter(packet: Uint8Array, vectors: number): void {
    const header = (this.worker + L.WORKER_RECEIVE_HEADERS) / 4;
    let iovec = this.memory.u32[header + L.MMSGHDR_IOV / 4]! + (vectors - 2) * L.IOVEC_SIZE;
    if (this.memory.u32[header + L.MMSGHDR_IOVLEN / 4] !== vectors)
      throw new Error('not a place for super-packets');
    for (let done = 0; done < packet.length; iovec += L.IOVEC_SIZE) {
      const piece = packet.subarray(done, done + this.memory.u32[iovec / 4 + 2]!);
      this.memory.bytes.set(piece, this.memory.u32[iovec / 4]!);
      done += piece.length;
    }
    this.memory.u32[header + L.MMSGHDR_LEN / 4] = packet.length;
  }

  /** Messages as grouped for sendmmsg(2): packets a message. */
  get messages(): number[] {
    const count = this.memory.u32[(this.worker + L.WORKER_MESSAGE_COUNT) / 4]!;
    const at = (this.worker + L.WORKER_MESSAGE_PACKETS) / 4;
    return [...this.memory.u32.subarray(at, at + count)];
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
