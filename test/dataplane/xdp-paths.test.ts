/** Which interfaces are taken over for which paths, and when they are given back. */
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import type { XdpFlow } from '../../src/dataplane/endpoints.ts';
import type { NextHop } from '../../src/dataplane/path-links.ts';
import type { PathSpec } from '../../src/dataplane/session-spec.ts';
import { TunloomError } from '../../src/errors.ts';
import { BenchNode } from '../support/bench-node.ts';
import { testPath, testSession } from '../support/session.ts';

/** An interface that remembers what it was told. */
interface FakePort {
  readonly index: number;
  readonly flows: Map<string, number>;
  closed: boolean;
}

const gre = (bid: number, overrides: Partial<PathSpec> & { family?: 4 | 6 } = {}): PathSpec =>
  testPath(bid, { encapsulation: 'gre', ...overrides });
const hop = (index: number): NextHop => ({ index, mtu: 1500, address: Uint8Array.of(2, 0, 0, 0, 0, index) });
const nameOf = ({ remote, local, protocol }: XdpFlow): string => `${remote} ${local} ${protocol}`;

function nodeWith(paths: readonly PathSpec[], { sockets = 4, room = 10, refuse = [] as number[] } = {}) {
  const ports: FakePort[] = [];
  const node = new BenchNode(
    'mag',
    { xdpSockets: sockets },
    {
      mode: L.MODE_RAW4,
      offload: 0,
      links: true,
      openXdp: (index, memory, records) => {
        if (refuse.includes(index)) throw new TunloomError('NO_XDP', `not ${index}`);
        expect((records[0]! - memory.xdp) % L.XDP_STRIDE).toBe(0);
        const port: FakePort = { index, flows: new Map(), closed: false };
        ports.push(port);
        return {
          name: `wan${index}`,
          fds: [100 + index],
          admit: (flow, endpoint) =>
            port.flows.size < room && port.flows.set(nameOf(flow), endpoint) !== null,
          dismiss: (flow) => expect(port.flows.delete(nameOf(flow))).toBe(true),
          drops: () => 5,
          close: () => (port.closed = true),
        };
      },
    },
  ).add(testSession({ paths: [...paths] }));
  return { node, ports, sessions: node.sessions, xdp: node.sessions.xdp! };
}

const modeOf = ({ memory }: BenchNode, endpoint: number): number =>
  memory.u32[(memory.endpoints + endpoint * L.ENDPOINT_STRIDE + L.ENDPOINT_MODE) / 4]!;

test('an interface is taken over with its first path and given back after its last, a grace period later', () => {
  const { node, ports, sessions, xdp } = nodeWith([gre(1), gre(2), gre(3)]);
  sessions.setNextHops(({ bid }) => hop(bid === 3 ? 8 : 7));
  expect(ports.map(({ index }) => index)).toEqual([7, 8]);
  expect(xdp.status()).toEqual([
    { index: 7, name: 'wan7', queues: 1, paths: 2, problem: null },
    { index: 8, name: 'wan8', queues: 1, paths: 1, problem: null },
  ]);
  expect([...ports[0]!.flows.keys()]).toEqual(['203.0.113.1 198.51.100.1 47', '203.0.113.2 198.51.100.2 47']);
  for (const endpoint of ports[0]!.flows.values()) expect(modeOf(node, endpoint)).toBe(L.MODE_WHOLE);
  sessions.setNextHops(({ bid }) => (bid === 1 ? hop(7) : null));
  expect([...ports[0]!.flows.keys()]).toEqual(['203.0.113.1 198.51.100.1 47']);
  expect(ports.map(({ flows }) => flows.size)).toEqual([1, 0]);
  expect(xdp.status().map(({ index }) => index)).toEqual([7]);
  expect(ports.map(({ closed }) => closed)).toEqual([false, false]);
  node.grace.collect();
  expect(ports.map(({ closed }) => closed)).toEqual([false, true]);
  expect(xdp.drops()).toBe(10);
});

test('a path that goes over to another interface, and a session that goes', () => {
  const { node, ports, sessions, xdp } = nodeWith([gre(1)], { sockets: 2 });
  sessions.setNextHops(() => hop(7));
  sessions.setNextHops(() => hop(8));
  node.grace.collect();
  expect(ports.map(({ index, flows, closed }) => [index, flows.size, closed])).toEqual([
    [7, 0, true],
    [8, 1, false],
  ]);
  sessions.remove('mn1');
  for (let round = 0; round < 3; round++) node.grace.collect();
  expect(ports[1]!.closed).toBe(true);
  expect(xdp.status()).toEqual([]);
  // Records and endpoint numbers have come back: again and again there is room.
  sessions.add(testSession({ paths: [gre(1)] }));
  for (let round = 0; round < L.MAX_ENDPOINTS; round++) {
    sessions.setNextHops(() => hop(9 + (round % 2)));
    node.grace.collect();
    expect(xdp.status()).toMatchObject([{ paths: 1 }]);
  }
});

test('IPv6 and UDP paths never; ipip by both of its protocols', () => {
  const { ports, sessions } = nodeWith([
    gre(1, { family: 6 }),
    testPath(2),
    testPath(3, { encapsulation: 'ipip' }),
  ]);
  sessions.setNextHops(({ bid }) => hop(bid));
  expect(ports.map(({ index }) => index)).toEqual([3]);
  expect([...ports[0]!.flows.keys()]).toEqual(['203.0.113.3 198.51.100.3 4', '203.0.113.3 198.51.100.3 41']);
});

test('two local ends that only differ in what no packet shows: both keep to their sockets for receiving', () => {
  const same = { local: '198.51.100.1', remote: '203.0.113.1' };
  const { ports, sessions, node } = nodeWith([gre(1, same)]);
  sessions.add(
    testSession({ name: 'mn2', prefixes: ['192.0.3.0/24'], receiveKey: 3, paths: [gre(1, same)] }),
  );
  sessions.setNextHops(() => hop(7));
  expect(ports[0]!.flows.size).toBe(1);
  sessions.add(
    testSession({
      name: 'mn3',
      prefixes: ['192.0.4.0/24'],
      receiveKey: 4,
      paths: [gre(1, { ...same, interface: 'eth1' })],
    }),
  );
  sessions.setNextHops(() => hop(7));
  expect(ports[0]!.flows.size).toBe(0);
  sessions.remove('mn3');
  node.grace.collect();
  expect(ports[0]!.flows.size).toBe(1);
});

test('an MTU that grows beyond a chunk: given back, and not taken again', () => {
  const { node, ports, sessions, xdp } = nodeWith([gre(1)]);
  const grown = (mtu: number): void => sessions.setNextHops(() => ({ ...hop(7), mtu }));
  const mtuOf = (): number => node.memory.u32[(node.memory.xdp + L.XDP_MTU) / 4]!;
  grown(1500);
  expect(mtuOf()).toBe(1500);
  grown(1600);
  expect(mtuOf()).toBe(1600);
  expect(ports).toHaveLength(1);
  grown(2000);
  node.grace.collect();
  expect(ports).toMatchObject([{ closed: true }]);
  expect(xdp.status()).toMatchObject([{ index: 7, problem: expect.stringContaining('2000') }]);
  expect(sessions.linkCounts()).toEqual({ raw: 1, link: 1 });
});

test('refused, without room for sockets, without room for flows: paths go by packet sockets all the same', () => {
  const refused = nodeWith([gre(1), gre(2)], { refuse: [7] });
  refused.sessions.setNextHops(({ bid }) => hop(6 + bid));
  expect(refused.xdp.status()).toEqual([
    { index: 8, name: 'wan8', queues: 1, paths: 1, problem: null },
    { index: 7, name: null, queues: 0, paths: 0, problem: 'not 7' },
  ]);
  expect(refused.sessions.linkCounts()).toEqual({ raw: 2, link: 2 });
  const full = nodeWith([gre(1), gre(2)], { sockets: 1 });
  full.sessions.setNextHops(({ bid }) => hop(bid));
  expect(full.xdp.status()).toMatchObject([
    { index: 1, paths: 1 },
    { index: 2, problem: expect.any(String) },
  ]);
  const crowded = nodeWith([gre(1), gre(2)], { room: 1 });
  crowded.sessions.setNextHops(() => hop(7));
  expect(crowded.ports[0]!.flows.size).toBe(1);
  crowded.sessions.setNextHops(() => null);
  expect(crowded.ports[0]!.flows.size).toBe(0);
});
