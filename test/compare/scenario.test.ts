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
    '{ model: tcp }\nevents:\n  - { at: 1s, bid: 9, state: down }',
    'small.yaml:10:20: events[0].bid: there is no path with BID 9',
  ],
  [
    '{ model: tcp }',
    '{ model: tcp }\nevents:\n  - { at: 1s, bid: 1 }',
    'events[0]: expected one of state, weight, link',
  ],
])('%s -> %s', (from, to, message) => {
  expect(() => parseScenario(GOOD.replace(from, to), 'small.yaml')).toThrow(message);
});
