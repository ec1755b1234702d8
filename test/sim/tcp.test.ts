/** The TCP models: do they fill a link, share it, recover, and have the shape of their names? */
import { expect, it } from 'vitest';
import { CONGESTION_CONTROLS } from '../../src/sim/spec.ts';
import { Simulation } from '../../src/sim/simulation.ts';
import { compileHotPath } from '../../src/dataplane/wasm.ts';
import { simulate, testLink, testSpec } from './support.ts';

const BULK = { model: 'tcp', octets: null } as const;

it.each(CONGESTION_CONTROLS)('%s fills a single link', (congestion) => {
  const spec = testSpec([testLink(20, 10)], [{ ...BULK, congestion }], { duration: 5e9 });
  const result = simulate(spec);
  expect(result.efficiency).toBeGreaterThan(0.85);
  expect(result.efficiency).toBeLessThan(0.98);
  expect(result.timeouts).toBe(0);
});

it.each(CONGESTION_CONTROLS)('%s delivers a file whole in spite of loss', (congestion) => {
  const loss = { model: 'gilbert-elliott', toBad: 0.005, toGood: 0.3, lossBad: 0.6, lossGood: 0 } as const;
  const spec = testSpec([testLink(20, 10, { loss })], [{ model: 'tcp', congestion, octets: 2_000_000 }], {
    duration: 20e9,
  });
  const result = simulate(spec);
  expect(result.flows[0]!.completion.count).toBe(1);
  expect(result.retransmits).toBeGreaterThan(0);
  // What is sent again is what was lost, and little more.
  expect(result.retransmits).toBeLessThan(
    result.conservation.lost * 1.5 + result.conservation.queueDrops * 1.5 + 10,
  );
});

it('Reno: the window is halved at a loss and grows by a segment a round trip', async () => {
  const module = await compileHotPath();
  const spec = testSpec([testLink(20, 20, { limit: 50_000 })], [{ ...BULK, congestion: 'reno' }], {
    duration: 20e9,
  });
  const simulation = new Simulation(module, { spec, seed: 1, distribution: {} });
  simulation.run();
  const { windows } = simulation.flows[0]!.flow.result();
  const later = windows.filter(({ time }) => time > 5e9);
  const highest = Math.max(...later.map(({ window }) => window));
  const lowest = Math.min(...later.map(({ window }) => window));
  // BDP 70 segments and a queue of 33: the saw's teeth are between half and all of it.
  expect(highest).toBeGreaterThan(85);
  expect(highest).toBeLessThan(125);
  expect(lowest / highest).toBeGreaterThan(0.4);
  expect(lowest / highest).toBeLessThan(0.6);
});

it('flows of one kind share a link fairly', () => {
  const spec = testSpec([testLink(40, 10)], [{ ...BULK, congestion: 'cubic', flows: 4 }], { duration: 15e9 });
  const result = simulate(spec);
  expect(result.fairness).toBeGreaterThan(0.8);
  expect(result.efficiency).toBeGreaterThan(0.88);
});

it('two equal paths carry twice as much as one', () => {
  const traffic = [{ ...BULK, congestion: 'cubic' }] as const;
  const spec = testSpec([testLink(20, 10), testLink(20, 10)], traffic, { duration: 5e9 });
  expect(simulate(spec).goodput).toBeGreaterThan(1.8 * 20e6 * 0.9);
});

it('requests are answered one after the other', () => {
  const requests = { model: 'requests', congestion: 'cubic', octets: 50_000, pause: 50e6 } as const;
  const { flows } = simulate(testSpec([testLink(50, 10)], [requests], { duration: 5e9 }));
  const { completion } = flows[0]!;
  expect(completion.count).toBeGreaterThan(20);
  // A round trip for the request and two more for 36 segments from a window of 10.
  expect(completion.p50).toBeGreaterThan(50);
  expect(completion.p50).toBeLessThan(110);
});

it('what a far slower path delivers late is not sent again for long: the reordering window learns, repetitions are taken back', () => {
  const spec = testSpec(
    [testLink(100, 5, { limit: 1 << 20 }), testLink(1, 40, { limit: 1 << 18 })],
    [{ ...BULK, congestion: 'cubic' }],
    { duration: 12e9 },
  );
  const { goodput, retransmits, timeouts } = simulate(spec, { scheduler: 'weighted' });
  // Every second packet takes the path of 1 Mbit/s.
  expect(goodput).toBeGreaterThan(0.75 * 2e6);
  expect(retransmits).toBeLessThan(330);
  expect(timeouts).toBe(0);
});

it('a connection is opened before data flow, and its segments are packets like others', () => {
  const small = { model: 'tcp', congestion: 'cubic', octets: 1000 } as const;
  const { flows, conservation } = simulate(testSpec([testLink(50, 10)], [small], { duration: 1e9 }));
  const { completion, stream } = flows[0]!;
  // SYN, SYN-ACK, ACK, data: two round trips but for the way back of the last acknowledgement.
  expect(completion.p50).toBeGreaterThan(40);
  expect(completion.p50).toBeLessThan(42);
  expect(stream.sent).toBe(2);
  expect(conservation.sent).toBe(5);
});

it('requests go on whatever is lost', () => {
  const loss = { model: 'random', probability: 0.1 } as const;
  const requests = { model: 'requests', congestion: 'cubic', octets: 20_000, pause: 50e6 } as const;
  const { flows } = simulate(testSpec([testLink(50, 10, { loss })], [requests], { duration: 60e9 }));
  expect(flows[0]!.completion.count).toBeGreaterThan(40);
  expect(flows[0]!.completion.max).toBeGreaterThan(1000);
});
