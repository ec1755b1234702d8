/** The data-plane vectors of test/vectors/rfc8278, built and checked by others than us: what the decapsulator makes of them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { PathSpec } from '../../src/dataplane/session-spec.ts';
import { BenchNode } from '../support/bench-node.ts';
import { testPath, testSession } from '../support/session.ts';

const ENDS = {
  4: { local: '198.51.100.10', remote: '203.0.113.1' },
  6: { local: '2001:db8:a::1', remote: '2001:db8:f::1' },
} as const;
const KEYED = { key: true, sequence: true, checksum: false };
const PLAIN = { key: false, sequence: false, checksum: false };

function vector(name: string): Uint8Array {
  const file = new URL(`../vectors/rfc8278/${name}.hex`, import.meta.url);
  return Uint8Array.from(Buffer.from(readFileSync(file, 'utf8').trim(), 'hex'));
}

function node(family: 4 | 6, path: Partial<PathSpec>): BenchNode {
  return new BenchNode('mag').add(
    testSession({
      prefixes: ['10.9.8.0/24', '2001:db8:1000:1::/64'],
      receiveKey: 0x11111111,
      clampMss: false,
      paths: [testPath(1, { ...path, ...ENDS[family] })],
    }),
  );
}

/** The inner packet, which ends every vector: 44 octets of IPv4 or 64 of IPv6. */
const INNER_LENGTH = { 4: 44, 6: 64 } as const;

test.each([
  ['060_ip6_in_ip6', 6, 6, 1, { encapsulation: 'ipip' }],
  ['061_ip6_in_ip6_tel', 6, 6, 1, { encapsulation: 'ipip' }],
  ['062_ip4_in_ip6', 6, 4, 0, { encapsulation: 'ipip' }],
  ['063_ip6_in_ip4', 4, 6, 1, { encapsulation: 'ipip' }],
  ['064_ip4_in_ip4', 4, 4, 0, { encapsulation: 'ipip' }],
  ['065_gre6_key_seq', 6, 6, 0, { encapsulation: 'gre', gre: KEYED }],
  ['066_gre4_key_seq_v4', 4, 4, 0, { encapsulation: 'gre', gre: KEYED }],
  ['067_gre6_csum_key_seq', 6, 6, 0, { encapsulation: 'gre', gre: KEYED }],
  ['068_gre4_plain', 4, 6, 0, { encapsulation: 'gre', gre: PLAIN }],
  ['069_udp5437_v6', 4, 6, 0, { encapsulation: 'udp' }],
  ['06a_udp5437_v4', 4, 4, 0, { encapsulation: 'udp' }],
  ['06b_udp5437_tlv_gre', 4, 6, 0, { encapsulation: 'udp-gre', gre: KEYED }],
  ['06c_udp5437_tlv_v6', 4, 6, 0, { encapsulation: 'udp' }],
  ['06d_gre_in_udp_v6', 6, 6, 0, { encapsulation: 'gre-in-udp', gre: KEYED, localPort: 4754 }],
  ['06e_gre_in_udp_v4', 4, 4, 0, { encapsulation: 'gre-in-udp', gre: KEYED, localPort: 4754 }],
  ['06f_gre_in_udp_v6_zero', 6, 6, 0, { encapsulation: 'gre-in-udp', gre: KEYED, localPort: 4754 }],
] as const)('%s', (name, outer, inner, endpoint, path) => {
  const mag = node(outer, path);
  const packet = vector(name);
  const delivered = mag.decapsulate(endpoint, [packet]);
  // The first number of a vector is not 0: the window waits for what was before it.
  delivered.push(...mag.advance(mag.now + 1_000_000));
  expect(mag.drops).toEqual({});
  expect(delivered).toEqual([packet.subarray(packet.length - INNER_LENGTH[inner])]);
});

test('after 4294967295 (066) comes 0, in order', () => {
  const mag = node(4, { encapsulation: 'gre', gre: KEYED });
  const last = vector('066_gre4_key_seq_v4');
  const first = Uint8Array.from(last).fill(0, 28, 32);
  expect(mag.decapsulate(0, [last, first])).toHaveLength(2);
  expect(mag.resequencer()).toMatchObject({ inOrder: 2, reordered: 0, late: 0 });
});

test.each([
  ['09a_bad_tlv_length', { encapsulation: 'udp' }, 'tlv-malformed'],
  ['09b_bad_gre_reserved_bits', { encapsulation: 'gre', gre: PLAIN }, 'gre-malformed'],
] as const)('%s is refused', (name, path, reason) => {
  const mag = node(4, path);
  expect(mag.decapsulate(0, [vector(name)])).toEqual([]);
  expect(mag.drops).toEqual({ [reason]: 1 });
});
