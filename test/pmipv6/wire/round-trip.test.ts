/** What is written is read back the same, options stand at their alignment, and wrong values are refused by name. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress } from '../../../src/ip.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/pmipv6/wire/mobility-header.ts';
import { type MobilityOption } from '../../../src/pmipv6/wire/options.ts';
import { decodeWanMetrics, encodeWanMetrics } from '../../../src/pmipv6/wan-metrics.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const octets = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const ipv6 = octets(16, 16).map((bytes) => formatAddress(bytes));
const ipv4 = octets(4, 4).map((bytes) => formatAddress(bytes));

const option: fc.Arbitrary<MobilityOption> = fc.oneof(
  fc.record({ option: fc.constant('mn-identifier' as const), subtype: u8, identifier: octets(0, 60) }),
  fc.record({ option: fc.constant('mag-identifier' as const), subtype: u8, identifier: octets(0, 60) }),
  fc.record({
    option: fc.constant('home-network-prefix' as const),
    prefix: fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([a, l]) => `${a}/${l}`),
    offLink: fc.boolean(),
  }),
  fc.record({ option: fc.constant('handoff-indicator' as const), indicator: u8 }),
  fc.record({ option: fc.constant('access-technology-type' as const), technology: u8 }),
  fc.record({ option: fc.constant('mn-link-layer-identifier' as const), identifier: octets(0, 20) }),
  fc.record({ option: fc.constant('link-local-address' as const), address: ipv6 }),
  fc.record({ option: fc.constant('alternate-care-of-address' as const), address: ipv6 }),
  fc.record({
    option: fc.constant('timestamp' as const),
    ticks: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  }),
  fc.record({ option: fc.constant('gre-key' as const), key: fc.option(u32) }),
  fc.record({ option: fc.constant('restart-counter' as const), counter: u32 }),
  fc.record({
    option: fc.constant('mag-multipath-binding' as const),
    technology: u8,
    label: u8,
    bid: u8,
    bulk: fc.boolean(),
    overwrite: fc.boolean(),
  }),
  fc.record({
    option: fc.constant('ipv4-home-address-request' as const),
    prefix: fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([a, l]) => `${a}/${l}`),
  }),
  fc.record({ option: fc.constant('ipv4-default-router' as const), address: ipv4 }),
  fc.record({ option: fc.constant('ipv4-dhcp-support' as const), server: fc.boolean() }),
  fc.record({
    option: fc.constant('vendor-specific' as const),
    vendor: u32,
    subtype: u8,
    data: octets(0, 40),
  }),
  // A number that IANA has not given away.
  fc.record({
    option: fc.constant('unknown' as const),
    type: fc.integer({ min: 200, max: 255 }),
    data: octets(0, 40),
  }),
);

const options = fc.array(option, { maxLength: 12 });
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    message: fc.constant('binding-update' as const),
    sequence: u16,
    flags: u16.map((bits) => bits & 0xfff0),
    lifetime: u16,
    options,
  }),
  fc.record({
    message: fc.constant('binding-ack' as const),
    status: u8,
    flags: u8.map((bits) => bits & 0xfe),
    sequence: u16,
    lifetime: u16,
    options,
  }),
  fc.record({
    message: fc.constant('heartbeat' as const),
    response: fc.boolean(),
    unsolicited: fc.boolean(),
    sequence: u32,
    options,
  }),
);

/** Alignment rules of the options (PROTOCOLS.md §1.6, §3.2): type number to multiple and remainder. */
const ALIGNED = new Map([
  [3, [8, 6]],
  [22, [8, 4]],
  [26, [8, 6]],
  [27, [8, 2]],
  [28, [4, 2]],
  [33, [4, 0]],
  [36, [4, 0]],
  [38, [4, 0]],
]);

function optionOffsets(octets: Uint8Array, start: number): [number, number][] {
  const found: [number, number][] = [];
  for (let at = start; at < octets.length; at += octets[at] === 0 ? 1 : 2 + octets[at + 1]!) {
    if (octets[at]! > 1) found.push([octets[at]!, at]);
  }
  return found;
}

test('random messages come back as they were', () => {
  const pseudoHeader = { source: new Uint8Array(16).fill(0x20), destination: new Uint8Array(16).fill(0x11) };
  fc.assert(
    fc.property(message, (written) => {
      const octets = encodeMessage(written, pseudoHeader);
      expect(octets.length % 8).toBe(0);
      expect(decodeMessage(octets, pseudoHeader)).toEqual(written);
      for (const [type, at] of optionOffsets(octets, 12)) {
        const rule = ALIGNED.get(type);
        if (rule) expect([type, at % rule[0]!]).toEqual([type, rule[1]]);
      }
    }),
    { numRuns: 3000 },
  );
});

test('WAN metrics come back as they were, in the units of the wire', () => {
  const kilobits = fc.integer({ min: 0, max: 0xffff_ffff }).map((value) => value * 1000);
  const metrics = fc.record(
    { weight: u16, uplinkRate: kilobits, downlinkRate: kilobits, latency: u32, loss: u32 },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 254 }), metrics, (bid, written) => {
      const encoded = encodeWanMetrics(32473, bid, written);
      if (!encoded) expect(written).toEqual({});
      else {
        expect(encoded.data.length).toBe(20);
        expect(decodeWanMetrics([encoded], bid)).toEqual(written);
        expect(decodeWanMetrics([encoded], bid === 254 ? 1 : bid + 1)).toEqual({});
      }
    }),
  );
});

test.each([
  [{ option: 'mag-multipath-binding', technology: 8, label: 256, bid: 1, bulk: false, overwrite: false }],
  [{ option: 'restart-counter', counter: -1 }],
  [{ option: 'link-local-address', address: '192.0.2.1' }],
  [{ option: 'mn-identifier', subtype: 1, identifier: new Uint8Array(300) }],
] as [MobilityOption][])('a value that does not fit is refused: %o', (wrong) => {
  expect(() =>
    encodeMessage({ message: 'binding-update', sequence: 1, flags: 0x8200, lifetime: 1, options: [wrong] }),
  ).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }) as Error);
});
