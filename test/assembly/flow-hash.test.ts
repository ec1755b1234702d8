/** Per-flow distribution: flows stay whole, shares follow the weights, and only the flows move that have to. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { flowSlots } from '../../src/dataplane/flow-slots.ts';
import { BenchNode } from '../support/bench-node.ts';
import { DistributionBench } from '../support/distribution-bench.ts';
import { type FlowPacket, flowPacket } from '../support/flow-packet.ts';
import { testPath, testSession } from '../support/session.ts';

const weights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 });
const asPaths = (list: readonly number[]): { bid: number; weight: number }[] =>
  list.map((weight, i) => ({ bid: i + 1, weight }));
const bidsOf = (paths: readonly { bid: number; weight: number }[]): number[] =>
  [...flowSlots(paths)].map((i) => paths[i]!.bid);

describe('slots', () => {
  test('follow the weights', () => {
    fc.assert(
      fc.property(weights, (list) => {
        const paths = asPaths(list);
        const total = list.reduce((a, b) => a + b);
        const bids = bidsOf(paths);
        for (const { bid, weight } of paths) {
          const share = weight / total;
          const measured = bids.filter((other) => other === bid).length / bids.length;
          // Five standard deviations of 4096 independent slots.
          expect(Math.abs(measured - share)).toBeLessThan(
            5 * Math.sqrt((share * (1 - share)) / L.FLOW_SLOTS) + 1e-9,
          );
        }
      }),
    );
  });

  test('a path that goes gives only its own slots away; one that comes only takes', () => {
    fc.assert(
      fc.property(
        weights.filter((list) => list.length > 1),
        fc.nat(),
        (list, n) => {
          const all = asPaths(list);
          const gone = (n % all.length) + 1;
          const before = bidsOf(all);
          const after = bidsOf(all.filter(({ bid }) => bid !== gone));
          before.forEach((bid, slot) => {
            if (bid !== gone) expect(after[slot]).toBe(bid);
          });
        },
      ),
    );
  });

  test('a path whose weight grows only takes slots, one whose weight falls only gives some', () => {
    fc.assert(
      fc.property(weights, fc.nat(), fc.integer({ min: 1, max: 50 }), (list, n, more) => {
        const i = n % list.length;
        const small = bidsOf(asPaths(list));
        const large = bidsOf(asPaths(list.map((weight, j) => (i === j ? weight + more : weight))));
        small.forEach((bid, slot) => {
          if (large[slot] !== i + 1) expect(large[slot]).toBe(bid);
        });
      }),
    );
  });

  test('the order in which paths are listed does not matter', () => {
    const paths = asPaths([3, 1, 4, 1, 5]);
    expect(bidsOf([...paths].reverse())).toEqual(bidsOf(paths));
  });
});

const FLOWS = 400;
const pathsOf = (bench: DistributionBench): number[] =>
  Array.from({ length: FLOWS }, (_, flow) => bench.send(200, flow)[0]!);

test('flows in the hot path: all packets on one path, none moves but those of the path that is gone, and they come back', () => {
  const bench = new DistributionBench([{ weight: 3 }, { weight: 2 }, { weight: 1 }], {
    scheduler: 'flow-hash',
  });
  const before = pathsOf(bench);
  expect(new Set(before)).toEqual(new Set([0, 1, 2]));
  expect(pathsOf(bench)).toEqual(before);
  bench.node.sessions.setPathState('mn1', 2, 'down');
  const without = pathsOf(bench);
  without.forEach((path, flow) => {
    if (before[flow] === 1) expect(path).not.toBe(1);
    else expect(path).toBe(before[flow]);
  });
  bench.node.sessions.setPathState('mn1', 2, 'up');
  expect(pathsOf(bench)).toEqual(before);
  bench.node.sessions.setWeights('mn1', new Map([[3, 4]]));
  pathsOf(bench).forEach((path, flow) => {
    if (path !== 2) expect(path).toBe(before[flow]);
  });
});

test('a flow is moved on purpose, comes back when let go, and the pin is forgotten when unused', () => {
  const bench = new DistributionBench([{ weight: 1 }, { weight: 1 }], { scheduler: 'flow-hash' });
  const home = bench.send(200, 7)[0]!;
  const other = 1 - home;
  const flow = {
    protocol: 17,
    source: '203.0.113.9',
    destination: '192.0.2.10',
    sourcePort: 443,
    destinationPort: 1031,
  };
  const move = (bid: number | null): void => bench.node.sessions.moveFlow('mn1', flow, bid, bench.node.now);
  const others = pathsOf(bench).filter((_, i) => i !== 7);
  move(other + 1);
  expect(bench.send(200, 7)).toEqual([other]);
  expect(pathsOf(bench).filter((_, i) => i !== 7)).toEqual(others);
  move(null);
  expect(bench.send(200, 7)).toEqual([home]);
  move(other + 1);
  // Used every 200 s it stays; unused for 301 s it goes.
  for (let i = 0; i < 3; i++) {
    bench.node.now += 200e6;
    expect(bench.send(200, 7)).toEqual([other]);
  }
  bench.node.now += 301e6;
  expect(bench.send(200, 7)).toEqual([home]);
  expect(() => bench.node.sessions.moveFlow('mn1', flow, 9, 0)).toThrow(/no path with BID 9/);
  expect(() => bench.node.sessions.moveFlow('mn1', { ...flow, destination: '198.51.100.77' }, 1, 0)).toThrow(
    /no address/,
  );
  const plain = new DistributionBench([{ weight: 1 }], { scheduler: 'weighted' });
  expect(() => plain.node.sessions.moveFlow('mn1', flow, 1, 0)).toThrow(/keeps flows on paths/);
});

describe('flow keys', () => {
  const node = new BenchNode('lma').add(
    testSession({ paths: [testPath(1), testPath(2)], distribution: { scheduler: 'flow-hash' } }),
  );
  const keyOf = (packet: FlowPacket): bigint => {
    expect(node.encapsulate([flowPacket(packet)]).sent).toHaveLength(1);
    return node.memory.view.getBigUint64(node.worker + L.WORKER_FLOW, true);
  };
  const udp4: FlowPacket = {
    family: 4,
    source: '203.0.113.9',
    destination: '192.0.2.10',
    protocol: 17,
    ports: [1000, 2000],
  };
  const udp6: FlowPacket = { ...udp4, family: 6, source: '2001:db8:1::1', destination: '2001:db8:cafe::10' };

  test.each<[string, FlowPacket, FlowPacket]>([
    ['DSCP does not count', udp4, { ...udp4, dscp: 46 }],
    ['the flow label does not count where there are ports', udp6, { ...udp6, label: 77 }],
    ['extension headers do not count', udp6, { ...udp6, extensions: [0, 60] }],
    ['length does not count', udp4, { ...udp4, payload: 500 }],
  ])('%s', (_, a, b) => expect(keyOf(a)).toBe(keyOf(b)));

  test.each<[string, FlowPacket, FlowPacket]>([
    ['ports', udp4, { ...udp4, ports: [1000, 2001] }],
    ['ports exchanged', udp4, { ...udp4, ports: [2000, 1000] }],
    ['protocol', udp4, { ...udp4, protocol: 6 }],
    ['source', udp4, { ...udp4, source: '203.0.113.10' }],
    ['destination', udp6, { ...udp6, destination: '2001:db8:cafe::11' }],
    ['SPI', { ...udp4, protocol: 50, spi: 1 }, { ...udp4, protocol: 50, spi: 2 }],
    ['flow label without ports', { ...udp6, protocol: 58, label: 1 }, { ...udp6, protocol: 58, label: 2 }],
  ])('%s counts', (_, a, b) => expect(keyOf(a)).not.toBe(keyOf(b)));

  test.each([4, 6] as const)(
    'IPv%i fragments go with their first one, or by addresses and protocol',
    (family) => {
      const base = family === 4 ? udp4 : udp6;
      const piece = (offset: number, more: boolean, id: number): FlowPacket => ({
        ...base,
        fragment: { offset, more, id },
      });
      const whole = keyOf(base);
      expect(keyOf(piece(0, true, 1))).toBe(whole);
      expect(keyOf(piece(1400, true, 1))).toBe(whole);
      expect(keyOf(piece(2800, false, 1))).toBe(whole);
      const orphan = keyOf(piece(1400, false, 2));
      expect(orphan).not.toBe(whole);
      expect(keyOf({ ...piece(1400, false, 3), ports: [9, 9] })).toBe(orphan);
      // RFC 6946: an atomic fragment is a whole packet.
      if (family === 6) expect(keyOf(piece(0, false, 4))).toBe(whole);
    },
  );

  test('a million flows fill the table and forget each other, but every packet is sent', () => {
    const small = new DistributionBench([{ weight: 1 }, { weight: 1 }], {
      scheduler: 'flowlet',
      gapUs: 1000,
    });
    for (let flow = 0; flow < 20_000; flow++) expect(small.send(60, flow)).toHaveLength(1);
    expect(small.node.drops).toEqual({});
  });
});

test('flowlets change the path after a pause longer than the measured delay difference', () => {
  const bench = new DistributionBench(
    [
      { weight: 1, delayUs: 10_000, jitterUs: 0 },
      { weight: 1, delayUs: 40_000, jitterUs: 5000 },
    ],
    { scheduler: 'flowlet' },
  );
  const first = bench.send(500, 1);
  // 35 ms between them: a pause of 34 ms keeps the path, one of 36 ms gives it the next turn.
  bench.node.now += 34_000;
  expect(bench.send(500, 1)).toEqual(first);
  bench.node.now += 36_000;
  expect(bench.send(500, 1)).toEqual([1 - first[0]!]);
  bench.node.sessions.setPathEstimates('mn1', 2, { delayUs: 80_000 });
  bench.node.now += 70_000;
  expect(bench.send(500, 1)).toEqual([1 - first[0]!]);
});
