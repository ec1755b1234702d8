/** The configuration: what is accepted, and that every error names file, line, column and key. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadConfig, parseConfig, parseSession } from '../../src/config/load.ts';
import { allKeys } from '../../src/config/schema-keys.ts';
import { configSchema } from '../../src/config/schema.ts';
import { encapsulationOverhead } from '../../src/dataplane/overhead.ts';
import { buildPathTemplate } from '../../src/dataplane/path-template.ts';
import { ENCAPSULATIONS } from '../../src/dataplane/session-spec.ts';
import { testPath } from '../support/session.ts';

const EXAMPLE = new URL('../../src/config/example.yaml', import.meta.url).pathname;

const base = `role: lma
sessions:
  - name: mn1
    prefixes: [192.0.2.0/24]
    sendKey: 0x11
    receiveKey: 0x22
    paths:
      - { bid: 1, local: 198.51.100.1, remote: 203.0.113.1 }
      - { bid: 2, local: 198.51.100.2, remote: 203.0.113.1 }
`;

test('the example loads', () => {
  const config = loadConfig(EXAMPLE);
  expect(config.sessions[0]).toMatchObject({ name: 'mn1', sendKey: 0x11111111, receiveKey: 0x22222222 });
  expect(config.gateways).toEqual([{ local: '198.51.100.5', via: '198.51.100.6', interface: 'wlan0' }]);
});

test('where metrics are served', () => {
  const listen = (text: string): unknown =>
    parseConfig(`metrics: { listen: ${text} }\n${base}`, 'x').metrics.listen;
  expect(listen('192.0.2.1:9278')).toEqual({ host: '192.0.2.1', port: 9278 });
  expect(listen('"[2001:db8::1]:80"')).toEqual({ host: '2001:db8::1', port: 80 });
  expect(parseConfig(base, 'x').metrics.listen).toBeNull();
});

test('defaults are filled in', () => {
  const [session] = parseConfig(base, 'x').sessions;
  expect(session!.paths[0]).toMatchObject({
    encapsulation: 'udp-gre',
    weight: 1,
    mtu: 1500,
    remotePort: 5437,
    hopLimit: 64,
    gre: { key: true, sequence: true, checksum: false },
  });
  expect(session!.resequencer).toEqual({
    window: 4096,
    minWaitUs: 1000,
    maxWaitUs: 100_000,
    longestWaitUs: 500_000,
    late: 'deliver',
    provenLoss: true,
  });
});

test('addresses and prefixes get the form of RFC 5952, by which they are compared as text', () => {
  const { sessions, tun } = parseConfig(
    `role: lma
tun: { addresses: ["2001:DB8:0:0::1/64"] }
sessions:
  - name: mn1
    prefixes: ["2001:0DB8:7:0::/64"]
    sendKey: 1
    receiveKey: 2
    paths: [{ bid: 1, local: "2001:DB8:0::1", remote: "2001:db8:000f::1" }]
`,
    'x.yaml',
  );
  expect(tun.addresses).toEqual(['2001:db8::1/64']);
  expect(sessions[0]).toMatchObject({
    prefixes: ['2001:db8:7::/64'],
    paths: [{ local: '2001:db8::1', remote: '2001:db8:f::1' }],
  });
});

describe('errors', () => {
  test.each([
    ['role: lma\nsessions: &a [*a]\n', 'x:2:15: sessions[0]: &a contains itself'],
    ['role: lma\n---\nrole: mag\n', 'x:2:1: role: another document begins here (---), expected one'],
    ['role: lma\nrole: mag\n', 'x:2:1: role: Map keys must be unique'],
    [
      `a0: &a0 [x, x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')}`,
      'x:1:1: anchors are used within anchors too often',
    ],
  ])('anchors and documents: %j', (text, message) => {
    expect(() => parseConfig(text, 'x')).toThrow(message);
  });

  test('a file of something else is not printed as a whole, nor as it is', () => {
    for (const text of [
      `role: ${'x'.repeat(5000)}\n`,
      `${'\u001b[31m'.repeat(500)}: 1\n`,
      'x'.repeat(5000),
    ]) {
      const complain = (): unknown => parseConfig(text, 'x');
      expect(complain).toThrow(/^[\x20-\x7e\n]+$/);
      expect(complain).toThrow(/^(.{1,400}\n?){1,3}$/);
    }
  });

  test('line ends, a byte order mark and anchors as editors and people write them', () => {
    expect(parseConfig(`\uFEFF${base.replaceAll('\n', '\r\n')}`, 'x').sessions).toHaveLength(1);
    const session = (n: number): string =>
      `  - { name: mn${n}, prefixes: [192.0.2.${n}/32], sendKey: ${n}, receiveKey: ${n}, paths: ${n ? '*paths' : '&paths [{ bid: 1, local: 198.51.100.1, remote: 203.0.113.1 }]'} }`;
    const many = Array.from({ length: 250 }, (_, n) => session(n)).join('\n');
    expect(parseConfig(`role: lma\nsessions:\n${many}\n`, 'x').sessions).toHaveLength(250);
  });

  test.each([
    ['bid: 2', 'bid: 255', 'x.yaml:9:16: sessions[0].paths[1].bid: 255 is reserved'],
    ['bid: 2', 'bid: 1', /x\.yaml:9:\d+: sessions\[0\]\.paths\[1\]\.bid: .*1/],
    ['role: lma', 'role: ha', /x\.yaml:1:\d+: role: .*one of mag, lma/],
    ['role: lma', 'rolle: lma', /x\.yaml:1:1: rolle: there is no such key; did you mean role\?/],
    ['192.0.2.0/24', '192.0.2.1/24', /x\.yaml:4:\d+: sessions\[0\]\.prefixes\[0\]: .*bits are set/],
    ['198.51.100.2', '2001:db8::1', /x\.yaml:9:\d+: sessions\[0\]\.paths\[1\]\.\w+: .*famil/],
    ['sendKey: 0x11', 'sendKey: 0x111111111', /x\.yaml:5:\d+: sessions\[0\]\.sendKey: .*GRE key/],
    ['    sendKey: 0x11\n', '', /sendKey/],
    ['bid: 1,', 'bid: 1, encapsulation: ipip,', /x\.yaml:8:\d+: .*allowReordering/],
    [
      'bid: 1,',
      'bid: 3, local: 198.51.100.3, remote: 203.0.113.1, weight: 2 }\n      - { bid: 1, weight: 65535,',
      /period of \d+ packets/,
    ],
    ['role: lma', 'role: lma\nworkers: [', /x\.yaml:\d+:\d+: /],
    ['role: lma', 'role: lma\nmetrics: { listen: localhost:9278 }', /:2:\d+: metrics\.listen: .*expected an/],
    ['role: lma', 'role: lma\nmetrics: { listen: "192.0.2.1:0" }', /metrics\.listen: .*no valid port/],
    ['role: lma', 'role: lma\nmetrics: { listen: "[192.0.2.1]:80" }', /metrics\.listen: .*other family/],
  ])('%s -> %s', (from, to, message) => {
    const text = base.replace(from, to);
    expect(text).not.toBe(base);
    expect(() => parseConfig(text, 'x.yaml')).toThrow(message);
  });

  test('all at once, in the order of the file', () => {
    const text = base.replace('bid: 1', 'bid: 0').replace('192.0.2.0/24', 'nonsense').replace('lma', 'what');
    let message = '';
    try {
      parseConfig(text, 'x.yaml');
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message.split('\n').map((line) => line.split(':')[1])).toEqual(['1', '4', '8']);
  });

  test('two sessions with one key or one prefix', () => {
    const second = base.slice(base.indexOf('  - name')).replace('mn1', 'mn2');
    expect(() => parseConfig(base + second, 'x.yaml')).toThrow(
      /receiveKey[\s\S]*prefixes|prefixes[\s\S]*receiveKey/,
    );
  });

  test('two paths with the same ends, however these are written', () => {
    const paths = `
      - { bid: 1, local: "2001:db8::1", remote: "2001:db8:f::1" }
      - { bid: 2, local: "2001:DB8:0::1", remote: "2001:0db8:f::1" }
`;
    const file = base.slice(0, base.indexOf('\n      - ')) + paths;
    expect(() => parseConfig(file, 'x.yaml')).toThrow(
      /paths\[1\]\.remote: BID 1 has the same ends and encapsulation/,
    );
  });

  test('UDP paths of one end that differ in what their socket does for them all', () => {
    const two = (settings: string): string =>
      base.replace(
        'local: 198.51.100.2, remote: 203.0.113.1',
        `local: 198.51.100.1, remote: 203.0.113.2, ${settings}`,
      );
    for (const settings of [
      'hopLimit: 32',
      'dontFragment: clear',
      'encapsulation: gre-in-udp, localPort: 5437',
    ]) {
      expect(() => parseConfig(two(settings), 'x.yaml')).toThrow(/:9:\d+: .*another path from UDP port 5437/);
    }
    expect(parseConfig(two('hopLimit: 32, localPort: 5438'), 'x.yaml').sessions).toHaveLength(1);
    expect(parseConfig(two('dontFragment: copy'), 'x.yaml').sessions).toHaveLength(1);
  });

  test('a session from the control socket is checked the same way', () => {
    expect(() => parseSession({ name: 'a', prefixes: ['192.0.2.0/24'], paths: [{ bid: 300 }] })).toThrow(
      /paths\[0\]\.bid/,
    );
  });
});

test('every key of the schema is in docs/configuration.md', () => {
  const docs = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  for (const key of allKeys(configSchema)) expect(docs).toContain(key.split('.').at(-1)!.replace('[]', ''));
});

test('probes and adaptation of a session go before those of defaults, key by key', () => {
  const text = `${base.replace('    sendKey', '    probes: { silent: 2 }\n    adaptation: { floor: 5%, guard: { margin: 80% } }\n    sendKey')}defaults:
  probes: { silent: 9, interval: 50ms, ease: 0s }
  adaptation: { growth: 10%, guard: { margin: 0%, retry: 1min } }
`;
  const [session] = parseConfig(text, 'x').sessions;
  expect(session!.probes).toEqual({ silent: 2, intervalUs: 50_000, easeUs: 0 });
  expect(session!.adaptation).toEqual({
    floor: 0.05,
    growth: 0.1,
    guard: { margin: 0.8, retryUs: 60e6 },
  });
  expect(parseConfig(base, 'x').sessions[0]).not.toHaveProperty('probes');
});

test('probes of an idle session may not come so seldom that its paths are taken for silent', () => {
  const text = (interval: string): string =>
    base.replace('    sendKey', `    probes: { idleInterval: ${interval} }\n    sendKey`);
  expect(parseConfig(text('300ms'), 'x').sessions[0]!.probes).toEqual({ idleIntervalUs: 300_000 });
  expect(() => parseConfig(text('1s'), 'x')).toThrow('probes.idleInterval: got "1s", expected at most 0.3s');
});

test('the overhead that the checks reckon with is the length of the header that is sent', () => {
  for (const encapsulation of ENCAPSULATIONS) {
    for (const family of [4, 6] as const) {
      for (const checksum of [true, false]) {
        for (const encapsulationLimit of [null, 4]) {
          const gre = { key: checksum, sequence: true, checksum };
          const path = testPath(1, { encapsulation, family, gre, encapsulationLimit });
          expect(encapsulationOverhead(path)).toBe(buildPathTemplate(path, 1).bytes.length);
        }
      }
    }
  }
});
