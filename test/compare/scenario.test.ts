/** Scenario files: the library, and what bad ones are told. */
import { expect, it } from 'vitest';
import { libraryNames, scenarioFile } from '../../src/compare/library.ts';
import { loadScenario, parseScenario } from '../../src/compare/scenario.ts';

const GOOD = `name: small
description: two links
duration: 500ms
paths:
  - { bid: 1, link: { rate: 10mbit/20mbit, delay: 10ms } }
  - { bid: 2, link: { rate: 5mbit, delay: 20ms } }
traffic:
  - { model: tcp }
`;

it('has at least twelve scenarios, each by its own name', () => {
  const names = libraryNames();
  expect(names.length).toBeGreaterThanOrEqual(12);
  for (const name of names) expect(loadScenario(scenarioFile(name)).name).toBe(name);
});

it('reads links of both directions and fills the rest in', () => {
  const { spec } = parseScenario(GOOD, 'small.yaml');
  expect(spec.duration).toBe(500e6);
  expect(spec.paths[0]!.uplink).toMatchObject({ rate: 10e6, delay: 10_000 });
  expect(spec.paths[0]!.downlink.rate).toBe(20e6);
  expect(spec.traffic[0]).toMatchObject({
    model: 'tcp',
    congestion: 'cubic',
    direction: 'downlink',
    stop: 500e6,
  });
});

it.each([
  ['paths:', 'path:', 'small.yaml:4:1: path: there is no such key; did you mean paths?'],
  ['delay: 20ms', 'delay: soon', 'small.yaml:6:21: paths[1].link: delay=soon: expected a time up to 10s'],
  ['bid: 2', 'bid: 1', 'small.yaml:6:12: paths[1].bid: BID 1 is used twice'],
  ['bid: 2', 'bid: 255', '255 is reserved, expected 1..254 (RFC 8278 §4.1)'],
  ['{ model: tcp }', '{ model: constant, rate: 1mbit }', 'traffic[0]: model constant needs packet'],
  [
    '{ model: tcp }',
    '{ model: udp }',
    'small.yaml:8:14: traffic[0].model: got "udp", expected one of constant',
  ],
  ['rate: 5mbit, ', '', 'paths[1].link: a link needs a rate or a trace'],
  ['{ model: tcp }', '{ model: pcap, file: none.pcap }', 'traffic[0].file: none.pcap: ENOENT'],
  [
    '{ model: tcp }',
    '{ model: tcp }\nevents:\n  - { at: 100ms, bid: 9, state: down }',
    'small.yaml:10:23: events[0].bid: there is no path with BID 9',
  ],
  [
    '{ model: tcp }',
    '{ model: tcp }\nevents:\n  - { at: 100ms, bid: 1 }',
    'events[0]: expected one of state, weight, link',
  ],
  [
    '{ model: tcp }',
    '{ model: tcp }\nevents:\n  - { at: 500ms, bid: 1, state: down }',
    'small.yaml:10:11: events[0].at: comes when the run is over',
  ],
  [
    '{ model: tcp }',
    '{ model: tcp, rate: 3mbit }',
    'small.yaml:8:19: traffic[0].rate: model tcp has no rate',
  ],
  [
    '{ model: tcp }',
    '{ model: poisson, rate: 1mbit, packet: 100, congestion: reno }',
    'traffic[0].congestion: model poisson has no congestion',
  ],
  ['{ model: tcp }', '{ model: tcp, start: 1s }', 'traffic[0].start: starts when the run is over'],
  ['{ model: tcp }', '{ model: tcp, start: 2ms, stop: 1ms }', 'traffic[0].stop: stops before it starts'],
  [
    '{ model: tcp }',
    '{ model: on-off, rate: 1mbit, packet: 100, on: 0ms, off: 0ms }',
    'traffic[0].on: got "0ms", expected at least 0.000001s',
  ],
  [
    '{ model: tcp }',
    '{ model: tcp }\nresequencer: { minWait: 20ms, maxWait: 10ms }',
    'small.yaml:9:25: resequencer.minWait: is longer than maxWait',
  ],
  ['rate: 5mbit', 'rate: 5mbit, trace: x', 'paths[1].link: a link has a rate or a trace, not both'],
  ['rate: 5mbit', 'rate: 5mbit/1mbit/2mbit', 'rate=5mbit/1mbit/2mbit: expected one value, or one for each'],
])('%s -> %s', (from, to, message) => {
  expect(() => parseScenario(GOOD.replace(from, to), 'small.yaml')).toThrow(message);
});

it('an event with a rate ends a trace', () => {
  const events = '\nevents:\n  - { at: 100ms, bid: 2, link: { rate: 1mbit } }';
  const { spec } = parseScenario(GOOD.replace('{ model: tcp }', `{ model: tcp }${events}`), 'small.yaml');
  expect(spec.events[0]).toMatchObject({ downlink: { rate: 1e6, trace: null } });
});
