/** Super-packets: cut for the paths, merged for the TUN; judged by the slow segmentation of test/reference. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import {
  TCPV4,
  TCPV6,
  UDP_L4,
  type Vnet,
  checksumIsRight,
  decodeVnet,
  encodeVnet,
  segments,
  upperOffset,
} from '../reference/segmentation.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { BenchNode } from '../support/bench-node.ts';
import { slowChecksum } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';
import { type PacketFields, buildPacket } from '../support/tcp-packet.ts';

const session = testSession({
  paths: [testPath(1, { weight: 3 }), testPath(2, { weight: 2 })],
  resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
});

function withOffload(node: BenchNode): BenchNode {
  node.memory.setControl(
    L.CONTROL_TUN_OFFLOAD,
    L.TUN_OFFLOAD_VNET | L.TUN_OFFLOAD_MERGE_TCP | L.TUN_OFFLOAD_MERGE_UDP,
  );
  return node;
}

function vnetFor(fields: PacketFields, packet: Uint8Array, size: number): Vnet {
  const { offset } = upperOffset(packet);
  const type = fields.protocol === 'udp' ? UDP_L4 : fields.family === 4 ? TCPV4 : TCPV6;
  return {
    flags: 1,
    type,
    headerLength: offset,
    size,
    checksumStart: offset,
    checksumOffset: fields.protocol === 'tcp' ? 16 : 6,
  };
}

const octets = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255);

const superFields = fc.record({
  family: fc.constantFrom(4, 6),
  protocol: fc.constantFrom('tcp', 'udp'),
  flow: fc.nat(255),
  sequence: fc.nat(0xffffffff),
  flags: fc.constantFrom(0x10, 0x18, 0x19, 0x90, 0x50, 0xd9),
  options: fc.constantFrom([], [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]),
  identification: fc.nat(0xffff),
  dontFragment: fc.boolean(),
  tos: fc.constantFrom(0, 0xb8, 0x03),
  hopByHop: fc.constantFrom(undefined, [0, 0, 5, 2, 0, 0, 1, 0]),
});

describe('cutting', () => {
  test('gives what slow segmentation gives, each segment by a ticket of its own', () => {
    const mag = withOffload(new BenchNode('mag').add(session));
    const lma = new BenchNode('lma').add(mirrored(session));
    fc.assert(
      fc.property(
        superFields,
        fc.integer({ min: 1, max: 1300 }),
        fc.integer({ min: 1, max: 300 }),
        (some, size, count) => {
          const length = Math.min(size * count - (count > 1 ? count % size : 0), 60_000);
          const fields = { ...some, payload: octets(Math.max(1, length), size) } as PacketFields;
          const packet = buildPacket(fields);
          const vnet = vnetFor(fields, packet, size);
          const before = mag.sessions.status('mn1').paths.map((path) => path.txPackets);
          const { sent } = mag.encapsulateSuper(encodeVnet(vnet), packet);
          const wanted = segments(vnet, packet);
          const out: Uint8Array[] = [];
          for (const { endpoint, bytes } of sent) out.push(...lma.decapsulate(endpoint, [bytes]));
          expect(out.length).toBe(wanted.length);
          out.forEach((got, i) => expect(got).toEqual(wanted[i]));
          // 3:2 exactly, counted over everything sent so far.
          const after = mag.sessions.status('mn1').paths.map((path) => path.txPackets);
          const total = after[0]! + after[1]!;
          expect(total - before[0]! - before[1]!).toBe(wanted.length);
          expect(Math.abs(after[0]! - (total * 3) / 5)).toBeLessThan(1);
        },
      ),
      { numRuns: 300 },
    );
    expect(mag.drops).toEqual({});
    expect(lma.drops).toEqual({});
  });

  test('a partial checksum is completed (VIRTIO_NET_HDR_F_NEEDS_CSUM)', () => {
    const mag = withOffload(new BenchNode('mag').add(session));
    const lma = new BenchNode('lma').add(mirrored(session));
    const packet = buildPacket({ family: 4, protocol: 'udp', flow: 1, payload: octets(100, 1) });
    const partial = Uint8Array.from(packet);
    const pseudo = Uint8Array.from([...packet.subarray(12, 20), 0, 17, 0, 108]);
    new DataView(partial.buffer).setUint16(26, ~slowChecksum(pseudo) & 0xffff);
    const vnet: Vnet = { flags: 1, type: 0, headerLength: 0, size: 0, checksumStart: 20, checksumOffset: 6 };
    const { sent } = mag.encapsulateSuper(encodeVnet(vnet), partial);
    expect(lma.decapsulate(sent[0]!.endpoint, [sent[0]!.bytes])).toEqual([packet]);
  });

  test('segments that do not fit the tunnel are answered by ICMP, once', () => {
    const mag = withOffload(new BenchNode('mag').add(session));
    const fields: PacketFields = { family: 4, protocol: 'tcp', flow: 1, payload: octets(30_000, 1) };
    const packet = buildPacket(fields);
    const { sent, delivered } = mag.encapsulateSuper(encodeVnet(vnetFor(fields, packet, 1460)), packet);
    expect(sent).toEqual([]);
    expect(delivered).toHaveLength(1);
    expect([...delivered[0]!.subarray(20, 22)]).toEqual([3, 4]);
    expect(mag.drops).toEqual({ 'too-big': 1 });
  });

  test('200,000 bogus virtio_net_hdr: nothing wrong is sent, each read is accounted for', () => {
    const mag = withOffload(new BenchNode('mag').add(session));
    const lma = new BenchNode('lma').add(mirrored(session));
    const fields: PacketFields = { family: 4, protocol: 'tcp', flow: 1, payload: octets(4000, 3) };
    const packets = [
      buildPacket(fields),
      buildPacket({ ...fields, family: 6, protocol: 'udp' }),
      buildPacket({ ...fields, payload: octets(40, 1) }),
    ];
    let state = 0x5eed;
    const random = (limit: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % limit;
    };
    let drops = 0;
    for (let round = 0; round < 200_000; round++) {
      const packet = Uint8Array.from(packets[random(3)]!);
      if (random(3) === 0) packet[random(60)] = random(256);
      const cut = random(8) === 0 ? packet.subarray(0, random(packet.length)) : packet;
      const vnet = Uint8Array.from({ length: 10 }, () => random(256));
      vnet[0] = random(3);
      if (random(2)) vnet[1] = [0, TCPV4, TCPV6, UDP_L4][random(4)]!;
      if (random(2)) vnet.set([random(256), random(6)], 4);
      const { sent } = mag.encapsulateSuper(vnet, cut);
      if (round % 100 === 0) {
        for (const { endpoint, bytes } of sent) {
          for (const inner of lma.decapsulate(endpoint, [bytes]))
            expect(inner.length).toBeLessThanOrEqual(1456);
        }
      }
      const after = Object.values(mag.drops).reduce((sum, n) => sum + n, 0);
      expect(sent.length > 0 || after > drops, `round ${round}`).toBe(true);
      drops = after;
    }
    expect(mag.drops['vnet-malformed']).toBeGreaterThan(1000);
  });
});

describe('merging', () => {
  test('every write, segmented, gives the delivered packets; no flow changes its order', () => {
    const lma = withOffload(new BenchNode('lma').add(mirrored(session)));
    const mag = new BenchNode('mag').add(session);
    const next = new Map<string, number>();
    const runs = fc.array(
      fc.record({
        run: fc.integer({ min: 1, max: 12 }),
        flow: fc.nat(3),
        tweak: fc.nat(14),
        size: fc.constantFrom(1, 100, 1300),
        family: fc.constantFrom(4, 6) as fc.Arbitrary<4 | 6>,
      }),
      { minLength: 1, maxLength: 8 },
    );
    let merged = 0;
    fc.assert(
      fc.property(runs, (some) => {
        const packets = some.flatMap(({ run, flow, tweak, size, family }) =>
          Array.from({ length: run }, (_, i) => tweaked({ run, flow, tweak, size, family }, i, next)),
        );
        // As the far end gets them: through real tunnels, so that everything lies in packet buffers.
        const { sent } = mag.encapsulate(packets);
        lma.feed(sent);
        const writes = lma.writes();
        const out = writes.flatMap(({ vnet, packet }) => segments(decodeVnet(vnet), packet));
        merged += writes.filter(({ vnet }) => vnet[1] !== 0).length;
        const byFlow = (all: readonly Uint8Array[]): Map<string, string[]> => {
          const flows = new Map<string, string[]>();
          for (const packet of all) {
            const { offset } = upperOffset(packet);
            const key = `${packet[0]! >> 4} ${packet.subarray(offset, offset + 4).join()}`;
            flows.set(key, [...(flows.get(key) ?? []), Buffer.from(comparable(packet)).toString('hex')]);
          }
          return flows;
        };
        expect(byFlow(out)).toEqual(byFlow(packets));
        for (const packet of out) {
          if (!isBroken(packet, packets)) expect(checksumIsRight(packet)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
    expect(merged).toBeGreaterThan(200);
  });

  test('datagrams of one message, summed as they are copied, are merged like those that come one by one', () => {
    const sockets = { mode: L.MODE_UDP4, offload: L.ENDPOINT_OFFLOAD_SEGMENT | L.ENDPOINT_OFFLOAD_MERGE };
    const onePath = testSession({ ...session, paths: [testPath(1)] });
    const name = encodeSockaddr(parseAddress('198.51.100.1'), 5437).bytes;
    let merged = 0;
    let single = 0;
    fc.assert(
      fc.property(
        fc.constantFrom<4 | 6>(4, 6),
        fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
        fc.integer({ min: 1, max: 1300 }),
        fc.integer({ min: 2, max: 40 }),
        // Which octets of inner packets are spoilt on the way, and how.
        fc.array(fc.tuple(fc.nat(39), fc.nat(1400), fc.integer({ min: 1, max: 255 })), { maxLength: 2 }),
        (family, protocol, size, count, spoilt) => {
          const packets = Array.from({ length: count }, (_, i) =>
            buildPacket({ family, protocol, flow: 1, sequence: i * size, payload: octets(size, i) }),
          );
          const { sent } = new BenchNode('mag', {}, sockets).add(onePath).encapsulate(packets);
          for (const [which, at, mask] of spoilt) {
            const { bytes } = sent[which % count]!;
            const inner = packets[which % count]!.length;
            bytes[bytes.length - inner + (at % inner)]! ^= mask;
          }
          const [together, apart] = [1, 2].map(() =>
            withOffload(new BenchNode('lma', {}, sockets).add(mirrored(onePath))),
          ) as [BenchNode, BenchNode];
          const length = sent[0]!.bytes.length;
          const whole = Uint8Array.from(sent.flatMap(({ bytes }) => [...bytes]));
          together.receiveMessage(0, name, whole, length);
          for (const { bytes } of sent) apart.receiveMessage(0, name, bytes, 0);
          const writes = together.writes();
          expect(writes).toEqual(apart.writes());
          expect(together.drops).toEqual(apart.drops);
          merged += writes.filter(({ vnet }) => vnet[1] !== 0).length;
          single += writes.filter(({ vnet }) => vnet[1] === 0).length;
        },
      ),
      { numRuns: 300 },
    );
    expect(merged).toBeGreaterThan(200);
    expect(single).toBeGreaterThan(50);
  });

  test('a bulk transfer becomes super-packets, ended by PSH and by a shorter segment', () => {
    const lma = withOffload(new BenchNode('lma').add(mirrored(session)));
    const mag = new BenchNode('mag').add(session);
    const segment = (i: number, flags = 0x10, length = 1300): Uint8Array =>
      buildPacket({
        family: 4,
        protocol: 'tcp',
        flow: 1,
        sequence: i * 1300,
        flags,
        payload: octets(length, i),
      });
    const packets = [
      ...Array.from({ length: 9 }, (_, i) => segment(i)),
      segment(9, 0x18),
      ...Array.from({ length: 4 }, (_, i) => segment(i + 10)),
      segment(14, 0x10, 200),
      segment(20),
    ];
    lma.feed(mag.encapsulate(packets).sent);
    const writes = lma.writes();
    expect(writes.map(({ packet }) => packet.length)).toEqual([40 + 13_000, 40 + 5400, 1340]);
    expect(writes[0]!.packet[33]).toBe(0x18);
    expect(writes.map(({ vnet }) => decodeVnet(vnet).size)).toEqual([1300, 1300, 0]);
  });

  test('a kernel that refuses super-packets gets them one by one', () => {
    const lma = withOffload(new BenchNode('lma').add(mirrored(session)));
    const mag = new BenchNode('mag').add(session);
    const packets = Array.from({ length: 5 }, (_, i) =>
      buildPacket({ family: 4, protocol: 'tcp', flow: 1, sequence: i * 100, payload: octets(100, i) }),
    );
    lma.feed(mag.encapsulate(packets).sent);
    expect(lma.wasm.layWrites(lma.worker)).toBe(1);
    const single: Uint8Array[] = [];
    for (
      let packet = lma.wasm.singleWrite(lma.worker, 0, 0);
      packet;
      packet = lma.wasm.singleWrite(lma.worker, 0, packet)
    ) {
      single.push(lma.write(0, 2));
    }
    expect(single.map((bytes) => bytes.subarray(10))).toEqual(packets);
    expect(single.every((bytes) => bytes.subarray(0, 10).every((octet) => octet === 0))).toBe(true);
  });
});

/** Packet `i` of a run: mostly a continued transfer, with something odd about it according to `tweak`. */
function tweaked(
  {
    run,
    flow,
    tweak,
    size,
    family,
  }: { run: number; flow: number; tweak: number; size: number; family: 4 | 6 },
  i: number,
  next: Map<string, number>,
): Uint8Array {
  const middle = i === run >> 1;
  const key = `${family} ${flow}`;
  const sequence = next.get(key) ?? 0xffffff00;
  const length = tweak === 1 && middle ? 1 + (size >> 1) : size;
  const fields: PacketFields = {
    family,
    protocol: flow === 3 ? 'udp' : 'tcp',
    flow,
    sequence: tweak === 2 && middle ? sequence + 5 : sequence,
    flags: tweak === 3 && middle ? 0x18 : tweak === 4 && middle ? 0x11 : tweak === 5 && middle ? 0x90 : 0x10,
    window: tweak === 6 && middle ? 7 : 500,
    acknowledgement: tweak === 7 && middle ? 99 : 1,
    options: tweak === 8 ? [1, 1, 8, 10, 0, 0, 0, middle ? 1 : 2, 0, 0, 0, 9] : [],
    tos: tweak === 9 && middle ? 0xb8 : 0,
    hopLimit: tweak === 10 && middle ? 3 : 64,
    identification: tweak === 11 ? 1000 + i : 0,
    dontFragment: tweak !== 11 && !(tweak === 12 && middle),
    ...(tweak === 13 && middle && family === 6 ? { hopByHop: [0, 0, 5, 2, 0, 0, 1, 0] } : {}),
    payload: octets(length, sequence & 255),
  };
  next.set(key, (sequence + length) >>> 0);
  const packet = buildPacket(fields);
  // A checksum that was wrong must not be made right.
  if (tweak === 14 && middle) packet[packet.length - 1]! ^= 0x55;
  return packet;
}

function isBroken(packet: Uint8Array, originals: readonly Uint8Array[]): boolean {
  return originals.some(
    (original) =>
      !checksumIsRight(original) && Buffer.compare(comparable(original), comparable(packet)) === 0,
  );
}

/** Without what may change: the ID of packets that cannot be fragmented (RFC 6864 §4.1), and so their header checksum. */
function comparable(packet: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(packet);
  if (copy[0]! >> 4 === 4 && copy[6]! & 0x40) {
    copy.fill(0, 4, 6);
    copy.fill(0, 10, 12);
  }
  return copy;
}
