/** Probes on their way through the hot path: recognised by key and peer like data, stamped, left for the control thread, counted. */
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { buildProbePacket } from '../../src/dataplane/probe-packet.ts';
import { takeProbes } from '../../src/dataplane/probe-notes.ts';
import type { SessionSpec } from '../../src/dataplane/session-spec.ts';
import { internetChecksum } from '../../src/internet-checksum.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';
import { tsharkFields } from '../support/tshark.ts';

const PORTS = { mode: L.MODE_UDP4, offload: L.ENDPOINT_OFFLOAD_MERGE };
const SENDER = encodeSockaddr(parseAddress('198.51.100.2'), 5437).bytes;

const session = testSession({ paths: [testPath(1), testPath(2)] });

function messageOf(bid: number): Uint8Array {
  return Uint8Array.from({ length: L.PROBE_LENGTH }, (_, i) => i + bid);
}

function probeOf(bid: number, sendKey = session.sendKey): Uint8Array {
  const packet = buildProbePacket(session.paths[bid - 1]!, { ...session, sendKey }, L.ROLE_MAG, L.MODE_UDP4);
  packet.fill(messageOf(bid));
  return packet.bytes;
}

function receiver(): BenchNode {
  return new BenchNode('lma', {}, PORTS).add(mirrored(session));
}

test('a probe is noted with path, arrival, what the path has received, and its octets', () => {
  const node = receiver();
  const sender = new BenchNode('mag', {}, PORTS).add(testSession({ paths: [testPath(2)] }));
  const { sent } = sender.encapsulate([innerPacket({ family: 4, payload: new Uint8Array(100) })]);
  node.receiveMessage(1, SENDER, sent[0]!.bytes, 0);
  expect(node.writes()).toHaveLength(1);
  node.now = 2_000_000;
  node.receiveMessage(1, SENDER, probeOf(2), 0);
  expect(node.writes()).toHaveLength(0);
  const [note, ...rest] = takeProbes(node.memory, 0);
  expect(rest).toEqual([]);
  expect(node.sessions.ownerOf(note!.path)).toEqual({ session: 'mn1', bid: 2 });
  expect(note).toMatchObject({ readUs: 2_000_000, stampUs: 0, packets: 1, octets: sent[0]!.bytes.length });
  expect(note!.message).toEqual(messageOf(2));
  expect(takeProbes(node.memory, 0)).toEqual([]);
  expect(node.drops).toEqual({});
  // Probes are no data.
  expect(node.sessions.status('mn1').paths[1]).toMatchObject({ rxPackets: 1 });
});

test('the time at which the kernel received a probe is noted, merged with data or not, and never that of another one', () => {
  const node = receiver();
  const stampUs = 1_800_000_000_123_456;
  const data = new BenchNode('mag', {}, PORTS)
    .add(session)
    .encapsulate([innerPacket({ family: 4, payload: new Uint8Array(400) })]).sent[0]!.bytes;
  node.receiveMessage(1, SENDER, probeOf(2), 0, 0, stampUs);
  node.receiveMessage(1, SENDER, Uint8Array.from([...data, ...probeOf(2)]), data.length, 0, stampUs + 7);
  node.receiveMessage(1, SENDER, probeOf(2), 0);
  expect(takeProbes(node.memory, 0).map((note) => note.stampUs)).toEqual([stampUs, stampUs + 7, 0]);
  expect(node.drops).toEqual({});
});

test('a probe with a foreign key, from a foreign peer, or cut short is dropped for what it is', () => {
  const node = receiver();
  node.receiveMessage(1, SENDER, probeOf(2, 0x99), 0);
  expect(node.drops).toEqual({ 'unknown-key': 1 });
  node.receiveMessage(1, encodeSockaddr(parseAddress('192.0.2.77'), 5437).bytes, probeOf(2), 0);
  expect(node.drops).toEqual({ 'unknown-key': 1, 'unknown-peer': 1 });
  const short = probeOf(2).slice(0, -1);
  short[3]! -= 1;
  node.receiveMessage(1, SENDER, short, 0);
  expect(node.drops).toEqual({ 'unknown-key': 1, 'unknown-peer': 1, 'probe-malformed': 1 });
  expect(takeProbes(node.memory, 0)).toEqual([]);
});

test('a flood of probes fills the ring and no more; no buffer is lost', () => {
  const node = receiver();
  const free = node.freeBuffers;
  for (let i = 0; i < L.PROBES + 10; i++) node.receiveMessage(1, SENDER, probeOf(2), 0);
  expect(node.drops).toEqual({ 'probe-queue-full': 10 });
  expect(node.freeBuffers).toBe(free);
  expect(takeProbes(node.memory, 0)).toHaveLength(L.PROBES);
  node.receiveMessage(1, SENDER, probeOf(2), 0);
  expect(takeProbes(node.memory, 0)).toHaveLength(1);
});

test('the control thread is told once a round, and only if probes have come', () => {
  const node = receiver();
  const region = node.memory.workerRegion(0);
  const told = () => Atomics.load(node.memory.u32, (L.CONTROL + L.CONTROL_PROBED) / 4);
  const before = told();
  for (let round = 1; round <= 2; round++) {
    for (let i = 0; i < 3; i++) node.receiveMessage(1, SENDER, probeOf(2), 0);
    expect(told()).toBe(before + round - 1);
    node.wasm.passBatchEnd(region, true);
    expect(told()).toBe(before + round);
    node.wasm.passBatchEnd(region, true);
    expect(told()).toBe(before + round);
  }
});

describe('without a GRE key a probe is an inner packet', () => {
  const PREFIXES = { 4: '192.0.2.0/24', 6: '2001:db8:cafe::/64' };
  const UNKEYED = { key: false, sequence: false, checksum: false };

  function unkeyed(
    encapsulation: SessionSpec['paths'][number]['encapsulation'],
    outer: 4 | 6,
    inner: 4 | 6,
  ): SessionSpec {
    const path = { encapsulation, family: outer, gre: UNKEYED };
    return testSession({
      prefixes: [PREFIXES[inner]],
      allowReordering: true,
      paths: [testPath(1, path), testPath(2, path)],
    });
  }

  /** The whole outer packet that arrives, or what a UDP socket hands over of it. */
  function arriving(spec: SessionSpec, bid: number, role: number): Uint8Array {
    const { encapsulation, local } = spec.paths[bid - 1]!;
    const family = local.includes(':') ? 6 : 4;
    const byUdp = encapsulation.includes('udp');
    const mode = byUdp ? (family === 4 ? L.MODE_UDP4 : L.MODE_UDP6) : L.MODE_WHOLE;
    const packet = buildProbePacket(spec.paths[bid - 1]!, spec, role, mode);
    packet.fill(messageOf(bid));
    const bytes = packet.bytes.slice();
    if (!byUdp && family === 4) {
      // As raw(7) does.
      const view = new DataView(bytes.buffer);
      view.setUint16(2, bytes.length);
      view.setUint16(10, internetChecksum([bytes.subarray(0, 20)]));
    }
    return bytes;
  }

  /** A node of `role` that has the session, and a way to hand it what comes over path `bid`. */
  function nodeFor(
    spec: SessionSpec,
    role: 'mag' | 'lma',
  ): { node: BenchNode; take: (bid: number, bytes: Uint8Array) => void } {
    const { encapsulation, local, localPort } = spec.paths[0]!;
    const byUdp = encapsulation.includes('udp');
    const udp = local.includes(':') ? L.MODE_UDP6 : L.MODE_UDP4;
    const ports = byUdp ? { mode: udp, offload: L.ENDPOINT_OFFLOAD_MERGE } : undefined;
    const node = new BenchNode(role, {}, ports).add(mirrored(spec));
    const endpoints = encapsulation === 'ipip' ? 2 : 1;
    return {
      node,
      take: (bid, bytes) => {
        const endpoint = (bid - 1) * endpoints + (bytes[9] === 41 || bytes[6] === 41 ? endpoints - 1 : 0);
        if (byUdp) {
          const sender = encodeSockaddr(parseAddress(spec.paths[bid - 1]!.local), localPort).bytes;
          node.receiveMessage(endpoint, sender, bytes, 0);
        } else {
          expect(node.decapsulate(endpoint, [bytes])).toEqual([]);
        }
      },
    };
  }

  const cases = (['ipip', 'gre', 'udp', 'udp-gre', 'gre-in-udp'] as const).flatMap((encapsulation) =>
    ([4, 6] as const).flatMap((outer) => ([4, 6] as const).map((inner) => ({ encapsulation, outer, inner }))),
  );

  test.each(cases)(
    '$encapsulation over IPv$outer, inner IPv$inner: both ways',
    ({ encapsulation, outer, inner }) => {
      for (const [sender, receiver] of [
        [L.ROLE_MAG, 'lma'],
        [L.ROLE_LMA, 'mag'],
      ] as const) {
        const spec = unkeyed(encapsulation, outer, inner);
        const { node, take } = nodeFor(spec, receiver);
        const free = node.freeBuffers;
        for (const bid of [2, 1]) take(bid, arriving(spec, bid, sender));
        const notes = takeProbes(node.memory, 0);
        expect(notes.map(({ path }) => node.sessions.ownerOf(path)!.bid)).toEqual([2, 1]);
        expect(notes.map(({ message }) => message)).toEqual([messageOf(2), messageOf(1)]);
        expect(node.drops).toEqual({});
        expect(node.writes()).toHaveLength(0);
        expect(node.freeBuffers).toBe(free);
        expect(node.sessions.status('mn1').paths.map(({ rxPackets }) => rxPackets)).toEqual([0, 0]);
      }
    },
  );

  test('tshark sees sound IP and UDP inside', () => {
    for (const [inner, ip] of [
      [4, 'ip'],
      [6, 'ipv6'],
    ] as const) {
      for (const role of [L.ROLE_MAG, L.ROLE_LMA]) {
        const packet = arriving(unkeyed('ipip', 4, inner), 1, role);
        const [fields] = tsharkFields(
          [packet],
          [
            `${ip}.src`,
            `${ip}.dst`,
            'udp.srcport',
            'udp.dstport',
            'udp.checksum.status',
            'udp.length',
            'ip.ttl',
            'ipv6.hlim',
            'ip.checksum.status',
          ],
        );
        const addresses = inner === 4 ? ['192.0.2.0', '169.254.82.78'] : ['2001:db8:cafe::', 'fe80::8278'];
        const [source, destination] = role === L.ROLE_MAG ? addresses : addresses.reverse();
        expect(fields![`${ip}.src`]!.split(',').at(-1)).toBe(source);
        expect(fields![`${ip}.dst`]!.split(',').at(-1)).toBe(destination);
        expect(fields).toMatchObject({
          'udp.srcport': '1022',
          'udp.dstport': '1022',
          'udp.checksum.status': '1',
          'udp.length': '72',
        });
        expect(inner === 4 ? fields!['ip.ttl']!.split(',').at(-1) : fields!['ipv6.hlim']).toBe('1');
        expect(new Set(fields!['ip.checksum.status']!.split(','))).toEqual(new Set(['1']));
      }
    }
  });

  test('whatever else has the address of probes is dropped, and nothing of it reaches the TUN', () => {
    for (const inner of [4, 6] as const) {
      const spec = unkeyed('ipip', 4, inner);
      const good = arriving(spec, 1, L.ROLE_MAG);
      const udp = 20 + (inner === 4 ? 20 : 40);
      const damage: ((bytes: Uint8Array) => void)[] = [
        (bytes) => (bytes[udp + 1]! ^= 1), // source port
        (bytes) => (bytes[udp + 3]! ^= 1), // destination port
        (bytes) => (bytes[udp + 5]! ^= 1), // UDP length
        (bytes) => (bytes[udp + 20]! ^= 1), // a bit of the message
        (bytes) => (bytes[inner === 4 ? 29 : 26] = 6), // protocol
      ];
      const { node, take } = nodeFor(spec, 'lma');
      for (const spoil of damage) {
        const bytes = good.slice();
        spoil(bytes);
        if (inner === 4) {
          bytes.set([0, 0], 30);
          new DataView(bytes.buffer).setUint16(30, internetChecksum([bytes.subarray(20, 40)]));
        }
        take(1, bytes);
      }
      expect(node.drops).toEqual({ 'probe-malformed': damage.length });
      expect(takeProbes(node.memory, 0)).toEqual([]);
    }
  });

  test('every length, and every single octet changed: dropped or noted, never delivered', () => {
    const spec = unkeyed('ipip', 4, 4);
    const good = arriving(spec, 1, L.ROLE_MAG);
    const { node, take } = nodeFor(spec, 'lma');
    const free = node.freeBuffers;
    for (let length = 1; length < good.length; length++) {
      const bytes = good.slice(0, length);
      if (length >= 20) {
        const view = new DataView(bytes.buffer);
        view.setUint16(2, length);
        view.setUint16(10, 0);
        view.setUint16(10, internetChecksum([bytes.subarray(0, 20)]));
      }
      take(1, bytes);
    }
    expect(takeProbes(node.memory, 0)).toEqual([]);
    for (let at = 20; at < good.length; at++) {
      const bytes = good.slice();
      bytes[at]! ^= 0x10;
      take(1, bytes);
    }
    expect(takeProbes(node.memory, 0)).toEqual([]);
    expect(node.freeBuffers).toBe(free);
  });

  test('of another path, another session or a stranger it counts for nobody', () => {
    const spec = unkeyed('ipip', 4, 4);
    const { node, take } = nodeFor(spec, 'lma');
    const other = { ...spec, prefixes: ['198.18.0.0/24'] };
    take(1, arriving(other, 1, L.ROLE_MAG));
    expect(node.drops).toEqual({ 'no-session': 1 });
    const astray = arriving(spec, 1, L.ROLE_MAG);
    // The sender is path 2's peer, the destination path 1's.
    astray[15] = 2;
    astray.set([0, 0], 10);
    new DataView(astray.buffer).setUint16(10, internetChecksum([astray.subarray(0, 20)]));
    take(1, astray);
    expect(node.drops).toEqual({ 'no-session': 1, 'wrong-path': 1 });
    expect(takeProbes(node.memory, 0)).toEqual([]);
  });

  test('what a mobile node or a correspondent sends cannot become one: it does not get into the tunnel', () => {
    for (const role of ['mag', 'lma'] as const) {
      const addresses =
        role === 'mag'
          ? { source: '192.0.2.7', destination: '169.254.82.78' }
          : { source: '169.254.82.78', destination: '192.0.2.7' };
      const packet = innerPacket({ family: 4, ...addresses, payload: new Uint8Array(72) });
      const spec = unkeyed('ipip', 4, 4);
      const node = new BenchNode(role).add(spec);
      expect(node.encapsulate([packet]).sent).toEqual([]);
      expect(node.drops).toEqual({ 'inner-martian': 1 });
      // With a key it is a packet like any other.
      const keyed = new BenchNode(role).add({ ...spec, paths: [testPath(1)] });
      expect(keyed.encapsulate([packet]).sent).toHaveLength(1);
    }
  });

  test('tunnels with a key take none: link-local sources are martians there', () => {
    const node = new BenchNode('mag').add(mirrored(testSession()));
    const sender = new BenchNode('lma').add(testSession());
    const { sent } = sender.encapsulate([
      innerPacket({
        family: 4,
        source: '169.254.82.78',
        destination: '192.0.2.7',
        payload: new Uint8Array(72),
      }),
    ]);
    expect(node.decapsulate(0, [sent[0]!.bytes])).toEqual([]);
    expect(node.drops).toEqual({ 'inner-martian': 1 });
  });
});
