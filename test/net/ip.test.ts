/** Addresses and prefixes: parse and format are inverse, and strict. */
import { isIP } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress, parseAddress, parsePrefix } from '../../src/ip.ts';

test('octets survive a round trip, in the canonical form of RFC 5952', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const { bytes, family } = parseAddress(text);
      expect(bytes.length).toBe(family === 4 ? 4 : 16);
      const canonical = formatAddress(bytes);
      expect(parseAddress(canonical).bytes).toEqual(bytes);
      // The URL parser of the platform writes IPv6 by RFC 5952.
      if (family === 6) expect(canonical).toBe(new URL(`http://[${text}]/`).hostname.slice(1, -1));
    }),
  );
});

test('what is an address is what the platform says is one, but for zones', () => {
  const pieces = fc.constantFrom(
    ':',
    '::',
    '.',
    '0',
    '1',
    '25',
    '255',
    '256',
    '01',
    'f',
    'ffff',
    'g',
    '10000',
    'A0',
    '1.2.3.4',
    ' ',
  );
  const made = fc.array(pieces, { maxLength: 18 }).map((list) => list.join(''));
  const groups = fc
    .array(fc.constantFrom('0', '1', 'abcd', ''), { minLength: 6, maxLength: 9 })
    .map((list) => list.join(':'));
  const broken = fc
    .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(40), fc.nat(2), pieces)
    .map(([text, at, cut, piece]) => text.slice(0, at) + piece + text.slice(at + cut));
  fc.assert(
    fc.property(fc.oneof(made, groups, broken), (text) => {
      const family = isIP(text);
      if (family) expect(parseAddress(text).family).toBe(family);
      else expect(() => parseAddress(text)).toThrow(`"${text}"`);
    }),
    { numRuns: 5000 },
  );
});

test.each(['', '192.0.2', '192.0.2.256', '2001:db8::1%eth0', '::1::', 'example.org', '192.0.2.1 '])(
  '%j is no address',
  (text) => {
    expect(() => parseAddress(text)).toThrow(`"${text}"`);
  },
);

test.each([
  '192.0.2.0',
  '192.0.2.0/33',
  '192.0.2.1/24',
  '2001:db8::/129',
  '2001:db8::1/64',
  '192.0.2.0/-1',
  '::/0/0',
])('%j is no prefix', (text) => {
  expect(() => parsePrefix(text)).toThrow();
});

test('prefixes of any length', () => {
  expect(parsePrefix('::/0')).toMatchObject({ family: 6, length: 0 });
  expect(parsePrefix('192.0.2.10/32')).toMatchObject({ family: 4, length: 32 });
});
