/** The configuration of the MAG: the example is complete and loads, the document has every key, errors name line and key. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadMagConfig, parseMagConfig } from '../../src/config/mag-config.ts';
import { magSchema } from '../../src/config/mag-schema.ts';
import { allKeys } from '../../src/config/schema-keys.ts';

const EXAMPLE = new URL('../../src/config/mag-example.yaml', import.meta.url).pathname;

test('the example loads', () => {
  const config = loadMagConfig(EXAMPLE);
  expect(config.machine.interfaces).toMatchObject([
    { name: 'lte0', bid: 1, technology: 8, metrics: { uplinkRate: 50e6, latency: 30_000, loss: 1000 } },
    { name: 'dsl0', bid: 2, technology: 2, careOf: '203.0.113.20', metrics: { weight: 2 } },
  ]);
  expect(config.gateways).toEqual([{ local: '203.0.113.20', via: '203.0.113.1', interface: 'dsl0' }]);
  expect(config.keys.map(({ prefix }) => prefix)).toEqual(['2001:db8:f::1/128', '198.51.100.1/32']);
  expect(config.access.map(({ nodes }) => nodes.by)).toEqual(['interface', 'link-layer']);
  expect(config.machine).toMatchObject({ lifetime: 600, refreshBefore: 40, firstTimeout: 1000 });
});

test('every key of the schema is in docs/mag.md, lma.md or configuration.md, and every key of the first level in the example', () => {
  const docs = ['mag', 'lma', 'configuration'].map((name) =>
    readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8'),
  );
  for (const key of allKeys(magSchema)) {
    const name = key.split('.').at(-1)!.replace('[]', '');
    expect(docs.some((text) => text.includes(name)) ? '' : key).toBe('');
  }
  const example = parse(readFileSync(EXAMPLE, 'utf8')) as object;
  const first = allKeys(magSchema).filter((key) => /^\w+$/.test(key));
  expect(Object.keys(example).sort()).toEqual(first.sort());
});

const base = `identity: mag1@example.org
lma: { ipv6: 2001:db8:f::1 }
interfaces:
  - { name: wan0, bid: 1, label: 1 }
  - { name: wan1, bid: 2, label: 2 }
`;

test('the smallest file', () => {
  const { machine } = parseMagConfig(base, 'x.yaml');
  expect(machine.heartbeat).toEqual({ intervalSeconds: 60, missingAllowed: 3 });
  expect(machine.interfaces[0]).toMatchObject({ technology: 1, priority: 0, careOf: null, mtu: 1500 });
});

test.each([
  ['bid: 2', 'bid: 1', /x\.yaml:5:\d+: interfaces\[1\]\.bid: BID 1 is that of interfaces\[0\]/],
  ['wan1', 'wan0', /interfaces\[1\]\.name: wan0 is interfaces\[0\] already/],
  ['ipv6: 2001:db8:f::1', 'ipv6: 192.0.2.1', /lma\.ipv6: 192\.0\.2\.1 is not an IPv6 address/],
  ['{ ipv6: 2001:db8:f::1 }', '{}', /x\.yaml:2:\d+: lma: expected ipv6, ipv4 or both/],
  ['label: 2 }', 'label: 2, gateway: 192.0.2.1 }', /gateway: a gateway needs careOf/],
  ['label: 2 }', 'label: 2, metrics: { uplinkRate: 50 } }', /uplinkRate: got 50, expected a rate/],
  [
    'label: 2 }',
    'label: 2 }\naccess: [{ name: wan0, node: a@b }]',
    /access\[0\]\.name: wan0 is used in interfaces/,
  ],
  ['label: 2 }', 'label: 2 }\naccess: [{ name: acc0 }]', /access\[0\]: expected either node, or known/],
  [
    'label: 2 }',
    'label: 2 }\nlans: [{ name: lan0, node: a@b }]',
    /lans\[0\]\.node: there is no logicalNodes\[\]/,
  ],
  [
    'label: 2 }',
    "label: 2 }\nnodes: [{ identity: '*', interfaces: [wan7] }]",
    /nodes\[0\]\.interfaces\[0\]: there is no/,
  ],
])('%s -> %s', (from, to, message) => {
  const text = base.replace(from, to);
  expect(text).not.toBe(base);
  expect(() => parseMagConfig(text, 'x.yaml')).toThrow(message);
});
