/** DHCPv6: messages against tshark and anything at all; the server's answers to every message of RFC 8415. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DelegationOutcome,
  type DelegationService,
  PrefixDelegation,
  linkLayerDuid,
} from '../../src/access/prefix-delegation.ts';
import {
  type Dhcp6Message,
  Dhcp6Option,
  Dhcp6Status,
  Dhcp6Type,
  type IdentityAssociation,
  decodeDhcp6,
  encodeDhcp6,
} from '../../src/access/wire/dhcp6-message.ts';
import { buildUdp6Packet, readUdp6Packet } from '../../src/access/wire/udp6-packet.ts';
import { TunloomError } from '../../src/errors.ts';
import { formatAddress, parseAddress } from '../../src/ip.ts';
import { tsharkFields } from '../support/tshark.ts';

const PREFIX = '2001:db8:d000::/56';
const OTHER = '2001:db8:e000::/56';
const SERVICE: DelegationService = { prefixes: [PREFIX], until: 600_000, dns: ['2001:db8::53'] };
const SERVER = linkLayerDuid(Uint8Array.of(2, 0, 0x5e, 0, 0x53, 1));
const CLIENT = linkLayerDuid(Uint8Array.of(2, 0, 0, 0, 0, 7));

function delegation(prefixes: readonly string[] = [], id = 1): IdentityAssociation {
  return {
    option: Dhcp6Option.IA_PD,
    id,
    renewAfter: 0,
    rebindAfter: 0,
    prefixes: prefixes.map((prefix) => ({ prefix, preferredLifetime: 0, validLifetime: 0 })),
    status: null,
  };
}

const ADDRESSES: IdentityAssociation = { ...delegation([], 9), option: Dhcp6Option.IA_NA };

/** With the server's identifier where RFC 8415 §16 asks for it. */
function fromClient(type: number, fields: Partial<Dhcp6Message> = {}): Dhcp6Message {
  const named: number[] = [Dhcp6Type.REQUEST, Dhcp6Type.RENEW, Dhcp6Type.RELEASE, Dhcp6Type.DECLINE];
  return {
    type,
    transaction: 0x123456,
    clientId: CLIENT,
    serverId: named.includes(type) ? SERVER : null,
    status: null,
    rapidCommit: false,
    associations: [delegation()],
    requested: [],
    dns: [],
    ...fields,
  };
}

function served(service = SERVICE): PrefixDelegation {
  const server = new PrefixDelegation();
  server.serve(service, SERVER, 0);
  return server;
}

function ask(server: PrefixDelegation, message: Dhcp6Message, now = 0, multicast = true): DelegationOutcome {
  return server.receive({ message, multicast }, SERVER, now);
}

function replyOf(outcome: DelegationOutcome): Dhcp6Message {
  if (outcome.outcome !== 'reply') throw new Error(`no reply but ${outcome.outcome}`);
  // What is sent is what is meant.
  expect(decodeDhcp6(encodeDhcp6(outcome.reply))).toEqual(outcome.reply);
  return outcome.reply;
}

function leases({ associations }: Dhcp6Message): Record<string, number>[] {
  return associations.map(({ prefixes }) =>
    Object.fromEntries(prefixes.map(({ prefix, validLifetime }) => [prefix, validLifetime])),
  );
}

function codes({ associations }: Dhcp6Message): (number | null)[] {
  return associations.map(({ status }) => status?.code ?? null);
}

const prefixes = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.integer({ min: 0, max: 128 }))
  .map(([bytes, length]) => {
    for (let bit = length; bit < 128; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
    return `${formatAddress(bytes)}/${length}`;
  });
const seconds = fc.nat(0xffff_ffff);
const statuses = fc.option(fc.record({ code: fc.nat(0xffff), text: fc.string({ unit: 'grapheme' }) }));
const duids = fc.option(fc.uint8Array({ minLength: 3, maxLength: 130 }));
const anyAssociation = fc.oneof(
  fc.record({
    option: fc.constant(Dhcp6Option.IA_PD),
    id: seconds,
    renewAfter: seconds,
    rebindAfter: seconds,
    prefixes: fc.array(fc.record({ prefix: prefixes, preferredLifetime: seconds, validLifetime: seconds }), {
      maxLength: 3,
    }),
    status: statuses,
  }),
  fc.record({
    option: fc.constant(Dhcp6Option.IA_NA),
    id: seconds,
    renewAfter: seconds,
    rebindAfter: seconds,
    prefixes: fc.constant([]),
    status: statuses,
  }),
  fc.record({
    option: fc.constant(Dhcp6Option.IA_TA),
    id: seconds,
    renewAfter: fc.constant(0),
    rebindAfter: fc.constant(0),
    prefixes: fc.constant([]),
    status: statuses,
  }),
);
const anyMessage = fc.record({
  type: fc.integer({ min: 1, max: 11 }),
  transaction: fc.nat(0xff_ffff),
  clientId: duids,
  serverId: duids,
  status: statuses,
  rapidCommit: fc.boolean(),
  associations: fc.array(anyAssociation, { maxLength: 4 }),
  requested: fc.array(fc.nat(0xffff), { maxLength: 5 }),
  dns: fc.array(
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatAddress(bytes)),
    { maxLength: 3 },
  ),
});

describe('messages', () => {
  test('an Advertise as tshark reads it', () => {
    const solicit = fromClient(Dhcp6Type.SOLICIT, { associations: [delegation(), ADDRESSES] });
    const reply = replyOf(ask(served(), solicit, 1000));
    const packet = buildUdp6Packet({
      source: parseAddress('fe80::1').bytes,
      destination: parseAddress('fe80::7').bytes,
      sourcePort: 547,
      destinationPort: 546,
      payload: encodeDhcp6(reply),
    });
    const expected = {
      'ipv6.src': 'fe80::1',
      'ipv6.dst': 'fe80::7',
      'udp.checksum.status': '1',
      'udp.dstport': '546',
      'dhcpv6.msgtype': '2',
      'dhcpv6.xid': '0x123456',
      'dhcpv6.duid.bytes': '00030001020000000007,0003000102005e005301',
      'dhcpv6.duidll.link_layer_addr': '02:00:00:00:00:07,02:00:5e:00:53:01',
      'dhcpv6.iaid': '00000001,00000009',
      'dhcpv6.iaid.t1': '299,0',
      'dhcpv6.iaid.t2': '479,0',
      'dhcpv6.iaprefix.pref_lifetime': '599',
      'dhcpv6.iaprefix.valid_lifetime': '599',
      'dhcpv6.iaprefix.pref_len': '56',
      'dhcpv6.iaprefix.pref_addr': '2001:db8:d000::',
      'dhcpv6.status_code': '2',
      'dhcpv6.dns_server': '2001:db8::53',
      '_ws.malformed': '',
    };
    expect(tsharkFields([packet], Object.keys(expected))).toEqual([expected]);
  });

  test('come back as they went', () => {
    fc.assert(
      fc.property(anyMessage, (sent) => {
        expect(decodeDhcp6(encodeDhcp6(sent))).toEqual(sent);
      }),
      { numRuns: 2000 },
    );
  });

  test('what is unknown is passed over, what may come once counts where it comes first', () => {
    const message = fromClient(Dhcp6Type.SOLICIT);
    const strange = Uint8Array.of(0xff, 0xf0, 0, 3, 1, 2, 3);
    const second = Uint8Array.of(0, 1, 0, 4, 9, 9, 9, 9);
    expect(decodeDhcp6(Uint8Array.of(...encodeDhcp6(message), ...strange, ...second))).toEqual(message);
  });

  test('messages of relay agents and unknown ones are refused', () => {
    for (const type of [0, 12, 13, 14, 255]) {
      const octets = encodeDhcp6(fromClient(Dhcp6Type.SOLICIT));
      octets[0] = type;
      expect(() => decodeDhcp6(octets)).toThrow(`message type ${type}`);
    }
  });

  test('100,000 random and mutated messages are read or refused with BAD_DHCP6', () => {
    const good = encodeDhcp6(
      fromClient(Dhcp6Type.RENEW, {
        associations: [delegation([PREFIX, OTHER]), ADDRESSES],
        requested: [23, 82],
        status: { code: 0, text: 'fine' },
      }),
    );
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    const mutated = fc
      .tuple(fc.array(change, { maxLength: 4 }), fc.nat(good.length))
      .map(([changes, length]) => {
        const copy = Uint8Array.from(good);
        for (const [at, value] of changes) copy[at] = value;
        return copy.subarray(0, length % 3 ? good.length : length);
      });
    const server = served();
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(mutated, mutated, fc.uint8Array({ maxLength: 200 })), (input) => {
        try {
          const outcome = ask(server, decodeDhcp6(input));
          if (outcome.outcome === 'reply') encodeDhcp6(outcome.reply);
          read++;
        } catch (error) {
          expect(error).toBeInstanceOf(TunloomError);
          expect((error as TunloomError).code).toBe('BAD_DHCP6');
        }
      }),
      { numRuns: 100_000 },
    );
    expect(read).toBeGreaterThan(1000);
  });

  test('UDP: checksums that are right, left to hardware, wrong or missing; lengths that lie', () => {
    const datagram = {
      source: parseAddress('fe80::7').bytes,
      destination: parseAddress('ff02::1:2').bytes,
      sourcePort: 546,
      destinationPort: 547,
      payload: Uint8Array.of(1, 2, 3),
    };
    const packet = buildUdp6Packet(datagram);
    expect(readUdp6Packet(packet)).toEqual(datagram);
    expect(readUdp6Packet(Uint8Array.of(...packet, 0, 0))).toEqual(datagram);
    const changed = (edit: (octets: Uint8Array) => void): ReturnType<typeof readUdp6Packet> => {
      const copy = Uint8Array.from(packet);
      edit(copy);
      return readUdp6Packet(copy);
    };
    // Pseudo-header of fe80::7, ff02::1:2, 11 octets, 17: the sum that a kernel leaves for its network card.
    const pseudo = 0xfe80 + 7 + 0xff02 + 1 + 2 + 11 + 17;
    const folded = (pseudo & 0xffff) + (pseudo >> 16);
    expect(changed((octets) => octets.set([folded >> 8, folded & 255], 46))).toEqual(datagram);
    expect(changed((octets) => (octets[50]! ^= 1))).toBe('checksum');
    expect(changed((octets) => octets.fill(0, 46, 48))).toBe('checksum');
    expect(changed((octets) => (octets[45]! += 1))).toBe('malformed');
    expect(changed((octets) => (octets[5] = 200))).toBe('malformed');
    expect(readUdp6Packet(packet.subarray(0, 47))).toBe('malformed');
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (input) => void readUdp6Packet(input)));
  });
});

describe('the server', () => {
  test('Solicit, Advertise, Request, Reply: the prefix with what is left of the binding', () => {
    const server = served();
    const advertise = replyOf(ask(server, fromClient(Dhcp6Type.SOLICIT), 100_000));
    expect(advertise).toMatchObject({ type: Dhcp6Type.ADVERTISE, transaction: 0x123456, rapidCommit: false });
    expect([advertise.clientId, advertise.serverId]).toEqual([CLIENT, SERVER]);
    expect(leases(advertise)).toEqual([{ [PREFIX]: 500 }]);
    const request = fromClient(Dhcp6Type.REQUEST, { associations: [delegation([PREFIX])] });
    const reply = replyOf(ask(server, request, 200_000));
    expect(reply).toMatchObject({ type: Dhcp6Type.REPLY, dns: ['2001:db8::53'] });
    expect(reply.associations).toMatchObject([{ id: 1, renewAfter: 200, rebindAfter: 320, status: null }]);
    expect(leases(reply)).toEqual([{ [PREFIX]: 400 }]);
  });

  test('Rapid Commit: a Reply at once, and it says so', () => {
    const reply = replyOf(ask(served(), fromClient(Dhcp6Type.SOLICIT, { rapidCommit: true })));
    expect(reply).toMatchObject({ type: Dhcp6Type.REPLY, rapidCommit: true });
    expect(leases(reply)).toEqual([{ [PREFIX]: 600 }]);
  });

  test('Solicit waits for the binding; then the Advertise goes out (RFC 7148 §5.1.3.1)', () => {
    const server = new PrefixDelegation();
    expect(ask(server, fromClient(Dhcp6Type.SOLICIT)).outcome).toBe('waiting');
    expect(server.serve(SERVICE, SERVER, 1500)?.type).toBe(Dhcp6Type.ADVERTISE);
    // Only once.
    expect(server.serve(SERVICE, SERVER, 1600)).toBeNull();
    const late = new PrefixDelegation();
    ask(late, fromClient(Dhcp6Type.SOLICIT));
    expect(late.serve(SERVICE, SERVER, 20_000)).toBeNull();
  });

  test('§18.3.9, RFC 7148 §5.1.3.1: no delegated prefix in the binding: status 6, and no prefix', () => {
    for (const type of [Dhcp6Type.SOLICIT, Dhcp6Type.REQUEST, Dhcp6Type.RENEW, Dhcp6Type.REBIND]) {
      const reply = replyOf(ask(served({ ...SERVICE, prefixes: [] }), fromClient(type)));
      expect(codes(reply)).toEqual([Dhcp6Status.NO_PREFIX_AVAILABLE]);
      expect(leases(reply)).toEqual([{}]);
    }
  });

  test('no addresses: status 2, and 3 when they are to be extended', () => {
    const associations = [ADDRESSES, delegation()];
    const solicit = replyOf(ask(served(), fromClient(Dhcp6Type.SOLICIT, { associations })));
    expect(codes(solicit)).toEqual([Dhcp6Status.NO_ADDRESSES_AVAILABLE, null]);
    const rebind = replyOf(ask(served(), fromClient(Dhcp6Type.REBIND, { associations })));
    expect(codes(rebind)).toEqual([Dhcp6Status.NO_BINDING, null]);
  });

  test('§18.3.4: Renew and Rebind extend what is the node’s, also after a restart of ours, and end what is not', () => {
    for (const type of [Dhcp6Type.RENEW, Dhcp6Type.REBIND]) {
      const message = fromClient(type, { associations: [delegation([OTHER, PREFIX])] });
      expect(leases(replyOf(ask(served(), message, 300_000)))).toEqual([{ [PREFIX]: 300, [OTHER]: 0 }]);
      const gone = fromClient(type, { associations: [delegation([OTHER])] });
      const reply = replyOf(ask(served({ ...SERVICE, prefixes: [] }), gone));
      expect(leases(reply)).toEqual([{ [OTHER]: 0 }]);
      // A wish for a length is no prefix that anybody has.
      const wish = fromClient(type, { associations: [delegation(['::/60'])] });
      expect(leases(replyOf(ask(served(), wish)))).toEqual([{ [PREFIX]: 600 }]);
    }
  });

  test('§18.3.9: a prefix that is not given is not repeated in an Advertise', () => {
    const message = fromClient(Dhcp6Type.SOLICIT, { associations: [delegation([OTHER])] });
    expect(leases(replyOf(ask(served(), message)))).toEqual([{ [PREFIX]: 600 }]);
  });

  test('several associations: each prefix goes where it is named, else into the first', () => {
    const both = served({ ...SERVICE, prefixes: [PREFIX, OTHER] });
    const fresh = fromClient(Dhcp6Type.REQUEST, { associations: [delegation([], 1), delegation([], 2)] });
    const reply = replyOf(ask(both, fresh));
    expect(leases(reply)).toEqual([{ [PREFIX]: 600, [OTHER]: 600 }, {}]);
    expect(codes(reply)).toEqual([null, Dhcp6Status.NO_PREFIX_AVAILABLE]);
    const named = fromClient(Dhcp6Type.RENEW, {
      associations: [delegation([PREFIX], 1), delegation([OTHER], 2)],
    });
    expect(leases(replyOf(ask(both, named)))).toEqual([{ [PREFIX]: 600 }, { [OTHER]: 600 }]);
  });

  test('§18.3.7: Release; a prefix that was given back is routed to nobody until it is asked for again', () => {
    const server = served({ ...SERVICE, prefixes: [PREFIX, OTHER] });
    const release = fromClient(Dhcp6Type.RELEASE, { associations: [delegation([PREFIX])] });
    const reply = replyOf(ask(server, release));
    expect(reply).toMatchObject({ type: Dhcp6Type.REPLY, associations: [], status: { code: 0 } });
    expect([PREFIX, OTHER].map((prefix) => server.hasReleased(prefix))).toEqual([true, false]);
    const renew = fromClient(Dhcp6Type.RENEW, { associations: [delegation([OTHER])] });
    expect(leases(replyOf(ask(server, renew)))).toEqual([{ [OTHER]: 600 }]);
    ask(server, fromClient(Dhcp6Type.SOLICIT));
    expect(server.hasReleased(PREFIX)).toBe(true);
    ask(server, fromClient(Dhcp6Type.REQUEST));
    expect(server.hasReleased(PREFIX)).toBe(false);
    // What was never given: status 3.
    const strange = fromClient(Dhcp6Type.RELEASE, { associations: [delegation(['2001:db8:f::/56'], 5)] });
    const refusal = replyOf(ask(server, strange));
    expect(codes(refusal)).toEqual([Dhcp6Status.NO_BINDING]);
    expect(refusal.status?.code).toBe(Dhcp6Status.SUCCESS);
    ask(server, release);
    server.refuse();
    expect(server.hasReleased(PREFIX)).toBe(false);
  });

  test('RFC 7148 §5.1.3.1: once all are given back and gone from the binding, a Solicit or Request asks for others and waits for them', () => {
    const server = served();
    ask(server, fromClient(Dhcp6Type.RELEASE, { associations: [delegation([PREFIX])] }));
    const none = { ...SERVICE, prefixes: [] };
    expect(server.serve(none, SERVER, 0)).toBeNull();
    expect(ask(server, fromClient(Dhcp6Type.SOLICIT)).outcome).toBe('wanted');
    // A refresh in between is no answer.
    expect(server.serve(none, SERVER, 100)).toBeNull();
    const advertise = server.serve({ ...SERVICE, prefixes: [OTHER] }, SERVER, 200)!;
    expect(advertise.type).toBe(Dhcp6Type.ADVERTISE);
    expect(leases(advertise)).toEqual([{ [OTHER]: 599 }]);
    // Who asks for something else has an answer at once.
    server.serve(none, SERVER, 300);
    const addresses = ask(server, fromClient(Dhcp6Type.SOLICIT, { associations: [ADDRESSES] }));
    expect(codes(replyOf(addresses))).toEqual([Dhcp6Status.NO_ADDRESSES_AVAILABLE]);
    const renew = fromClient(Dhcp6Type.RENEW, { associations: [delegation([PREFIX])] });
    expect(leases(replyOf(ask(server, renew)))).toEqual([{ [PREFIX]: 0 }]);
  });

  test('Decline and Information-request; Confirm is not answered, as we know no addresses', () => {
    const decline = fromClient(Dhcp6Type.DECLINE, { associations: [ADDRESSES] });
    expect(codes(replyOf(ask(served(), decline)))).toEqual([Dhcp6Status.NO_BINDING]);
    const information = fromClient(Dhcp6Type.INFORMATION_REQUEST, { clientId: null, associations: [] });
    const reply = replyOf(ask(served(), information));
    expect(reply).toMatchObject({ type: Dhcp6Type.REPLY, clientId: null, dns: ['2001:db8::53'] });
    expect(ask(served(), fromClient(Dhcp6Type.CONFIRM)).outcome).toBe('ignored');
  });

  test.each([
    ['Solicit without client', fromClient(Dhcp6Type.SOLICIT, { clientId: null }), 'invalid'],
    ['Solicit to one server', fromClient(Dhcp6Type.SOLICIT, { serverId: SERVER }), 'invalid'],
    ['Rebind to one server', fromClient(Dhcp6Type.REBIND, { serverId: SERVER }), 'invalid'],
    ['Request without server', fromClient(Dhcp6Type.REQUEST, { serverId: null }), 'invalid'],
    ['Request to another', fromClient(Dhcp6Type.REQUEST, { serverId: CLIENT }), 'otherServer'],
    ['Renew without server', fromClient(Dhcp6Type.RENEW, { serverId: null }), 'invalid'],
    ['Release to another', fromClient(Dhcp6Type.RELEASE, { serverId: CLIENT }), 'otherServer'],
    ['Decline without client', fromClient(Dhcp6Type.DECLINE, { clientId: null }), 'invalid'],
    ['Information-request with an association', fromClient(Dhcp6Type.INFORMATION_REQUEST), 'invalid'],
    ['Advertise', fromClient(Dhcp6Type.ADVERTISE), 'ignored'],
    ['Reply', fromClient(Dhcp6Type.REPLY), 'ignored'],
    ['Reconfigure', fromClient(Dhcp6Type.RECONFIGURE), 'ignored'],
  ])('§16: %s: %s', (_name, message, outcome) => {
    expect(ask(served(), message).outcome).toBe(outcome);
  });

  test('§16, 18.4: to our own address: silence, or status 5 and nothing else', () => {
    for (const type of [Dhcp6Type.SOLICIT, Dhcp6Type.REBIND]) {
      expect(ask(served(), fromClient(type), 0, false).outcome).toBe('unicast');
    }
    for (const type of [Dhcp6Type.REQUEST, Dhcp6Type.RENEW, Dhcp6Type.RELEASE]) {
      const message = fromClient(type, { associations: [delegation([PREFIX])] });
      const server = served();
      const reply = replyOf(ask(server, message, 0, false));
      expect(reply).toMatchObject({ status: { code: Dhcp6Status.USE_MULTICAST }, associations: [], dns: [] });
      expect(server.hasReleased(PREFIX)).toBe(false);
    }
  });

  test('without a binding only what asks for leases waits', () => {
    for (const type of [Dhcp6Type.RELEASE, Dhcp6Type.DECLINE]) {
      expect(ask(new PrefixDelegation(), fromClient(type)).outcome).toBe('ignored');
    }
    const server = served();
    server.refuse();
    expect(ask(server, fromClient(Dhcp6Type.RENEW)).outcome).toBe('waiting');
  });
});
