/** Paths that go straight to their next hop: by the endpoint of packet sockets and a struct sockaddr_ll, and back again. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import type { NextHop } from '../../src/dataplane/path-links.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { testPath, testSession } from '../support/session.ts';

const RAW = { mode: L.MODE_RAW4, offload: 0, links: true };
const gre = (bid: number, family: 4 | 6 = 4) => testPath(bid, { encapsulation: 'gre', family });
const packets = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => innerPacket({ family: 4, payload: Uint8Array.of(i, i >> 8) }));
const hop = (index: number): NextHop => ({ index, mtu: 1500, address: Uint8Array.of(2, 0, 0, 0, 0, index) });

/** The last octet of the destination of each message that was laid out last (its BID, over IPv4). */
function bids(node: BenchNode, messages: number): number[] {
  return Array.from({ length: messages }, (_, i) => {
    const header = node.worker + L.WORKER_SEND_HEADERS + i * L.MMSGHDR_SIZE;
    const iovec = node.memory.u32[(header + L.MMSGHDR_IOV) / 4]!;
    return node.memory.bytes[node.memory.u32[iovec / 4]! + 19]!;
  });
}

/** struct sockaddr of each message that was laid out last. */
function names(node: BenchNode, messages: number): Uint8Array[] {
  return Array.from({ length: messages }, (_, i) => {
    const header = node.worker + L.WORKER_SEND_HEADERS + i * L.MMSGHDR_SIZE;
    const at = node.memory.u32[(header + L.MMSGHDR_NAME) / 4]!;
    const length = node.memory.u32[(header + L.MMSGHDR_NAMELEN) / 4]!;
    return node.memory.bytes.slice(at, at + length);
  });
}

/** packet(7): family 17, EtherType in network order, interface, hardware type and packet type 0, length, address. */
const linkName = ({ index, address }: NextHop, etherType: readonly [number, number] = [8, 0]): Uint8Array =>
  Uint8Array.of(17, 0, ...etherType, index, 0, 0, 0, 0, 0, 0, 6, ...address, 0, 0);

test('one path by its socket, one by the link: same packets, same shares, each message with its own kind of address', () => {
  const session = testSession({ paths: [gre(1), gre(2)] });
  const node = new BenchNode('mag', {}, RAW).add(session);
  const plain = new BenchNode('mag', {}, { ...RAW, links: false }).add(session);
  node.sessions.setNextHops((path) => (path.bid === 2 ? hop(7) : null));
  expect(node.sessions.linkCounts()).toEqual({ raw: 2, link: 1 });
  const { sent } = node.encapsulate(packets(6));
  const raw = encodeSockaddr(parseAddress('203.0.113.1'), 0);
  expect(names(node, 6)).toEqual([
    ...Array<Uint8Array>(3).fill(raw.bytes.slice(0, raw.length)),
    ...Array<Uint8Array>(3).fill(linkName(hop(7))),
  ]);
  expect(bids(node, 6)).toEqual([1, 1, 1, 2, 2, 2]);
  const modes = sent.map(
    ({ endpoint, bytes }) =>
      `${bytes[19]} ${node.memory.u32[(node.memory.endpoints + endpoint * L.ENDPOINT_STRIDE) / 4]}`,
  );
  expect(new Set(modes)).toEqual(new Set([`1 ${L.MODE_RAW4}`, `2 ${L.MODE_LINK}`]));
  expect(sent.map(({ bytes }) => bytes)).toEqual(
    plain.encapsulate(packets(6)).sent.map(({ bytes }) => bytes),
  );
  expect(node.drops).toEqual({});
});

test('IPv6 has its own EtherType; UDP paths and those that may be cut keep to their sockets', () => {
  const session = testSession({
    paths: [
      gre(1, 6),
      testPath(2),
      { ...gre(3), dontFragment: 'clear' },
      { ...gre(4), dontFragment: 'copy' },
    ],
  });
  const node = new BenchNode('mag', {}, RAW).add(session);
  node.sessions.setNextHops(() => hop(3));
  expect(node.sessions.linkCounts()).toEqual({ raw: 3, link: 1 });
  node.encapsulate(packets(1));
  expect(names(node, 1)).toEqual([linkName(hop(3), [0x86, 0xdd])]);
});

test('without packet sockets nothing goes by a link', () => {
  const node = new BenchNode('mag', {}, { ...RAW, links: false }).add(testSession({ paths: [gre(1)] }));
  node.sessions.setNextHops(() => hop(1));
  expect(node.sessions.linkCounts()).toEqual({ raw: 1, link: 0 });
});

test('whatever the changes: order within a path stays, and every batch has the hops in force when it was grouped', () => {
  const change = fc.record({
    hops: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 2 }),
    count: fc.nat(40),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const session = testSession({ paths: [gre(1), gre(2)] });
      const node = new BenchNode('mag', {}, RAW).add(session);
      const plain = new BenchNode('mag', {}, { ...RAW, links: false }).add(session);
      for (const { hops, count } of changes) {
        node.sessions.setNextHops(({ bid }) => (hops[bid - 1] ? hop(hops[bid - 1]!) : null));
        node.grace.collect();
        const { sent } = node.encapsulate(packets(count));
        const wanted = plain.encapsulate(packets(count)).sent;
        // By path: octets 16..19 are the outer destination. Endpoints may be served in another order.
        for (const bid of [1, 2]) {
          const ofPath = (all: typeof sent): Uint8Array[] =>
            all.map(({ bytes }) => bytes).filter((bytes) => bytes[19] === bid);
          expect(ofPath(sent)).toEqual(ofPath(wanted));
        }
        const families = names(node, sent.length).map((name) => (name[0] === 17 ? name[4] : 0));
        expect(families).toEqual(bids(node, sent.length).map((bid) => hops[bid - 1]));
      }
    }),
    { numRuns: 60 },
  );
});

test('a path that goes and comes again starts by its socket, and link records do not pile up', () => {
  const session = testSession({ paths: [gre(1), gre(2)] });
  const node = new BenchNode('mag', { heap: 1 << 20 }, RAW).add(session);
  for (let round = 0; round < 20_000; round++) {
    node.sessions.setNextHops(() => hop(1 + (round & 1)));
    node.grace.collect();
  }
  node.sessions.remove(session.name);
  node.grace.collect();
  node.sessions.add(session);
  expect(node.sessions.linkCounts()).toEqual({ raw: 2, link: 0 });
  node.encapsulate(packets(2));
  expect(names(node, 2).map((name) => name[0])).toEqual([2, 2]);
});
