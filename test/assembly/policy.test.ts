/** Actions of flow rules and the latency class, from the inner packet to what leaves and what the far end delivers. */
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { type FlowAction, type FlowRule, flowRules } from '../../src/dataplane/distribution-spec.ts';
import type { SessionSpec } from '../../src/dataplane/session-spec.ts';
import { BenchNode } from '../support/bench-node.ts';
import { type FlowPacket, flowPacket } from '../support/flow-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

const web: FlowPacket = {
  family: 4,
  source: '203.0.113.9',
  destination: '192.0.2.10',
  protocol: 6,
  ports: [80, 5000],
};
const other: FlowPacket = { ...web, ports: [22, 5000] };
/** Labels of the example of RFC 8278 §4.1: 11 and 9. */
const PATHS = [testPath(1, { label: 11 }), testPath(2, { label: 9 }), testPath(3, { label: 9, weight: 0 })];

function rule(action: FlowAction): FlowRule {
  return {
    priority: 10,
    name: 'web',
    selectors: [{ family: 4, sourcePort: { start: 80, end: 80 } }],
    action,
  };
}

function lma(action: FlowAction, more: Partial<SessionSpec> = {}): BenchNode {
  return new BenchNode('lma').add(testSession({ paths: PATHS, flows: [rule(action)], ...more }));
}

/** BIDs by which `count` packets leave. */
function bids(node: BenchNode, packet: FlowPacket, count: number): number[] {
  const { sent } = node.encapsulate(Array.from({ length: count }, () => flowPacket(packet)));
  return sent.map(({ endpoint }) => endpoint + 1);
}

test('paths: one BID', () => {
  const node = lma({ action: 'paths', bids: [2] });
  expect(bids(node, web, 4)).toEqual([2, 2, 2, 2]);
  expect(bids(node, other, 4)).toEqual([1, 2, 1, 2]);
});

test('paths: several BIDs split n:m in the rule’s own schedule, whatever goes between', () => {
  const node = lma({ action: 'paths', bids: [1, 3], weights: { 1: 2, 3: 1 } });
  const used: number[] = [];
  for (let i = 0; i < 30; i++) {
    used.push(...bids(node, web, 1));
    bids(node, other, i % 3);
  }
  for (let i = 0; i + 3 <= used.length; i++) {
    expect([...used.slice(i, i + 3)].sort()).toEqual([1, 1, 3]);
  }
});

test('labels: the first one that has a path that is up', () => {
  const node = lma({ action: 'labels', labels: [9, 11] });
  expect(new Set(bids(node, web, 6))).toEqual(new Set([2, 3]));
  node.sessions.setPathState('mn1', 2, 'down');
  expect(new Set(bids(node, web, 6))).toEqual(new Set([3]));
  node.sessions.setPathState('mn1', 3, 'down');
  expect(new Set(bids(node, web, 6))).toEqual(new Set([1]));
  node.sessions.setPathState('mn1', 2, 'up');
  expect(new Set(bids(node, web, 6))).toEqual(new Set([2]));
});

test('RFC 6089 §5.3.3: a rule whose paths are all down or unknown is inactive, bad BIDs among good ones are ignored', () => {
  const node = lma({ action: 'paths', bids: [3] });
  expect(bids(node, web, 2)).toEqual([3, 3]);
  node.sessions.setPathState('mn1', 3, 'down');
  expect(bids(node, web, 4)).toEqual([1, 2, 1, 2]);
  expect(bids(lma({ action: 'paths', bids: [77] }), web, 4)).toEqual([1, 2, 1, 2]);
  expect(bids(lma({ action: 'copies', bids: [77, 2] }), web, 2)).toEqual([2, 2]);
});

test('drop has a reason of its own', () => {
  const node = lma({ action: 'drop' });
  expect(bids(node, web, 3)).toEqual([]);
  expect(bids(node, other, 2)).toEqual([1, 2]);
  expect(node.drops).toEqual({ policy: 3 });
});

describe('copies', () => {
  const spec = testSession({ paths: PATHS, flows: [rule({ action: 'copies', bids: [1, 2, 3] })] });

  test('a copy over each BID with the same number, of which the far end delivers one', () => {
    const node = new BenchNode('lma').add(spec);
    const far = new BenchNode('mag').add(mirrored(spec));
    const packets = [web, other, web, web].map((packet, i) => flowPacket({ ...packet, payload: 100 + i }));
    const { sent } = node.encapsulate(packets);
    expect(sent).toHaveLength(3 + 1 + 3 + 3);
    expect(node.memory.counter(node.worker + L.WORKER_COUNTERS + L.COUNTER_COPIES)).toBe(6);
    const out: Uint8Array[] = [];
    for (const { endpoint, bytes } of sent) out.push(...far.decapsulate(endpoint, [bytes]));
    expect(out).toEqual(packets);
    expect(far.drops).toEqual({ duplicate: 6 });
  });

  test('one path loses everything: nothing is lost', () => {
    const node = new BenchNode('lma').add(spec);
    const far = new BenchNode('mag').add(mirrored(spec));
    const packets = Array.from({ length: 40 }, (_, i) => flowPacket({ ...web, payload: 100 + i }));
    const { sent } = node.encapsulate(packets);
    const out = sent
      .filter(({ endpoint }) => endpoint !== 0)
      .flatMap(({ endpoint, bytes }) => far.decapsulate(endpoint, [bytes]));
    expect(out).toEqual(packets);
  });

  test('fragments made by us are copied as far as there is room, and each arrives', () => {
    const node = new BenchNode('lma').add(spec);
    const far = new BenchNode('mag').add(mirrored(spec));
    const big = flowPacket({ ...web, payload: 1780, fragment: { offset: 0, more: false, id: 5 } });
    const { sent } = node.encapsulate([big]);
    expect(sent).toHaveLength(6);
    expect(sent.flatMap(({ endpoint, bytes }) => far.decapsulate(endpoint, [bytes]))).toHaveLength(2);
    expect(node.drops).toEqual({});
  });
});

describe('packets of flows that stay on one path bypass the resequencer', () => {
  const spec = testSession({ paths: PATHS, flows: [rule({ action: 'paths', bids: [2] })] });

  test('they leave no gap in the numbers and are delivered at once', () => {
    const node = new BenchNode('lma').add(spec);
    const far = new BenchNode('mag').add(mirrored(spec));
    const { sent } = node.encapsulate([other, web, other, web, other].map((packet) => flowPacket(packet)));
    const sequenced = sent.filter((_, i) => i % 2 === 0);
    const unsequenced = sent.filter((_, i) => i % 2 === 1);
    // The first sequenced packet is missing: the others wait, web does not.
    expect(far.decapsulate(sequenced[1]!.endpoint, [sequenced[1]!.bytes])).toHaveLength(0);
    for (const { endpoint, bytes } of unsequenced) {
      expect(far.decapsulate(endpoint, [bytes])).toEqual([flowPacket(web)]);
    }
    expect(far.decapsulate(sequenced[0]!.endpoint, [sequenced[0]!.bytes])).toHaveLength(2);
    expect(far.decapsulate(sequenced[2]!.endpoint, [sequenced[2]!.bytes])).toHaveLength(1);
    expect(far.drops).toEqual({});
  });

  test('counters of the path count them too', () => {
    const node = new BenchNode('lma').add(spec);
    bids(node, web, 5);
    expect(node.sessions.status('mn1').paths[1]!.txPackets).toBe(5);
  });
});

describe('latency class', () => {
  const paths = [testPath(1, { delayUs: 30_000 }), testPath(2, { delayUs: 5000 })];
  const small = { packet: 300, rate: 100_000, burst: 2000 };
  const spec = testSession({ paths, latency: { dscp: [46], small } });
  const bulk: FlowPacket = { ...other, payload: 1200 };

  test('EF keeps to the path of the lowest delay, without numbers, and follows the estimates', () => {
    const node = new BenchNode('lma').add(spec);
    const ef: FlowPacket = { ...bulk, dscp: 46 };
    expect(bids(node, ef, 3)).toEqual([2, 2, 2]);
    node.sessions.setPathEstimates('mn1', 2, { delayUs: 50_000 });
    expect(bids(node, ef, 3)).toEqual([1, 1, 1]);
    expect(node.memory.u64[(node.memory.session(0) + L.SESSION_TICKET) / 8]).toBe(0n);
    expect(new Set(bids(node, bulk, 4))).toEqual(new Set([1, 2]));
  });

  test('small slow flows belong to it; bulk does not, and a flow that was bulk not before it was quiet', () => {
    const node = new BenchNode('lma').add(spec);
    const voice: FlowPacket = { ...other, protocol: 17, ports: [4000, 4001], payload: 160 };
    for (let i = 0; i < 200; i++) {
      node.now += 20_000;
      expect(bids(node, voice, 1)).toEqual([2]);
    }
    // 180 octets every millisecond are 1.4 Mbit/s: beyond the burst the flow is ordinary.
    const used: number[] = [];
    for (let i = 0; i < 40; i++) {
      node.now += 1000;
      used.push(...bids(node, voice, 1));
    }
    expect(used.slice(0, 8)).toEqual([2, 2, 2, 2, 2, 2, 2, 2]);
    expect(new Set(used.slice(20))).toEqual(new Set([1, 2]));
    const mixed: FlowPacket = { ...voice, ports: [5000, 5001] };
    bids(node, { ...mixed, payload: 1000 }, 1);
    expect(new Set(bids(node, mixed, 4))).toEqual(new Set([1, 2]));
    node.now += 1e6;
    expect(bids(node, mixed, 1)).toEqual([2]);
  });
});

test('negotiated flow bindings become rules: one BID a path, several copies, none a drop, by FID-PRI', () => {
  const selector = { family: 4, sourcePort: { start: 80, end: 80 } } as const;
  const rules = flowRules([
    { flow: 7, priority: 20, selector, bids: [1, 2] },
    { flow: 3, priority: 5, selector, bids: [2] },
    { flow: 9, priority: 30, selector, bids: null },
  ]);
  expect(rules).toEqual([
    { priority: 5, name: 'fid3', selectors: [selector], action: { action: 'paths', bids: [2] } },
    { priority: 20, name: 'fid7', selectors: [selector], action: { action: 'copies', bids: [1, 2] } },
    { priority: 30, name: 'fid9', selectors: [selector], action: { action: 'drop' } },
  ]);
});

test('sessions with the same rules share one classifier, and all of it is given back', () => {
  const flows = Array.from({ length: 200 }, (_, i): FlowRule => ({
    ...rule({ action: 'paths', bids: [1] }),
    priority: i + 1,
    selectors: [{ family: 4, sourcePort: { start: i * 10, end: i * 10 + 5 } }],
  }));
  const node = new BenchNode('lma', { heap: 2 << 20 });
  const spec = (i: number): SessionSpec =>
    testSession({
      name: `mn${i}`,
      prefixes: [`192.0.2.${i}/32`],
      receiveKey: 100 + i,
      sendKey: 200 + i,
      resequencer: { window: 64, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
      paths: PATHS,
      flows,
    });
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 20; i++) node.add(spec(i));
    for (let i = 0; i < 20; i++) node.sessions.update({ ...spec(i), clampMss: false });
    for (let i = 0; i < 20; i++) node.sessions.remove(`mn${i}`);
    node.grace.collect();
  }
  expect(node.sessions.size).toBe(0);
});
