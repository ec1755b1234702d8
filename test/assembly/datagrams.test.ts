/** Several datagrams in one message of udp(7): laid out for UDP_SEGMENT, taken apart after UDP_GRO. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { BenchNode, type SentPacket } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

const UDP = { mode: L.MODE_UDP4, offload: L.ENDPOINT_OFFLOAD_SEGMENT | L.ENDPOINT_OFFLOAD_MERGE };
// One local address, as an LMA has it: two paths share an endpoint.
const session = testSession({
  paths: [1, 2, 3].map((bid) =>
    testPath(bid, { weight: bid, local: bid === 3 ? '198.51.100.3' : '198.51.100.1' }),
  ),
  resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
});
const packet = (size: number, i: number, tos = 0): Uint8Array =>
  innerPacket({ family: 4, tos, payload: Uint8Array.from({ length: size }, (_, at) => (at + i) & 255) });
const senderOf = (bid: number): Uint8Array => encodeSockaddr(parseAddress(`203.0.113.${bid}`), 5437).bytes;

describe('sending', () => {
  test('a message holds packets of one path, TOS and length, the last may be shorter; order within a path stays', () => {
    const sizes = fc.array(fc.tuple(fc.constantFrom(20, 20, 20, 700, 1300), fc.constantFrom(0, 0, 0, 0xb8)), {
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(sizes, (some) => {
        const node = new BenchNode('mag', {}, UDP).add(session);
        const reference = new BenchNode('mag').add(session);
        const packets = some.map(([size, tos], i) => packet(size, i, tos));
        const { sent } = node.encapsulate(packets);
        const wanted = reference.encapsulate(packets).sent;
        // What the kernel writes itself, IPv4 and UDP header, is not there with sockets.
        expect(sent.map(({ bytes }) => bytes)).toEqual(wanted.map(({ bytes }) => bytes.subarray(28)));
        expect(node.drops).toEqual({});
      }),
      { numRuns: 50 },
    );
  });

  test('messages by hand: runs end at another length, at a shorter packet, at another TOS and at 64 packets', () => {
    const one = testSession({ paths: [testPath(1)] });
    const node = new BenchNode('mag', {}, UDP).add(one);
    const messages = (packets: Uint8Array[]): number[] => {
      node.encapsulate(packets);
      return node.lastMessages;
    };
    expect(messages(Array.from({ length: 10 }, (_, i) => packet(100, i)))).toEqual([10]);
    expect(messages([100, 100, 50, 100, 100].map((size, i) => packet(size, i)))).toEqual([3, 2]);
    expect(messages([50, 100, 100].map((size, i) => packet(size, i)))).toEqual([1, 2]);
    expect(messages([packet(100, 0), packet(100, 1, 0xb8), packet(100, 2, 0xb8)])).toEqual([1, 2]);
    expect(messages(Array.from({ length: 64 }, (_, i) => packet(1400, i)))).toEqual([45, 19]);
  });

  test('packets taken from the TUN in several goes before they are sent make the same messages', () => {
    const packets = Array.from({ length: 60 }, (_, i) => packet(100, i));
    const whole = new BenchNode('mag', {}, UDP).add(session);
    whole.loadTun(packets);
    whole.wasm.encapsulate(whole.worker, 0, 60, 1, 0);
    const parts = new BenchNode('mag', {}, UDP).add(session);
    for (const [from, to] of [
      [0, 1],
      [1, 24],
      [24, 60],
    ]) {
      parts.loadTun(packets.slice(from, to));
      expect(parts.wasm.encapsulate(parts.worker, 0, to! - from!, 1, 1)).toBe(to! - from!);
      expect(parts.messages).toEqual([]);
    }
    parts.wasm.groupSends(parts.worker);
    expect(parts.messages).toEqual(whole.messages);
    const { length } = whole.messages;
    expect(parts.placedPackets(0, length)).toEqual(whole.placedPackets(0, length));
  });

  test('after a refusal everything that is not sent goes one by one, once', () => {
    const node = new BenchNode('mag', {}, UDP).add(session);
    node.loadTun(Array.from({ length: 60 }, (_, i) => packet(100, i)));
    node.wasm.encapsulate(node.worker, 0, 60, 1, 0);
    const before = node.messages;
    const first = node.placedPackets(0, 1);
    node.wasm.disableSegments(node.worker, 1);
    const errors = (node.worker + L.WORKER_MESSAGE_ERRORS) / 4;
    node.memory.u32.fill(L.MESSAGE_REFUSED, errors + 1, errors + before.length);
    node.wasm.regroupSends(node.worker);
    const rest = node.placedPackets(0, node.messages.length);
    expect(node.messages).toEqual(Array.from({ length: 60 - before[0]! }, () => 1));
    const all = [...first, ...rest].map((bytes) => Buffer.from(bytes).toString('hex'));
    expect(new Set(all).size).toBe(60);
    node.wasm.sendsDone(node.worker);
    const counters = node.sessions.status('mn1').paths.map((path) => path.txPackets);
    expect(counters).toEqual([10, 20, 30]);
    // The endpoint of the refused message does not try again, others do.
    node.encapsulate(Array.from({ length: 60 }, (_, i) => packet(100, i)));
    expect(node.lastMessages.filter((packets) => packets > 1).length).toBe(1);
  });
});

describe('receiving', () => {
  const outer = (packets: Uint8Array[]): SentPacket[] =>
    new BenchNode('mag', {}, UDP).add(testSession({ paths: [testPath(1)] })).encapsulate(packets).sent;

  test('a merged message is its datagrams, each looked at for itself', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1300 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(1300),
        (size, count, last) => {
          const packets = Array.from({ length: count }, (_, i) =>
            packet(i === count - 1 ? Math.min(size, last) : size, i),
          );
          const sent = outer(packets);
          const node = new BenchNode('lma', {}, UDP).add(mirrored(testSession({ paths: [testPath(1)] })));
          const name = encodeSockaddr(parseAddress('198.51.100.1'), 5437).bytes;
          const payload = Uint8Array.from(sent.flatMap(({ bytes }) => [...bytes]));
          if (payload.length > 65507) return;
          node.receiveMessage(0, name, payload, count > 1 ? sent[0]!.bytes.length : 0);
          expect(node.deliveries()).toEqual(packets);
          expect(node.drops).toEqual({});
          expect(node.sessions.status('mn1').paths[0]!.rxPackets).toBe(count);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('100,000 messages with bogus sizes and mutated octets: every datagram is delivered or counted', () => {
    const node = new BenchNode('lma', {}, UDP).add(mirrored(session));
    const sent = new BenchNode('mag', {}, UDP)
      .add(session)
      .encapsulate(Array.from({ length: 12 }, (_, i) => packet(100, i))).sent;
    const payload = Uint8Array.from(sent.flatMap(({ bytes }) => [...bytes]));
    let state = 77;
    const random = (limit: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % limit;
    };
    let delivered = 0;
    let datagrams = 0;
    for (let round = 0; round < 100_000; round++) {
      const size = random(4) ? sent[0]!.bytes.length : random(2000);
      const bytes = Uint8Array.from(payload).subarray(0, random(payload.length + 1));
      if (random(2) && bytes.length) bytes[random(bytes.length)] = random(256);
      node.now += 200;
      node.receiveMessage(0, senderOf(1 + random(4)), bytes, size);
      datagrams +=
        size && size < bytes.length
          ? Math.ceil(bytes.length / size) > 128
            ? 1
            : Math.ceil(bytes.length / size)
          : 1;
      delivered += node.deliveries().length;
    }
    delivered += node.advance(node.now + 1_000_000).length;
    const drops = Object.values(node.drops).reduce((sum, n) => sum + n, 0);
    expect(delivered + drops).toBe(datagrams);
    expect(node.freeBuffers).toBe(node.memory.sizes.buffers);
  });
});
