/** `tunloom decode` as users run it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const VECTORS = new URL('../vectors/rfc8278/', import.meta.url).pathname;

function decode(args: readonly string[], input?: Uint8Array) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'decode', ...args], {
    encoding: 'utf8',
    ...(input ? { input } : {}),
  });
  return { status, lines: stdout.split('\n').filter(Boolean), stderr };
}

const hexOf = (name: string): string => readFileSync(`${VECTORS}${name}.hex`, 'utf8').trim();

test('a capture of every vector: signaling over IPv6 and UDP, nothing of the data plane', () => {
  const { status, lines } = decode([`${VECTORS}all.pcap`]);
  expect(status).toBe(1); // The refused vectors are among them.
  expect(lines[0]).toMatch(
    /^1 \+0\.000000 2001:db8:a::1 > 2001:db8:f::1 PBU: seq 4660, flags A\|P, lifetime 600 s/,
  );
  expect(lines.some((line) => line.includes('198.51.100.10:40000 > 203.0.113.1:5436 PBU'))).toBe(true);
  expect(lines.filter((line) => line.includes('refused, BAD_'))).toHaveLength(3);
  expect(lines).toHaveLength(47);
});

test('pcap from standard input, as JSON lines', () => {
  const { lines } = decode(['--json', '-'], readFileSync(`${VECTORS}all.pcap`));
  const first = JSON.parse(lines[0]!) as { name: string; message: { options: Record<string, unknown>[] } };
  expect(first.name).toBe('PBU');
  expect(first.message.options).toContainEqual({
    option: 'mag-multipath-binding',
    technology: 8,
    label: 11,
    bid: 1,
    bulk: false,
    overwrite: false,
  });
});

test('hex digits of a packet, and of a Mobility Header alone, in detail', () => {
  const packet = hexOf('010_pbu_initial_lte');
  for (const digits of [packet, packet.slice(80)]) {
    const { status, lines } = decode(['-v', '--hex', digits]);
    expect(status).toBe(0);
    expect(lines).toContain('  mag-multipath-binding BID 1, If-ATT 8 (e-utran), If-Label 11');
    expect(lines).toContain('  gre-key 0x11111111');
  }
});

test('a wrong checksum is told, and the message all the same', () => {
  const { status, lines } = decode(['--hex', hexOf('090_bad_mh_checksum')]);
  expect(status).toBe(1);
  expect(lines[0]).toMatch(/refused, BAD_CHECKSUM at octet 4: .*; PBU: seq/);
});

test.each([
  [['--hex', '3b0'], 'digits make no whole octets'],
  [['--hex', '3b0z'], '"z" is no hexadecimal digit'],
  [['--hex', '60000000'], 'neither a Mobility Header nor an IP packet'],
  [['/nonexistent.pcap'], '/nonexistent.pcap'],
  [[], 'name one file'],
  [['-'], 'standard input: octet 0: neither pcap nor pcapng'],
])('bad input %j is named', (args, text) => {
  const { status, stderr } = decode(args, new Uint8Array());
  expect(status).toBe(2);
  expect(stderr).toContain(text);
});
