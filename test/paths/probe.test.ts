/** The probe's octets: there and back, and what is refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PROBE_OCTETS, type Probe, decodeProbe, encodeProbe } from '../../src/paths/probe.ts';

const count = fc.maxSafeNat();
const number = fc.integer({ min: 0, max: 0xffff_ffff });
const common = {
  bid: fc.integer({ min: 1, max: 254 }),
  sequence: number,
  sentUs: count,
  counts: fc.record({ txPackets: count, txOctets: count, rxPackets: count, rxOctets: count }),
};
const probes: fc.Arbitrary<Probe> = fc.oneof(
  fc.record({
    ...common,
    kind: fc.constant('request' as const),
    receivedUs: fc.constant(0),
    answeredUs: fc.constant(0),
    numbering: fc.option(fc.record({ sinceUs: fc.integer({ min: 1, max: 2 ** 53 - 1 }), next: number })),
  }),
  fc.record({
    ...common,
    kind: fc.constant('response' as const),
    receivedUs: count,
    answeredUs: count,
    numbering: fc.constant(null),
  }),
);

test('what is written is read', () => {
  fc.assert(
    fc.property(probes, (probe) => {
      expect(decodeProbe(encodeProbe(probe))).toEqual(probe);
    }),
  );
});

test('cut short, of another version or kind, or beyond what a number holds: refused, whatever the octets', () => {
  fc.assert(
    fc.property(probes, fc.nat(PROBE_OCTETS - 1), (probe, length) => {
      const octets = encodeProbe(probe);
      expect(decodeProbe(octets.subarray(0, length))).toBeNull();
      expect(decodeProbe(Uint8Array.from(octets, (octet, i) => (i === 0 ? octet + 1 : octet)))).toBeNull();
      expect(decodeProbe(Uint8Array.from(octets, (octet, i) => (i === 1 ? 2 : octet)))).toBeNull();
      expect(decodeProbe(Uint8Array.from(octets, (octet, i) => (i === 8 ? 0xff : octet)))).toBeNull();
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => void decodeProbe(octets)));
});
