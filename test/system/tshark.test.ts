/** Outer packets of every encapsulation, decoded by tshark and compared field by field. */
import { describe, expect, test } from 'vitest';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { testPath, testSession } from '../support/session.ts';
import { tsharkFields } from '../support/tshark.ts';
import type { PathSpec } from '../../src/dataplane/session-spec.ts';

/** tshark does not know the UDP encapsulation of RFC 5844 by its port. */
const PLAIN_UDP = ['-d', 'udp.port==5437,ip'];

const FIELDS = [
  ...[
    'ip.version',
    'ip.src',
    'ip.dst',
    'ip.ttl',
    'ip.proto',
    'ip.dsfield',
    'ip.flags.df',
    'ip.checksum.status',
  ],
  ...['ip.len', 'ip.id', 'ipv6.src', 'ipv6.dst', 'ipv6.hlim', 'ipv6.nxt', 'ipv6.plen', 'ipv6.tclass'],
  ...['ipv6.opt.tel', 'udp.srcport', 'udp.dstport', 'udp.length', 'udp.checksum.status'],
  ...['gre.proto', 'gre.key', 'gre.sequence_number', 'gre.checksum.status', 'gre.flags_and_version'],
];

const TOS = 0xb9;
const inner4 = innerPacket({ family: 4, payload: new Uint8Array(20), tos: TOS });
const inner6 = innerPacket({ family: 6, payload: new Uint8Array(20), tos: TOS });

function encapsulated(path: PathSpec): Uint8Array[] {
  const node = new BenchNode('mag').add(testSession({ paths: [path], sendKey: 0xdeadbeef }));
  return node.encapsulate([inner4, inner6, inner4]).sent.map((sent) => sent.bytes);
}

/** The first of the values that tshark found for a field: the outermost. */
const outermost = (value: string | undefined): string => (value ?? '').split(',')[0]!;

for (const family of [4, 6] as const) {
  describe(`over IPv${family}`, () => {
    const checkOuter = (packet: Uint8Array, fields: Record<string, string>, protocol: number): void => {
      if (family === 4) {
        expect(outermost(fields['ip.version'])).toBe('4');
        expect(outermost(fields['ip.src'])).toBe('198.51.100.1');
        expect(outermost(fields['ip.dst'])).toBe('203.0.113.1');
        expect(outermost(fields['ip.ttl'])).toBe('77');
        expect(outermost(fields['ip.proto'])).toBe(String(protocol));
        expect(Number(outermost(fields['ip.dsfield']))).toBe(TOS);
        expect(outermost(fields['ip.flags.df'])).toBe('1');
        expect(outermost(fields['ip.checksum.status'])).toBe('1');
        expect(outermost(fields['ip.len'])).toBe(String(packet.length));
      } else {
        expect(outermost(fields['ipv6.src'])).toBe('2001:db8:1::1');
        expect(outermost(fields['ipv6.dst'])).toBe('2001:db8:2::1');
        expect(outermost(fields['ipv6.hlim'])).toBe('77');
        expect(outermost(fields['ipv6.nxt'])).toBe(String(protocol));
        expect(outermost(fields['ipv6.plen'])).toBe(String(packet.length - 40));
        expect(Number(outermost(fields['ipv6.tclass']))).toBe(TOS);
      }
    };
    const path = (overrides: Partial<PathSpec>): PathSpec =>
      testPath(1, { family, hopLimit: 77, ...overrides });

    test('ipip', () => {
      const packets = encapsulated(path({ encapsulation: 'ipip' }));
      tsharkFields(packets, FIELDS, PLAIN_UDP).forEach((fields, i) => {
        checkOuter(packets[i]!, fields, i === 1 ? 41 : 4);
        const inner = i === 1 ? fields['ipv6.src'] : fields['ip.src'];
        expect(inner).toMatch(i === 1 ? /2001:db8:cafe::10$/ : /192\.0\.2\.10$/);
      });
    });

    test.each([true, false])('gre with key and sequence, checksum %s', (checksum) => {
      const packets = encapsulated(
        path({ encapsulation: 'gre', gre: { key: true, sequence: true, checksum } }),
      );
      tsharkFields(packets, FIELDS, PLAIN_UDP).forEach((fields, i) => {
        checkOuter(packets[i]!, fields, 47);
        expect(Number(fields['gre.proto'])).toBe(i === 1 ? 0x86dd : 0x0800);
        expect(Number(fields['gre.key'])).toBe(0xdeadbeef);
        expect(fields['gre.sequence_number']).toBe(String(i));
        expect(fields['gre.checksum.status']).toBe(checksum ? '1' : '');
      });
    });

    test('gre without any optional field', () => {
      const packets = encapsulated(
        path({ encapsulation: 'gre', gre: { key: false, sequence: false, checksum: false } }),
      );
      tsharkFields(packets, FIELDS, PLAIN_UDP).forEach((fields, i) => {
        checkOuter(packets[i]!, fields, 47);
        expect(Number(fields['gre.flags_and_version'])).toBe(0);
      });
    });

    test('udp', () => {
      const packets = encapsulated(path({ encapsulation: 'udp' }));
      tsharkFields(packets, FIELDS, PLAIN_UDP).forEach((fields, i) => {
        checkOuter(packets[i]!, fields, 17);
        expect(outermost(fields['udp.srcport'])).toBe('5437');
        expect(outermost(fields['udp.dstport'])).toBe('5437');
        expect(outermost(fields['udp.checksum.status'])).toBe('1');
        expect(i === 1 ? fields['ipv6.src'] : fields['ip.src']).toMatch(
          i === 1 ? /cafe::10$/ : /192\.0\.2\.10$/,
        );
      });
    });

    test('udp-gre: the TLV header stands between UDP and GRE', () => {
      const packets = encapsulated(path({ encapsulation: 'udp-gre' }));
      const start = family === 4 ? 28 : 48;
      tsharkFields(packets, FIELDS, PLAIN_UDP).forEach((fields, i) => {
        checkOuter(packets[i]!, fields, 17);
        expect(outermost(fields['udp.length'])).toBe(String(packets[i]!.length - start + 8));
        expect(outermost(fields['udp.checksum.status'])).toBe('1');
        // tshark has no dissector for the TLV header: RFC 5845 §7.2, octet by octet.
        const tlv = packets[i]!.subarray(start, start + 16);
        const length = packets[i]!.length - start - 4;
        expect([...tlv.subarray(0, 4)]).toEqual([0, 47, length >> 8, length & 255]);
        expect([...tlv.subarray(4)]).toEqual([
          ...[0x30, 0, ...(i === 1 ? [0x86, 0xdd] : [0x08, 0x00])],
          ...[0xde, 0xad, 0xbe, 0xef, 0, 0, 0, i],
        ]);
      });
    });

    test('gre-in-udp', () => {
      const packets = encapsulated(path({ encapsulation: 'gre-in-udp', localPort: 4754, remotePort: 4754 }));
      tsharkFields(packets, FIELDS, PLAIN_UDP).forEach((fields, i) => {
        checkOuter(packets[i]!, fields, 17);
        expect(outermost(fields['udp.dstport'])).toBe('4754');
        expect(outermost(fields['udp.checksum.status'])).toBe('1');
        expect(Number(fields['gre.key'])).toBe(0xdeadbeef);
        expect(fields['gre.sequence_number']).toBe(String(i));
      });
    });
  });
}

test('ipip over IPv6 with a Tunnel Encapsulation Limit', () => {
  const packets = encapsulated(testPath(1, { family: 6, encapsulation: 'ipip', encapsulationLimit: 4 }));
  tsharkFields(packets, FIELDS, PLAIN_UDP).forEach((fields, i) => {
    expect(outermost(fields['ipv6.nxt'])).toBe('60');
    expect(outermost(fields['ipv6.plen'])).toBe(String(packets[i]!.length - 40));
    expect(fields['ipv6.opt.tel']).toBe('4');
  });
});
