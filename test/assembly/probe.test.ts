/** Probes on their way through the hot path: recognised by key and peer like data, stamped, left for the control thread, counted. */
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { buildProbePacket } from '../../src/dataplane/probe-packet.ts';
import { takeProbes } from '../../src/dataplane/probe-notes.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

const PORTS = { mode: L.MODE_UDP4, offload: L.ENDPOINT_OFFLOAD_MERGE };
const SENDER = encodeSockaddr(parseAddress('198.51.100.2'), 5437).bytes;

const session = testSession({ paths: [testPath(1), testPath(2)] });

function probeOf(bid: number, key = session.sendKey): Uint8Array {
  const { bytes, message } = buildProbePacket(session.paths[bid - 1]!, key, L.MODE_UDP4);
  message.forEach((_, i) => (message[i] = i + bid));
  return bytes;
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
  expect(note).toMatchObject({ arrivalUs: 2_000_000, packets: 1, octets: sent[0]!.bytes.length });
  expect(note!.message).toEqual(Uint8Array.from({ length: L.PROBE_LENGTH }, (_, i) => i + 2));
  expect(takeProbes(node.memory, 0)).toEqual([]);
  expect(node.drops).toEqual({});
  // Probes are no data.
  expect(node.sessions.status('mn1').paths[1]).toMatchObject({ rxPackets: 1 });
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
