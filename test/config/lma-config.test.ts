/** The configuration of the LMA: the example is complete and loads, the document has every key, errors name line and key. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadLmaConfig, parseLmaConfig } from '../../src/config/lma-config.ts';
import { lmaSchema } from '../../src/config/lma-schema.ts';
import { allKeys } from '../../src/config/schema-keys.ts';

const EXAMPLE = new URL('../../src/config/lma-example.yaml', import.meta.url).pathname;

test('the example loads', () => {
  const config = loadLmaConfig(EXAMPLE);
  expect(config.keys).toMatchObject([{ prefix: '203.0.113.7/32', spi: 0x100, identity: null }]);
  expect(config.machine).toMatchObject({
    timestampWindow: 300,
    maxLifetime: 3600,
    heartbeat: { intervalSeconds: 60, missingAllowed: 3 },
    mags: [{ prefix: '2001:db8:a::/48', identity: 'mag1@example.org' }, { prefix: '203.0.113.7/32' }],
  });
  expect(config.weights.technologies).toEqual(
    new Map([
      [4, 2],
      [8, 3],
    ]),
  );
});

test('every key of the schema is in docs/lma.md or docs/configuration.md, and every key of the first level in the example', () => {
  const docs = ['lma', 'configuration'].map((name) =>
    readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8'),
  );
  for (const key of allKeys(lmaSchema)) {
    expect(docs.some((text) => text.includes(key.split('.').at(-1)!.replace('[]', '')))).toBe(true);
  }
  const example = parse(readFileSync(EXAMPLE, 'utf8')) as object;
  const first = allKeys(lmaSchema).filter((key) => /^\w+$/.test(key));
  expect(Object.keys(example).sort()).toEqual(first.sort());
});

test.each([
  ['addresses: []', /x\.yaml:1:12: addresses: .*at least one address/],
  ["addresses: ['2001:db8::1']\nmag: []", /x\.yaml:2:1: mag: there is no such key; did you mean mags\?/],
  [
    "addresses: ['2001:db8::1']\nmags: [{ address: 2001:db8::1/64 }]",
    /2:\d+: mags\[0\]\.address: .*bits are set/,
  ],
  [
    "addresses: ['2001:db8::1']\nmags: [{ address: 192.0.2.1, authentication: { spi: 5, key: '00' } }]",
    /mags\[0\]\.authentication\.spi: got 5, expected an SPI[\s\S]*authentication\.key: .*32 to 128/,
  ],
  [
    "addresses: ['2001:db8::1']\nnodes: [{ identity: 'x@y', mags: [192.0.2.1, box1@example.org, box2] }]",
    /x\.yaml:2:\d+: nodes\[0\]\.mags\[2\]: "box2" is .*expected an address, a prefix, or a MAG Identifier/,
  ],
  [
    "addresses: ['2001:db8::1']\nmags: [{ address: 192.0.2.1, authentication: { spi: 256 } }]",
    /authentication: expected either key or keyFile/,
  ],
  [
    "addresses: ['2001:db8::1']\nmags: [{ address: 192.0.2.1, authentication: { spi: 256, keyFile: /nowhere } }]",
    /keyFile: \/nowhere: ENOENT/,
  ],
  [
    "addresses: ['2001:db8::1']\npools: { homePrefixes: ['2001:db8:1::/48', '2001:db8:1:2::/64'] }",
    /2:\d+: pools\.homePrefixes\[1\]: .*overlaps with 2001:db8:1::\/48/,
  ],
  [
    "addresses: ['2001:db8::1']\npools: { homePrefixes: ['2001:db8:1::/72'] }",
    /no prefix of 64 bits fits into/,
  ],
  [
    "addresses: ['2001:db8::1']\npools: { ipv4: { pool: 192.0.2.0/24, router: 198.51.100.1 } }",
    /pools\.ipv4\.router: 198\.51\.100\.1 is not in 192\.0\.2\.0\/24/,
  ],
  [
    "addresses: ['2001:db8::1']\nnodes: [{ identity: '*@x', homePrefixes: ['2001:db8:1::/64'] }]",
    /nodes\[0\]\.homePrefixes\[0\]: a pattern stands for many nodes/,
  ],
  [
    "addresses: ['2001:db8::1']\nweights: { technologies: { umts: 1 } }",
    /weights\.technologies\.umts: .*as key/,
  ],
  [
    "addresses: ['2001:db8::1']\nregistration: { maxLifetime: 200h }",
    /maxLifetime: got "200h", expected at most/,
  ],
])('%s', (text, message) => {
  expect(() => parseLmaConfig(text, 'x.yaml')).toThrow(message);
});

test('a pattern without quotes, an alias to YAML: where it stands and what helps', () => {
  const text = "addresses: ['2001:db8:f::1']\nnodes:\n  - { identity: *@example.org }\n";
  expect(() => parseLmaConfig(text, 'x')).toThrow(
    "x:3:17: nodes[0].identity: there is no anchor &@example.org; a value that begins with a star needs quotes: '*@example.org'",
  );
});

test('static prefixes of two nodes may not lie in each other', () => {
  const text = (first: string, second: string): string =>
    `addresses: ['2001:db8:f::1']\nnodes:\n  - { identity: a@e, ${first} }\n  - { identity: b@e, ${second} }\n`;
  const homes = (...prefixes: string[]): string =>
    `homePrefixes: [${prefixes.map((one) => `'${one}'`).join()}]`;
  const wide = "delegated: ['2001:db8:2000::/56']";
  expect(() => parseLmaConfig(text(wide, homes('2001:db8:2000:1::/64')), 'x')).toThrow(
    'x:4:37: nodes[1].homePrefixes[0]: 2001:db8:2000:1::/64 is inside 2001:db8:2000::/56, which belongs to a@e',
  );
  expect(() => parseLmaConfig(text(homes('2001:db8:2000:ff::/68'), wide), 'x')).toThrow(
    'x:3:37: nodes[0].homePrefixes[0]: 2001:db8:2000:ff::/68 is inside 2001:db8:2000::/56, which belongs to b@e',
  );
  parseLmaConfig(text(`${homes('2001:db8:2000:1::/64')}, ${wide}`, homes('2001:db8:2000:100::/64')), 'x');
});
