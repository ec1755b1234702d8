/** Router Solicitations and Advertisements: against tshark, against RFC 4861's checks, against anything at all. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildIcmp6Packet, readIcmp6Packet } from '../../src/access/wire/icmp6-packet.ts';
import { encodeRouterAdvertisement } from '../../src/access/wire/router-advertisement.ts';
import { readRouterSolicitation } from '../../src/access/wire/router-solicitation.ts';
import { parseAddress } from '../../src/ip.ts';
import { tsharkFields } from '../support/tshark.ts';

const NODE = parseAddress('fe80::5').bytes;
const ALL_ROUTERS = parseAddress('ff02::2').bytes;
const NOBODY = new Uint8Array(16);
const SLLA = [1, 1, 2, 0, 0, 0, 0, 7];

function solicitation(options: readonly number[] = SLLA, source = NODE): Uint8Array {
  return buildIcmp6Packet(source, ALL_ROUTERS, Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0, ...options));
}

test('an advertisement as tshark reads it', () => {
  const lifetimes = { validLifetime: 600, preferredLifetime: 300 };
  const none = { validLifetime: 0, preferredLifetime: 0 };
  const message = encodeRouterAdvertisement({
    hopLimit: 64,
    routerLifetime: 1800,
    linkLayer: Uint8Array.of(2, 0, 0, 0, 0, 1),
    mtu: 1420,
    prefixes: [
      { prefix: '2001:db8:1::/64', onLink: true, autonomous: true, ...lifetimes },
      { prefix: '2001:db8:2::/56', onLink: false, autonomous: false, ...none },
    ],
    dns: { servers: ['2001:db8::53', '2001:db8::54'], lifetime: 900 },
  });
  const packet = buildIcmp6Packet(parseAddress('fe80::1').bytes, parseAddress('ff02::1').bytes, message);
  const expected = {
    'ipv6.src': 'fe80::1',
    'ipv6.dst': 'ff02::1',
    'ipv6.hlim': '255',
    'icmpv6.type': '134',
    'icmpv6.checksum.status': '1',
    'icmpv6.nd.ra.cur_hop_limit': '64',
    'icmpv6.nd.ra.flag': '0x00',
    'icmpv6.nd.ra.router_lifetime': '1800',
    'icmpv6.opt.linkaddr': '02:00:00:00:00:01',
    'icmpv6.opt.mtu': '1420',
    'icmpv6.opt.prefix': '2001:db8:1::,2001:db8:2::',
    'icmpv6.opt.prefix.length': '64,56',
    'icmpv6.opt.prefix.flag.l': '1,0',
    'icmpv6.opt.prefix.flag.a': '1,0',
    'icmpv6.opt.prefix.valid_lifetime': '600,0',
    'icmpv6.opt.prefix.preferred_lifetime': '300,0',
    'icmpv6.opt.rdnss': '2001:db8::53,2001:db8::54',
    'icmpv6.opt.rdnss.lifetime': '900',
    '_ws.malformed': '',
  };
  expect(tsharkFields([packet], Object.keys(expected))).toEqual([expected]);
});

describe('RFC 4861 §6.1.1: a Router Solicitation is taken only if', () => {
  const changed = (at: number, value: number): Uint8Array => {
    const packet = solicitation();
    packet[at] = value;
    return packet;
  };
  const other = (...message: number[]): Uint8Array =>
    buildIcmp6Packet(NODE, ALL_ROUTERS, Uint8Array.from(message));

  test('everything is right: then source and link-layer address are told', () => {
    expect(readRouterSolicitation(solicitation())).toEqual({
      source: NODE,
      linkLayer: Uint8Array.of(2, 0, 0, 0, 0, 7),
    });
    expect(readRouterSolicitation(solicitation([], NOBODY))).toEqual({ source: null, linkLayer: null });
    // Unknown options are skipped.
    const unknown = [99, 1, 0, 0, 0, 0, 0, 0];
    expect(readRouterSolicitation(solicitation([...unknown, ...SLLA]))).toMatchObject({ source: NODE });
  });

  test.each([
    ['the hop limit is 255', changed(7, 254), 'hopLimit'],
    ['the checksum is right', changed(55, 9), 'checksum'],
    ['it is a Router Solicitation', other(128, 0, 0, 0, 0, 0, 0, 0), 'otherMessage'],
    ['the code is 0', other(133, 1, 0, 0, 0, 0, 0, 0), 'malformed'],
    ['it has 8 octets', other(133, 0, 0, 0, 0, 0), 'malformed'],
    ['no option has length 0', solicitation([1, 0, 2, 0, 0, 0, 0, 7]), 'option'],
    ['no option is cut off', solicitation([1, 2, 2, 0, 0, 0, 0, 7]), 'option'],
    ['the unspecified address names no link-layer address', solicitation(SLLA, NOBODY), 'option'],
    ['it is all there', solicitation().subarray(0, 50), 'malformed'],
  ])('%s', (_, packet, refusal) => {
    expect(readRouterSolicitation(packet)).toBe(refusal);
  });
});

test('100,000 random and mutated packets are read or refused', () => {
  const good = solicitation([99, 1, 0, 0, 0, 0, 0, 0, ...SLLA]);
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
      const copy = Uint8Array.from(good);
      for (const [at, value] of changes) copy[at] = value;
      return copy;
    }),
    // A sound envelope around anything.
    fc
      .uint8Array({ maxLength: 80 })
      .map((body) => buildIcmp6Packet(NODE, ALL_ROUTERS, Uint8Array.of(133, 0, 0, 0, ...body))),
  );
  let read = 0;
  fc.assert(
    fc.property(packet, (octets) => {
      if (typeof readRouterSolicitation(octets) === 'string') return;
      read++;
      expect(readIcmp6Packet(octets)).toBeTypeOf('object');
    }),
    { numRuns: 100_000 },
  );
  expect(read).toBeGreaterThan(1000);
});
