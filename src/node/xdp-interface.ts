/**
 * One interface whose tunnel packets go past the kernel's stack: our program on it (src/net/xdp-program.ts), its maps, and an AF_XDP socket
 * for each of its first receive queues. The kernel takes all of that back when the descriptors are closed, also by a crash.
 */
import * as L from '../../assembly/layout.ts';
import type { DataplaneMemory } from '../dataplane/memory.ts';
import type { XdpFlow, XdpPort } from '../dataplane/endpoints.ts';
import { TunloomError } from '../errors.ts';
import { parseAddress } from '../ip.ts';
import { SystemCallError } from '../net/errno.ts';
import {
  type AttachMode,
  MapType,
  attachXdp,
  createMap,
  deleteMapEntry,
  loadXdpProgram,
  setMapEntry,
} from '../net/ebpf.ts';
import { close } from '../net/libc.ts';
import { withNetlink } from '../net/netlink.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { ENDPOINT_NUMBER, FLOW_KEY, flowKeyOf, xdpProgram } from '../net/xdp-program.ts';
import {
  type RingName,
  type XdpSocketSpec,
  closeXdpSocket,
  openXdpSocket,
  xdpDrops,
} from '../net/xdp-socket.ts';

/** Pairs of addresses of an interface; what comes between others goes through the stack. */
const FLOWS = 4096;
const EINVAL = 22;

const RINGS = {
  receive: { record: L.XDP_RECEIVE, place: L.XDP_RECEIVE_RING, entries: L.XDP_RECEIVE_CHUNKS },
  fill: { record: L.XDP_FILL, place: L.XDP_FILL_RING, entries: L.XDP_RECEIVE_CHUNKS },
  send: { record: L.XDP_SEND, place: L.XDP_SEND_RING, entries: L.XDP_SEND_CHUNKS },
  done: { record: L.XDP_DONE, place: L.XDP_DONE_RING, entries: L.XDP_SEND_CHUNKS },
} satisfies Record<RingName, unknown>;

interface OpenSocket {
  readonly fd: number;
  readonly spec: XdpSocketSpec;
}

export class XdpInterface implements XdpPort {
  readonly name: string;
  readonly #flows: number;
  readonly #owned: number[] = [];
  readonly #sockets: OpenSocket[] = [];

  /**
   * Takes over interface `index` of the namespace; `records`: addresses of records in the memory, at least one, of which as many are used
   * as the interface has queues. Throws SystemCallError, or NO_XDP if the interface is no Ethernet.
   */
  constructor(
    namespace: string | null,
    index: number,
    mode: keyof typeof AttachMode,
    memory: DataplaneMemory,
    records: readonly number[],
  ) {
    const { name, address } = linkOf(namespace, index);
    this.name = name;
    try {
      this.#flows = this.#own(createMap(MapType.HASH, FLOW_KEY, ENDPOINT_NUMBER, FLOWS));
      const sockets = this.#own(createMap(MapType.SOCKETS, 4, 4, records.length));
      const program = this.#own(loadXdpProgram(xdpProgram(address, this.#flows, sockets)));
      withNamespace(namespace, () => {
        this.#own(attachXdp(program, index, mode));
        for (const record of records) {
          if (!this.#open(index, memory, record)) break;
        }
      });
      this.#sockets.forEach(({ fd }, queue) => setMapEntry(sockets, octetsOf(queue), octetsOf(fd)));
      for (const record of records.slice(0, this.#sockets.length)) {
        memory.bytes.set(address, record + L.XDP_ADDRESS);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get fds(): readonly number[] {
    return this.#sockets.map(({ fd }) => fd);
  }

  admit(flow: XdpFlow, endpoint: number): boolean {
    try {
      setMapEntry(this.#flows, keyOf(flow), octetsOf(endpoint));
      return true;
    } catch (error) {
      // The map is full.
      if (error instanceof SystemCallError) return false;
      throw error;
    }
  }

  dismiss(flow: XdpFlow): void {
    deleteMapEntry(this.#flows, keyOf(flow));
  }

  drops(): number {
    return this.#sockets.reduce((sum, { fd }) => sum + xdpDrops(fd), 0);
  }

  close(): void {
    // The program first: what comes from now on is the stack's.
    for (const fd of this.#owned.toReversed()) close(fd);
    for (const { fd, spec } of this.#sockets) closeXdpSocket(fd, spec);
  }

  #own(fd: number): number {
    this.#owned.push(fd);
    return fd;
  }

  /** The socket of the next queue; false if the interface has no more queues. */
  #open(index: number, memory: DataplaneMemory, record: number): boolean {
    const at = memory.hostBase + record;
    const rings = Object.fromEntries(
      Object.entries(RINGS).map(([name, { place, entries }]) => [name, { address: at + place, entries }]),
    ) as XdpSocketSpec['rings'];
    const length = L.XDP_STRIDE - L.XDP_CHUNKS;
    const spec = {
      index,
      queue: this.#sockets.length,
      chunks: { address: at + L.XDP_CHUNKS, length, size: L.XDP_CHUNK },
      rings,
    };
    try {
      const { fd, parts } = openXdpSocket(spec);
      this.#sockets.push({ fd, spec });
      for (const [name, { record: field, place }] of Object.entries(RINGS)) {
        const { producer, consumer, entries } = parts[name as RingName];
        memory.u32.set(
          [producer, consumer, entries].map((part) => record + place + part),
          (record + field) / 4,
        );
      }
    } catch (error) {
      if (this.#sockets.length && error instanceof SystemCallError && error.errno === EINVAL) return false;
      throw error;
    }
    fillChunks(memory, record);
    return true;
  }
}

/** All chunks for receiving are the kernel's, all chunks for sending unused. */
function fillChunks({ u32, u64 }: DataplaneMemory, record: number): void {
  const [producer, , entries] = [L.RING_PRODUCER, L.RING_CONSUMER, L.RING_ENTRIES].map(
    (field) => u32[(record + L.XDP_FILL + field) / 4]!,
  ) as [number, number, number];
  for (let i = 0; i < L.XDP_RECEIVE_CHUNKS; i++) u64[entries / 8 + i] = BigInt(i * L.XDP_CHUNK);
  Atomics.store(u32, producer / 4, L.XDP_RECEIVE_CHUNKS);
  for (let i = 0; i < L.XDP_SEND_CHUNKS; i++) {
    u32[(record + L.XDP_UNUSED) / 4 + i] = (L.XDP_RECEIVE_CHUNKS + i) * L.XDP_CHUNK;
  }
  u32[(record + L.XDP_UNUSED_COUNT) / 4] = L.XDP_SEND_CHUNKS;
}

function linkOf(namespace: string | null, index: number): { name: string; address: Uint8Array } {
  const links = withNetlink(namespace, (netlink) => netlink.links());
  const link = links.find((each) => each.index === index);
  const address = Uint8Array.from(link?.address?.split(':') ?? [], (octet) => Number.parseInt(octet, 16));
  if (!link || address.length !== 6) throw new TunloomError('NO_XDP', `interface ${index} has no Ethernet`);
  return { name: link.name, address };
}

function keyOf({ remote, local, protocol }: XdpFlow): Uint8Array {
  return flowKeyOf(parseAddress(remote).bytes, parseAddress(local).bytes, protocol);
}

function octetsOf(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
