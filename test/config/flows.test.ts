/** The distribution policy in configuration files and requests: what it becomes, and that errors name the place. */
import { describe, expect, test } from 'vitest';
import { loadConfig, parseConfig, withFlows, withScheduler } from '../../src/config/load.ts';
import type { SessionSpec } from '../../src/dataplane/session-spec.ts';

const EXAMPLE = new URL('../../src/config/example-flows.yaml', import.meta.url).pathname;

function config(session: string, more = ''): SessionSpec {
  return parseConfig(
    `role: lma
${more}sessions:
  - name: mn1
    prefixes: [192.0.2.0/24]
    sendKey: 1
    receiveKey: 2
    paths:
      - { bid: 1, local: 198.51.100.1, remote: 203.0.113.1, label: 11 }
      - { bid: 2, local: 198.51.100.2, remote: 203.0.113.1, label: 9, weight: 3 }
${session}`,
    'x.yaml',
  ).sessions[0]!;
}
const flows = (...rules: string[]): string =>
  `    flows:\n${rules.map((rule) => `      - ${rule}\n`).join('')}`;

test('the example of RFC 8278, figure 1', () => {
  const [session] = loadConfig(EXAMPLE).sessions;
  expect(session!.distribution).toEqual({ scheduler: 'flow-hash' });
  expect(session!.flows!.map(({ priority, name, action }) => [priority, name, action])).toEqual([
    [10, 'flow 1', { action: 'paths', bids: [1] }],
    [20, 'flow 3', { action: 'labels', labels: [11] }],
    [30, 'flow 2', { action: 'labels', labels: [9, 11] }],
    [40, 'flow 4', { action: 'paths', bids: [1, 2], weights: { 1: 1, 2: 2 } }],
  ]);
  expect(session!.flows![3]!.selectors).toEqual([
    {
      family: 4,
      source: { start: '203.0.113.0', end: '203.0.113.255' },
      protocol: { start: 17, end: 17 },
      sourcePort: { start: 7000, end: 7099 },
    },
  ]);
  expect(session!.paths[0]).toMatchObject({ label: 11, rate: 50e6, delayUs: 30_000 });
});

test('lists that multiply to millions are refused without being multiplied out', () => {
  const list = (count: number): string => `[${Array.from({ length: count }, (_, i) => i).join(', ')}]`;
  const rule = `{ sourcePort: ${list(256)}, destinationPort: ${list(256)}, spi: ${list(256)}, dscp: ${list(64)}, drop: true }`;
  expect(() => config(flows(rule))).toThrow('flows[0]: comes to more than 1024 combinations of conditions');
});

test('lists are multiplied out, families follow the addresses', () => {
  const [rule] = config(
    flows(
      '{ protocol: [tcp, udp], sourcePort: [80, "8000-8009"], source: [203.0.113.9, "2001:db8::/64"], dscp: [ef, 10-12], drop: true }',
    ),
  ).flows!;
  expect(rule!.selectors).toHaveLength(2 * 2 * 2 * 2);
  expect(rule!.selectors.filter(({ family }) => family === 6)[0]).toEqual({
    family: 6,
    source: { start: '2001:db8::', end: '2001:db8::ffff:ffff:ffff:ffff' },
    protocol: { start: 6, end: 6 },
    sourcePort: { start: 80, end: 80 },
    trafficClass: { start: 184, end: 187 },
  });
  const both = config(flows('{ services: [dns], path: 1 }')).flows![0]!.selectors;
  expect(new Set(both.map(({ family }) => family))).toEqual(new Set([4, 6]));
  expect(config(flows('{ flowLabel: 0x1-0xfffff, path: 1 }')).flows![0]!.selectors).toEqual([
    { family: 6, flowLabel: { start: 1, end: 0xfffff } },
  ]);
});

test('priorities count on from the one before', () => {
  const rules = config(
    flows('{ priority: 7, path: 1 }', '{ path: 2 }', '{ priority: 3, drop: true }'),
  ).flows!;
  expect(rules.map(({ priority }) => priority)).toEqual([7, 17, 3]);
});

test('scheduler, parameters and latency class; defaults may give them', () => {
  const session = config(
    '    distribution: { gap: 20ms, seed: 9 }\n',
    'defaults: { scheduler: flowlet, distribution: { queue: 3ms, gap: auto }, latency: { small: true } }\n',
  );
  expect(session.distribution).toEqual({ scheduler: 'flowlet', queueUs: 3000, gapUs: 20_000, seed: 9 });
  expect(session.latency).toEqual({ dscp: [46], small: { packet: 320, rate: 150_000, burst: 4000 } });
  expect(config('').distribution).toBeUndefined();
});

describe('errors', () => {
  test.each<[string, RegExp]>([
    [flows('{ path: 3 }'), /x\.yaml:11:9: sessions\[0\]\.flows\[0\]: there is no path with BID 3/],
    [flows('{ label: 5 }'), /flows\[0\]: no path has label 5/],
    [flows('{ protocol: tcp }'), /flows\[0\]: got no action, expected exactly one of path, paths/],
    [flows('{ path: 1, drop: true }'), /flows\[0\]\.drop: got path and drop, expected exactly one/],
    [flows('{ path: 1, scheduler: edpf }'), /flows\[0\]\.scheduler: goes with paths, label or labels only/],
    [flows('{ services: [dns, htttp], path: 1 }'), /flows\[0\]\.services: there is no service "htttp"/],
    [flows('{ services: toString, path: 1 }'), /flows\[0\]\.services: there is no service "toString"/],
    [flows('{ sourcePort: constructor, path: 1 }'), /flows\[0\]\.sourcePort: got "constructor"/],
    [flows('{ sourcePort: 80-70, path: 1 }'), /flows\[0\]\.sourcePort: got "80-70", expected a port/],
    [
      flows('{ sourcePort: [80, 70000], path: 1 }'),
      /flows\[0\]\.sourcePort\[1\]: got 70000, expected a port/,
    ],
    [
      flows('{ source: 192.0.2.1/24, path: 1 }'),
      /flows\[0\]\.source: got "192.0.2.1\/24", expected a prefix/,
    ],
    [flows('{ source: 192.0.2.9-192.0.2.1, path: 1 }'), /flows\[0\]\.source: got/],
    [flows('{ source: 192.0.2.9, destination: "2001:db8::1", path: 1 }'), /flows\[0\]: matches nothing/],
    [flows('{ dscp: eff, path: 1 }'), /flows\[0\]\.dscp: got "eff", expected a DSCP 0..63 or a name/],
    [flows('{ paths: { 1: 0, 2: 1 } }'), /flows\[0\]\.paths/],
    [flows('{ paths: { 1: 65535, 2: 65534 } }'), /flows\[0\]: weights 65535:65534 make a period/],
    [flows('{ copies: [1, 1] }'), /flows\[0\]: a BID is named twice/],
    [flows('{ pth: 1 }'), /flows\[0\]\.pth: there is no such key; did you mean path/],
    ['    scheduler: flowhash\n', /scheduler: got "flowhash", expected one of weighted/],
    ['    distribution: { gap: 5 }\n', /distribution\.gap: .*auto or a duration/],
  ])('%s', (session, message) => {
    expect(() => config(session)).toThrow(message);
  });

  test('copies and splitting without sequence numbers', () => {
    const ipip = 'defaults: { encapsulation: ipip }\n';
    expect(() => config(flows('{ copies: [1, 2] }') + '    allowReordering: true\n', ipip)).toThrow(
      /copies need sequence/,
    );
    expect(() => config('    scheduler: redundant\n    allowReordering: true\n', ipip)).toThrow(
      /copies need sequence/,
    );
    expect(() => config('', ipip)).toThrow(/scheduler: flow-hash/);
    expect(config('    scheduler: flow-hash\n', ipip).paths).toHaveLength(2);
    expect(() => config('    scheduler: flow-hash\n' + flows('{ paths: [1, 2] }'), ipip)).toThrow(
      /no sequence number/,
    );
  });
});

test('changes by request: they replace what was there, and say what is wrong', () => {
  const before = config('    distribution: { seed: 4 }\n');
  expect(withScheduler(before, { scheduler: 'random' }).distribution).toEqual({
    seed: 4,
    scheduler: 'random',
  });
  expect(() => withScheduler(before, { scheduler: 'rnd' })).toThrow(/scheduler: got "rnd"/);
  expect(withFlows(before, [{ services: 'dns', path: 2 }]).flows).toHaveLength(1);
  expect(() => withFlows(before, [{ path: 9 }])).toThrow(/flows\[0\]: there is no path with BID 9/);
  expect(() => withFlows(before, {})).toThrow(/a list/);
});
