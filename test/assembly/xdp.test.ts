/** The rings of an AF_XDP socket, with the test in the kernel's place: nothing lost, doubled or changed, no chunk in two places. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

const EAGAIN = 11;
const EMSGSIZE = 90;
const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
/** Of a frame: the last octet of the IPv4 destination. */
const BID = L.ETHERNET_HEADER + 19;
const NEIGHBOUR = Uint8Array.of(2, 0, 0, 0, 0, 9);

const RINGS = {
  receive: { record: L.XDP_RECEIVE, place: L.XDP_RECEIVE_RING, entries: L.XDP_RECEIVE_CHUNKS, size: 16 },
  fill: { record: L.XDP_FILL, place: L.XDP_FILL_RING, entries: L.XDP_RECEIVE_CHUNKS, size: 8 },
  send: { record: L.XDP_SEND, place: L.XDP_SEND_RING, entries: L.XDP_SEND_CHUNKS, size: 16 },
  done: { record: L.XDP_DONE, place: L.XDP_DONE_RING, entries: L.XDP_SEND_CHUNKS, size: 8 },
};
type Ring = keyof typeof RINGS;

/** The kernel's side of a socket. */
class Kernel {
  readonly node: BenchNode;
  readonly socket: number;

  /** `start`: of all indices, which have 32 bits and wrap. */
  constructor(node: BenchNode, start: number, mtu = 1500) {
    this.node = node;
    this.socket = node.memory.xdp;
    const { u32, bytes } = node.memory;
    for (const { record, place } of Object.values(RINGS)) {
      const at = this.socket + place;
      u32.set([at, at + 64, at + 320], (this.socket + record) / 4);
      u32[at / 4] = u32[(at + 64) / 4] = start;
    }
    u32[(this.socket + L.XDP_MTU) / 4] = mtu;
    bytes.set(OWN, this.socket + L.XDP_ADDRESS);
    for (let i = 0; i < L.XDP_RECEIVE_CHUNKS; i++) this.#put('fill', i * L.XDP_CHUNK);
    for (let i = 0; i < L.XDP_SEND_CHUNKS; i++) {
      u32[(this.socket + L.XDP_UNUSED) / 4 + i] = (L.XDP_RECEIVE_CHUNKS + i) * L.XDP_CHUNK;
    }
    u32[(this.socket + L.XDP_UNUSED_COUNT) / 4] = L.XDP_SEND_CHUNKS;
  }

  /** A frame arrives for `endpoint`; false: no chunk is left for it. */
  arrive(endpoint: number, packet: Uint8Array): boolean {
    const chunk = this.#take('fill');
    if (chunk === null) return false;
    const offset = chunk.offset + L.XDP_HEADROOM;
    const frame = this.socket + L.XDP_CHUNKS + offset;
    const { bytes, u32 } = this.node.memory;
    u32[(frame - L.XDP_FRAME_ENDPOINT) / 4] = endpoint;
    bytes.set(OWN, frame);
    bytes.set(packet, frame + L.ETHERNET_HEADER);
    this.#put('receive', offset, packet.length + L.ETHERNET_HEADER);
    return true;
  }

  /** Up to `count` frames leave; their chunks come back. */
  depart(count: number): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let frame; frames.length < count && (frame = this.#take('send'));) {
      const at = this.socket + L.XDP_CHUNKS + frame.offset;
      frames.push(this.node.memory.bytes.slice(at, at + frame.length));
      this.#put('done', frame.offset);
    }
    return frames;
  }

  /** All chunks, wherever they are, sorted. */
  get chunks(): number[] {
    const unused = (this.socket + L.XDP_UNUSED) / 4;
    const count = this.node.memory.u32[(this.socket + L.XDP_UNUSED_COUNT) / 4]!;
    return [
      ...this.node.memory.u32.subarray(unused, unused + count),
      ...(Object.keys(RINGS) as Ring[]).flatMap((ring) => this.#held(ring)),
    ]
      .map((offset) => Math.floor(offset / L.XDP_CHUNK))
      .sort((a, b) => a - b);
  }

  #held(ring: Ring): number[] {
    const { place, entries, size } = RINGS[ring];
    const at = this.socket + place;
    const { u32 } = this.node.memory;
    const [producer, consumer] = [u32[at / 4]!, u32[(at + 64) / 4]!];
    return Array.from(
      { length: (producer - consumer) >>> 0 },
      (_, i) => u32[(at + 320 + (((consumer + i) >>> 0) % entries) * size) / 4]!,
    );
  }

  #put(ring: Ring, offset: number, length = 0): void {
    const { place, entries, size } = RINGS[ring];
    const at = this.socket + place;
    const { u32 } = this.node.memory;
    const entry = (at + 320 + (u32[at / 4]! % entries) * size) / 4;
    u32.set(size === 16 ? [offset, 0, length, 0] : [offset, 0], entry);
    u32[at / 4]!++;
  }

  #take(ring: Ring): { offset: number; length: number } | null {
    const { place, entries, size } = RINGS[ring];
    const at = this.socket + place;
    const { u32 } = this.node.memory;
    if (u32[at / 4] === u32[(at + 64) / 4]) return null;
    const entry = (at + 320 + (u32[(at + 64) / 4]! % entries) * size) / 4;
    u32[(at + 64) / 4]!++;
    return { offset: u32[entry]!, length: u32[entry + 2]! };
  }
}

const ALL_CHUNKS = Array.from({ length: L.XDP_RECEIVE_CHUNKS + L.XDP_SEND_CHUNKS }, (_, i) => i);
const session = testSession({
  paths: [testPath(1, { encapsulation: 'gre' }), testPath(2, { encapsulation: 'gre' })],
});
const numbered = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => innerPacket({ family: 4, payload: Uint8Array.of(i, i >> 8, 7) }));

/** Takes all that has arrived; what the TUN gets. */
function receiveAll({ node, socket }: Kernel, batch: number): Uint8Array[] {
  const { wasm, worker, memory } = node;
  const delivered: Uint8Array[] = [];
  for (;;) {
    const room = wasm.prepareReceive(worker, 0, batch);
    const count = wasm.receiveFrames(worker, socket, room);
    if (!count) return delivered;
    const endpoint = memory.u32[(socket + L.XDP_ENDPOINT) / 4]!;
    for (let done = 0; done < count;) {
      done = wasm.decapsulate(worker, endpoint, done, count, node.now);
      delivered.push(...node.deliveries());
    }
  }
}

test('received frames: what whole outer packets by any other device would have become, endpoint by endpoint', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: L.BATCH }),
      fc.constantFrom(0, 0xffff_fff0, 0xffff_f000),
      (bursts, batch, start) => {
        const sender = new BenchNode('mag').add(session);
        const kernel = new Kernel(new BenchNode('lma', { xdpSockets: 1 }).add(mirrored(session)), start);
        const packets = numbered(bursts.reduce((sum, burst) => sum + burst, 0));
        const { sent } = sender.encapsulate(packets);
        const delivered: Uint8Array[] = [];
        let next = 0;
        for (const burst of bursts) {
          for (const { endpoint, bytes } of sent.slice(next, next + burst)) {
            expect(kernel.arrive(endpoint, bytes)).toBe(true);
          }
          next += burst;
          delivered.push(...receiveAll(kernel, batch));
        }
        const other = new BenchNode('lma').add(mirrored(session));
        expect(delivered).toEqual(
          sent.flatMap(({ endpoint, bytes }) => other.decapsulate(endpoint, [bytes])),
        );
        expect(delivered).toHaveLength(packets.length);
        expect(kernel.node.drops).toEqual({});
        expect(kernel.chunks).toEqual(ALL_CHUNKS);
      },
    ),
    { numRuns: 30 },
  );
});

test('frames with padding, of a wrong length, with a broken header, for another address', () => {
  const sender = new BenchNode('mag').add(session);
  const kernel = new Kernel(new BenchNode('lma', { xdpSockets: 1 }).add(mirrored(session)), 0);
  const [good, ...rest] = sender.encapsulate(numbered(5)).sent.filter(({ endpoint }) => endpoint === 0);
  const change = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((octet, i) => (i === at ? octet ^ 1 : octet));
  kernel.arrive(0, Uint8Array.of(...good!.bytes, 0, 0, 0, 0));
  kernel.arrive(0, rest[0]!.bytes.slice(0, 30));
  kernel.arrive(0, change(rest[0]!.bytes, 8));
  kernel.arrive(1, rest[0]!.bytes);
  expect(receiveAll(kernel, L.BATCH)).toHaveLength(1);
  expect(kernel.node.drops).toEqual({ 'outer-truncated': 1, 'outer-checksum': 1, 'outer-destination': 1 });
  expect(kernel.chunks).toEqual(ALL_CHUNKS);
});

/** One end whose paths go by packet sockets and raw ones, and what it sends. */
function sendingNode(mtu?: number): { kernel: Kernel; plain: BenchNode } {
  const node = new BenchNode('mag', { xdpSockets: 1 }, { mode: L.MODE_RAW4, offload: 0, links: true }).add(
    session,
  );
  node.sessions.setNextHops(() => ({ index: 7, mtu: 1500, address: NEIGHBOUR }));
  return { kernel: new Kernel(node, 0xffff_ff80, mtu), plain: new BenchNode('mag').add(session) };
}

/** Lays a batch out, and puts its messages into the ring; what sendFrames() says. */
function sendBatch({ node, socket }: Kernel, packets: readonly Uint8Array[]): number {
  node.loadTun(packets);
  node.wasm.encapsulate(node.worker, 0, packets.length, node.now, 0);
  const result = node.wasm.sendFrames(socket, node.worker + L.WORKER_SEND_HEADERS, packets.length);
  node.wasm.sendsDone(node.worker);
  return result;
}

test('sent frames: Ethernet header and packet, in order; chunks come back however late, and too few stop a batch', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(L.BATCH), { minLength: 1, maxLength: 30 }), (departures) => {
      const { kernel, plain } = sendingNode();
      const header = [...NEIGHBOUR, ...OWN, 8, 0];
      const frames: Uint8Array[] = [];
      const expected: Uint8Array[] = [];
      let pending = 0;
      for (const leaving of departures) {
        const packets = numbered(60);
        // Messages are grouped by path, which is the last octet of the destination.
        const laid = plain
          .encapsulate(packets)
          .sent.map(({ bytes }) => Uint8Array.of(...header, ...bytes))
          .toSorted((a, b) => a[BID]! - b[BID]!);
        const room = L.XDP_SEND_CHUNKS - pending;
        const result = sendBatch(kernel, packets);
        expect(result).toBe(room ? Math.min(60, room) : -EAGAIN);
        expected.push(...laid.slice(0, Math.max(0, result)));
        const left = kernel.depart(leaving);
        frames.push(...left);
        pending += Math.max(0, result) - left.length;
      }
      frames.push(...kernel.depart(Infinity));
      expect(frames).toEqual(expected);
      expect(kernel.chunks).toEqual(ALL_CHUNKS);
    }),
    { numRuns: 30 },
  );
});

test('a packet that the interface does not take ends the batch before it', () => {
  const { kernel } = sendingNode(100);
  const big = innerPacket({ family: 4, payload: new Uint8Array(80) });
  const small = numbered(1)[0]!;
  // Paths take turns: places 0 and 1 are those of the first path.
  expect(sendBatch(kernel, [small, small, big])).toBe(1);
  expect(sendBatch(kernel, [big])).toBe(-EMSGSIZE);
  expect(kernel.depart(Infinity)).toHaveLength(1);
  expect(kernel.chunks).toEqual(ALL_CHUNKS);
});
