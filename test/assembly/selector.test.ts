/** Traffic selectors: the bit-vector classifier against its slow twin, over both families, fragments, ESP and AH. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import type { FlowAction, FlowRule, FlowSelector } from '../../src/dataplane/distribution-spec.ts';
import { mirrorSelector } from '../../src/dataplane/selector-compiler.ts';
import { selectorMatches } from '../reference/selector.ts';
import { BenchNode } from '../support/bench-node.ts';
import { type FlowPacket, flowPacket } from '../support/flow-packet.ts';
import { testPath, testSession } from '../support/session.ts';

const PATHS = [1, 2, 3].map((bid) => testPath(bid));
const HOSTS = {
  4: {
    mobile: ['192.0.2.1', '192.0.2.77'],
    far: ['203.0.113.0', '203.0.113.9', '198.51.100.200', '8.0.0.0'],
  },
  6: {
    mobile: ['2001:db8:cafe::1', '2001:db8:cafe::ffff:0:1'],
    far: ['2001:db8:1::1', '2001:db8:ffff::', '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8:1:0:1::'],
  },
} as const;

function range<T>(
  values: fc.Arbitrary<T>,
  less: (a: T, b: T) => boolean,
): fc.Arbitrary<{ start: T; end: T } | undefined> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: values.map((value) => ({ start: value, end: value })) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(values, values)
        .map(([a, b]) => (less(b, a) ? { start: b, end: a } : { start: a, end: b })),
    },
  );
}
const numberRange = (values: fc.Arbitrary<number>): ReturnType<typeof range<number>> =>
  range(values, (a, b) => a < b);

const ports = fc.constantFrom(0, 53, 80, 443, 1024, 5000, 65535);
const protocols = fc.constantFrom(1, 6, 17, 50, 51, 58, 132, 255);
const labels = fc.constantFrom(0, 1, 0x12345, 0xfffff);
const spis = fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff);
const dscps = fc.constantFrom(0, 8, 46, 63);

function selectors(family: 4 | 6): fc.Arbitrary<FlowSelector> {
  const address = (list: readonly string[]) =>
    range(fc.constantFrom(...list), (a, b) => list.indexOf(a) < list.indexOf(b));
  const sorted = (list: readonly string[]) =>
    [...list].sort((a, b) =>
      selectorMatches({ family, source: { start: a, end: b } }, probe(family, b)) ? -1 : 1,
    );
  return fc
    .record({
      source: address(sorted(HOSTS[family].far)),
      destination: address(sorted(HOSTS[family].mobile)),
      sourcePort: numberRange(ports),
      destinationPort: numberRange(ports),
      protocol: numberRange(protocols),
      spi: numberRange(spis),
      ...(family === 6 ? { flowLabel: numberRange(labels) } : {}),
      trafficClass: numberRange(dscps.map((dscp) => (dscp << 2) | 1)),
    })
    .map((given) => ({
      family,
      ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as object),
    }));
}

function probe(family: 4 | 6, source: string): FlowPacket {
  return { family, source, destination: HOSTS[family].mobile[0], protocol: 6 };
}

function packets(family: 4 | 6): fc.Arbitrary<FlowPacket> {
  return fc.record({
    family: fc.constant(family),
    source: fc.constantFrom(...HOSTS[family].far),
    destination: fc.constantFrom(...HOSTS[family].mobile),
    protocol: protocols.filter((protocol) => family === 4 || protocol !== 51),
    ports: fc.tuple(ports, ports),
    spi: spis,
    dscp: dscps,
    label: labels,
    ...(family === 6 ? { extensions: fc.subarray([0, 43, 60, 51]) } : {}),
  });
}

/** A rule a path: 1, 2, 3 by turns, every fourth drops. */
function actionOf(i: number): FlowAction {
  return i % 4 === 3 ? { action: 'drop' } : { action: 'paths', bids: [(i % 4) + 1] };
}

/** BID by which a downlink packet leaves the LMA; 0: dropped. */
function bidOf(node: BenchNode, packet: FlowPacket): number {
  const before = node.drops['policy'] ?? 0;
  const { sent } = node.encapsulate([flowPacket(packet)]);
  if ((node.drops['policy'] ?? 0) > before) return 0;
  expect(sent).toHaveLength(1);
  return sent[0]!.endpoint + 1;
}

describe.each([4, 6] as const)('IPv%i', (family) => {
  test('the first rule by priority decides, as the slow twin says', () => {
    fc.assert(
      fc.property(
        fc.array(selectors(family), { minLength: 1, maxLength: 130 }),
        fc.array(packets(family), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        (list, traffic, backwards) => {
          const rules = list.map((selector, i): FlowRule => ({
            priority: i + 1,
            name: '',
            selectors: [selector],
            action: actionOf(i),
          }));
          // Only path 3 has weight, so that what no rule names is told apart from rules for paths 1 and 2.
          const node = new BenchNode('lma').add(
            testSession({
              paths: PATHS.map((path) => ({ ...path, weight: path.bid === 3 ? 1 : 0 })),
              flows: backwards ? [...rules].reverse() : rules,
            }),
          );
          for (const packet of [...traffic, ...traffic]) {
            const rule = rules.find(({ selectors: [selector] }) => selectorMatches(selector!, packet));
            const action = rule?.action ?? { action: 'paths', bids: [3] };
            expect(bidOf(node, packet), JSON.stringify({ packet, rule })).toBe(
              action.action === 'paths' ? action.bids[0] : 0,
            );
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

test('a verdict is asked of the classifier once a flow, and again after its conditions changed', () => {
  const packet: FlowPacket = { ...probe(4, '203.0.113.9'), ports: [80, 5000] };
  const rule = (bid: number): FlowRule => ({
    priority: 1,
    name: 'web',
    selectors: [{ family: 4, protocol: { start: 6, end: 6 } }],
    action: { action: 'paths', bids: [bid] },
  });
  const node = new BenchNode('lma').add(testSession({ paths: PATHS, flows: [rule(1)] }));
  const classified = (): number =>
    node.memory.counter(node.worker + L.WORKER_COUNTERS + L.COUNTER_CLASSIFIED);
  for (let i = 0; i < 10; i++) expect(bidOf(node, packet)).toBe(1);
  expect(classified()).toBe(1);
  node.sessions.update(testSession({ paths: PATHS, flows: [rule(2)] }));
  for (let i = 0; i < 10; i++) expect(bidOf(node, packet)).toBe(2);
  // The same conditions: which rule it is is still known.
  expect(classified()).toBe(1);
  const other = { ...rule(1), selectors: [{ family: 4 as const, protocol: { start: 17, end: 17 } }] };
  node.sessions.update(testSession({ paths: PATHS, flows: [other, { ...rule(3), priority: 2 }] }));
  for (let i = 0; i < 10; i++) expect(bidOf(node, packet)).toBe(3);
  expect(classified()).toBe(2);
});

test('a range that ends before it starts, as a peer may say, matches nothing', () => {
  const { far } = HOSTS[6];
  const reversed: FlowSelector[] = [
    { family: 6, source: { start: far[1], end: far[2] } },
    { family: 6, flowLabel: { start: 0x12345, end: 0x10_0000 } },
  ];
  for (const selector of reversed) {
    const drop: FlowRule = { priority: 1, name: 'r', selectors: [selector], action: { action: 'drop' } };
    const node = new BenchNode('lma').add(testSession({ paths: PATHS, flows: [drop] }));
    for (const source of far) {
      for (const label of [0, 1, 0x12345, 0xfffff]) {
        expect(bidOf(node, { ...probe(6, source), label })).toBeGreaterThan(0);
      }
    }
  }
});

test('a verdict about a flow is not that of the same ports behind another authentication header', () => {
  const drop: FlowRule = {
    priority: 1,
    name: 'ah',
    selectors: [{ family: 6, spi: { start: 0, end: 7 } }],
    action: { action: 'drop' },
  };
  const node = new BenchNode('lma').add(testSession({ paths: PATHS, flows: [drop] }));
  const plain: FlowPacket = { ...probe(6, HOSTS[6].far[0]), ports: [80, 5000] };
  const behind = (spi: number): FlowPacket => ({ ...plain, extensions: [51], spi });
  for (let turn = 0; turn < 2; turn++) {
    expect(bidOf(node, plain)).toBeGreaterThan(0);
    expect(bidOf(node, behind(0))).toBe(0);
    expect(bidOf(node, behind(7))).toBe(0);
    expect(bidOf(node, behind(8))).toBeGreaterThan(0);
  }
});

test('the MAG applies a selector with source and destination exchanged', () => {
  const downlink: FlowPacket = { ...probe(6, '2001:db8:1::1'), protocol: 17, ports: [53, 4000] };
  const uplink: FlowPacket = {
    ...downlink,
    source: downlink.destination,
    destination: downlink.source,
    ports: [4000, 53],
  };
  const flows: FlowRule[] = [
    {
      priority: 1,
      name: 'dns',
      selectors: [
        {
          family: 6,
          source: { start: '2001:db8:1::1', end: '2001:db8:1::1' },
          sourcePort: { start: 53, end: 53 },
        },
      ],
      action: { action: 'paths', bids: [2] },
    },
  ];
  const session = testSession({
    paths: PATHS.map((path) => ({ ...path, weight: path.bid === 2 ? 0 : 1 })),
    flows,
  });
  expect(bidOf(new BenchNode('lma').add(session), downlink)).toBe(2);
  expect(bidOf(new BenchNode('mag').add(session), uplink)).toBe(2);
  expect(mirrorSelector(mirrorSelector(flows[0]!.selectors[0]!))).toEqual(flows[0]!.selectors[0]);
});

test('a fragment follows the first one by its ports; without it, rules for ports do not match', () => {
  const flow = { ...probe(4, '203.0.113.9'), protocol: 17, ports: [53, 4000] as const };
  const flows: FlowRule[] = [
    {
      priority: 1,
      name: 'dns',
      selectors: [{ family: 4, sourcePort: { start: 53, end: 53 } }],
      action: { action: 'paths', bids: [2] },
    },
  ];
  const node = new BenchNode('lma').add(
    testSession({ paths: PATHS.map((path) => ({ ...path, weight: path.bid === 1 ? 1 : 0 })), flows }),
  );
  expect(bidOf(node, { ...flow, fragment: { offset: 1400, more: false, id: 7 } })).toBe(1);
  expect(bidOf(node, { ...flow, fragment: { offset: 0, more: true, id: 8 } })).toBe(2);
  expect(bidOf(node, { ...flow, fragment: { offset: 1400, more: true, id: 8 } })).toBe(2);
  expect(bidOf(node, { ...flow, fragment: { offset: 2800, more: false, id: 8 } })).toBe(2);
  expect(bidOf(node, { ...flow, fragment: { offset: 1400, more: false, id: 9 } })).toBe(1);
});
