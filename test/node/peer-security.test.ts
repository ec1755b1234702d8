/** Which key a message has to have, which one an answer gets, and whose it then is (docs/security.md). */
import { expect, test } from 'vitest';
import { PeerSecurity } from '../../src/node/peer-security.ts';
import { encodeMessage } from '../../src/pmipv6/wire/mobility-header.ts';
import type { Endpoint } from '../../src/pmipv6/endpoint.ts';
import { LmaBench, type Pbu } from '../support/lma-bench.ts';

const LMA = '198.51.100.1';
const NAT = '203.0.113.18';
const keyOf = (box: number) => ({
  prefix: '0.0.0.0/0',
  identity: `box${box}@example.org`,
  spi: 0x100 + box,
  key: Buffer.alloc(16, box),
});

const bench = new LmaBench();
const lma = (before?: PeerSecurity): PeerSecurity =>
  new PeerSecurity('lma', [keyOf(1), keyOf(2)], 7000, before);

/** What the LMA says of a PBU that box number `box` has sent. */
function sent(security: PeerSecurity, box: number, remote: Endpoint, pbu: Pbu = {}): unknown {
  const message = bench.build({ mag: `box${box}@example.org`, bid: 1, ...pbu });
  const mag = new PeerSecurity('mag', [{ ...keyOf(box), prefix: `${LMA}/32` }], 7000);
  const octets = mag.protect(encodeMessage(message), {
    local: '192.0.2.2',
    remote: { address: LMA, port: 5436 },
  });
  return security.check(message, octets, { local: LMA, remote }, bench.now.utc);
}

/** The SPI in the answer to `remote`: behind type, length and sub-type, in front of the 12 octets at the end. */
function answered(security: PeerSecurity, remote: Endpoint): number {
  const octets = security.protect(encodeMessage(bench.build({})), { local: LMA, remote });
  return Buffer.from(octets).readUInt32BE(octets.length - 16);
}

test('MAGs of unknown addresses, behind one NAT: each is answered with its own key', () => {
  const security = lma();
  const [one, two] = [
    { address: NAT, port: 10_001 },
    { address: NAT, port: 10_002 },
  ];
  expect(sent(security, 2, two)).toEqual({ verdict: 'accepted', identity: 'box2@example.org' });
  expect(answered(security, two)).toBe(0x102);
  // Whoever has not been heard yet is spoken to with the first key.
  expect(answered(security, one)).toBe(0x101);
  sent(security, 1, one);
  sent(security, 2, one);
  expect([answered(security, one), answered(security, two)]).toEqual([0x102, 0x102]);
  // Other keys, the same peers.
  expect(answered(lma(security), two)).toBe(0x102);
});

test('after a restart each is spoken to with the key that it had', () => {
  const before = lma();
  const two = { address: NAT, port: 10_002 };
  sent(before, 2, two);
  const after = lma();
  expect(answered(after, two)).toBe(0x101);
  after.useKey(two, before.keyOf(two)!);
  expect(answered(after, two)).toBe(0x102);
});

test('a message that was taken before other keys came is not taken again', () => {
  const remote = { address: NAT, port: 10_001 };
  const message = bench.build({ mag: 'box1@example.org', bid: 1 });
  const mag = new PeerSecurity('mag', [{ ...keyOf(1), prefix: `${LMA}/32` }], 7000);
  const octets = mag.protect(encodeMessage(message), {
    local: '192.0.2.2',
    remote: { address: LMA, port: 5436 },
  });
  const before = lma();
  const ends = { local: LMA, remote };
  expect(before.check(message, octets, ends, bench.now.utc)).toMatchObject({ verdict: 'accepted' });
  const after = new PeerSecurity('lma', [keyOf(1)], 14_000, before);
  expect(after.check(message, octets, ends, bench.now.utc + 27_000)).toEqual({ verdict: 'replayed' });
});

test('a message that is refused does not change the key of answers', () => {
  const security = lma();
  const remote = { address: NAT, port: 10_001 };
  expect(sent(security, 2, remote, { mag: 'box1@example.org' })).toEqual({ verdict: 'foreign-identity' });
  expect(answered(security, remote)).toBe(0x101);
});

test('a key stands for its MAG Identifier also where the message names none', () => {
  expect(sent(lma(), 2, { address: NAT, port: 1 }, { mag: null })).toEqual({
    verdict: 'accepted',
    identity: 'box2@example.org',
  });
});

test('a MAG goes on with its first key, whichever its LMA used', () => {
  const keys = [1, 2].map((box) => ({ ...keyOf(box), prefix: `${LMA}/32`, identity: null }));
  const mag = new PeerSecurity('mag', keys, 7000);
  const remote = { address: LMA, port: 5436 };
  const message = bench.build({});
  const octets = new PeerSecurity('lma', [keyOf(2)], 7000).protect(encodeMessage(message), {
    local: LMA,
    remote: { address: NAT, port: 1 },
  });
  expect(mag.check(message, octets, { local: '192.0.2.2', remote }, bench.now.utc)).toEqual({
    verdict: 'accepted',
    identity: null,
  });
  expect(answered(mag, remote)).toBe(0x101);
});
