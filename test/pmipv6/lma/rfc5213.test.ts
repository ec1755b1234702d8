import { describe, expect, it } from 'vitest';
import { Status } from '../../../src/pmipv6/wire/numbers.ts';
import { findOption, type MobilityOption } from '../../../src/pmipv6/wire/options.ts';
import { LMAA, LmaBench, LTE, WLAN } from '../../support/lma-bench.ts';

const lli = (octet: number): MobilityOption => ({
  option: 'mn-link-layer-identifier',
  identifier: new Uint8Array([2, 0, 0, 0, 0, octet]),
});

describe('LMA: RFC 5213 §5.3.1, what is checked and in which order', () => {
  it('a message without P is none of its business', () => {
    const bench = new LmaBench();
    const update = { ...bench.build({}), flags: 0x8000 };
    expect(bench.deliver(update)).toBeUndefined();
  });

  it.each([
    ['160 with an MN Identifier of no length', { mn: null, from: '2001:db8:dead::1' }, 160],
    ['154 for a MAG that is not trusted', { from: '2001:db8:dead::1', mn: 'x@unknown.example' }, 154],
    ['153 for a node that is not known', { mn: 'x@unknown.example', clock: 1e6 }, 153],
    ['156 before 158', { clock: 301, prefixes: [] }, 156],
    ['158 before 161', { prefixes: [], handoff: null }, 158],
    ['161 before 162', { handoff: null, technology: null }, 161],
    ['162', { technology: null }, 162],
  ] as const)('%s', (_, pbu, status) => {
    const bench = new LmaBench();
    const ack = bench.send(pbu);
    expect(ack?.status).toBe(status);
    expect(bench.lma.prefixesInUse).toBe(0);
    if (status === 160) expect(findOption(ack!.options, 'mn-identifier')?.identifier).toHaveLength(0);
  });

  it('152 for a node without proxy mobility', () => {
    expect(new LmaBench({}, { proxyRegistration: false }).send({})?.status).toBe(
      Status.PROXY_REG_NOT_ENABLED,
    );
  });

  it('154 for a trusted MAG that may not register this node', () => {
    const bench = new LmaBench({}, { mags: ['2001:db8:b::/48'] });
    expect(bench.send({ from: LTE })?.status).toBe(154);
    expect(bench.send({ from: WLAN })?.status).toBe(0);
  });
});

describe('LMA: RFC 5213 §5.5, order of messages', () => {
  it('timestamps: echoed if good; outside the window 156, too low 157, both with its own time', () => {
    const bench = new LmaBench();
    const good = bench.build({ clock: -299 });
    const ack = bench.deliver(good)!;
    expect(findOption(ack.options, 'timestamp')).toEqual(findOption(good.options, 'timestamp'));
    const again = bench.deliver(good)!;
    expect(again.status).toBe(157);
    expect(findOption(again.options, 'timestamp')!.ticks).toBe((BigInt(bench.now.utc) * 65536n) / 1000n);
    expect(bench.send({ clock: 301 })?.status).toBe(156);
    expect(bench.send({ clock: -302 })?.status).toBe(156);
  });

  it('after its clock has been set back, the mark from the future does not lock the node out', () => {
    const bench = new LmaBench();
    const prefixes = LmaBench.prefixesOf(bench.send({}));
    bench.now = { ...bench.now, utc: bench.now.utc - 3_600_000 };
    expect(bench.send({ prefixes, handoff: 5 })?.status).toBe(0);
    expect(bench.send({ prefixes, handoff: 5, clock: -100 })?.status).toBe(157);
  });

  it.each([
    [15, 0, 135],
    [15, 15, 135],
    [15, 16, 0],
    [15, 32782, 0],
    [15, 32783, 135],
    [65535, 0, 0],
  ])('sequence numbers: after %i comes %i: %i', (last, next, status) => {
    const bench = new LmaBench();
    const prefixes = LmaBench.prefixesOf(bench.send({ clock: null, sequence: last }));
    const ack = bench.send({ clock: null, sequence: next, prefixes, handoff: 5 });
    expect(ack?.status).toBe(status);
    expect(ack?.sequence).toBe(status ? last : next);
    expect(findOption(ack!.options, 'timestamp')).toBeUndefined();
  });
});

describe('LMA: RFC 5213 §5.3.2 to §5.3.6', () => {
  it('gives each node a prefix of its own, and 130 when there are none left', () => {
    const bench = new LmaBench({ homePrefixPools: ['2001:db8:1000::/62'] });
    const given = [1, 2, 3, 4].map((n) => LmaBench.prefixesOf(bench.send({ mn: `mn${n}@example.org` }))[0]);
    expect(new Set(given).size).toBe(4);
    expect(bench.send({ mn: 'mn5@example.org' })?.status).toBe(Status.INSUFFICIENT_RESOURCES);
  });

  it('a requested prefix that is not its own, or that another node has: 155', () => {
    const bench = new LmaBench();
    expect(bench.send({ prefixes: ['2001:db8:9999::/64'] })?.status).toBe(155);
    const [prefix] = LmaBench.prefixesOf(bench.send({}));
    expect(bench.send({ mn: 'mn2@example.org', prefixes: [prefix!] })?.status).toBe(155);
    expect(bench.send({ mn: 'mn2@example.org', prefixes: ['2001:db8:1000:1::1/64'] })?.status).toBe(155);
  });

  it('static prefixes of the profile, all of them', () => {
    const homePrefixes = ['2001:db8:77::/64', '2001:db8:78::/64'];
    const bench = new LmaBench({}, { identity: 'mn1@example.org', homePrefixes });
    expect(LmaBench.prefixesOf(bench.send({}))).toEqual(homePrefixes);
    expect(bench.send({ prefixes: homePrefixes.slice(0, 1), handoff: 5 })?.status).toBe(159);
  });

  it('on rejection the prefixes of the PBU come back, or one ALL_ZERO', () => {
    const bench = new LmaBench();
    expect(LmaBench.prefixesOf(bench.send({ prefixes: ['2001:db8:9::/64'] }))).toEqual(['2001:db8:9::/64']);
    expect(LmaBench.prefixesOf(bench.send({ prefixes: [] }))).toEqual(['::/0']);
  });

  it('§5.3.6: what was in the PBU comes back, what was not does not, mandatory options with zero', () => {
    const bench = new LmaBench();
    const own: MobilityOption = { option: 'link-local-address', address: 'fe80::7' };
    const names = (ack = bench.send({})): string[] => ack!.options.map(({ option }) => option);
    expect(names()).toEqual([
      'mn-identifier',
      'handoff-indicator',
      'access-technology-type',
      'timestamp',
      'home-network-prefix',
    ]);
    expect(names(bench.send({ mn: 'b@example.org', clock: null }))).not.toContain('timestamp');
    const accepted = bench.send({ mn: 'c@example.org', options: [lli(7), own] })!;
    expect(accepted.options).toContainEqual(lli(7));
    // A rejection too: the link-local address as it came, 0 for the options that should have been there.
    const rejected = bench.send({ mn: 'd@example.org', handoff: null, options: [lli(8), own] })!;
    expect(rejected.status).toBe(161);
    expect(rejected.options).toEqual(
      expect.arrayContaining([lli(8), own, { option: 'handoff-indicator', indicator: 0 }]),
    );
    const other = bench.send({ mn: 'd@example.org', technology: null })!;
    expect(findOption(other.options, 'access-technology-type')?.technology).toBe(0);
  });

  it('§8.1: an option that it does not know is skipped', () => {
    const strange: MobilityOption = { option: 'unknown', type: 253, data: new Uint8Array(3) };
    const ack = new LmaBench().send({ options: [strange] })!;
    expect(ack.status).toBe(0);
    expect(ack.options).not.toContainEqual(strange);
  });

  it('the lifetime is cut to what the LMA allows', () => {
    expect(new LmaBench({ maxLifetime: 100 }).send({})?.lifetime).toBe(25);
  });

  it('handoff to another MAG (HI 3, or the same interface): one tunnel, to the new one', () => {
    const bench = new LmaBench();
    const prefixes = LmaBench.prefixesOf(bench.send({}));
    expect(bench.send({ from: WLAN, prefixes, handoff: 3 })?.status).toBe(0);
    expect(bench.installed.get('mn1@example.org')!.paths.map(({ remote }) => remote.address)).toEqual([WLAN]);
  });

  it('de-registration: ignored from elsewhere, answered at once from the right place, revived within the delay', () => {
    const bench = new LmaBench();
    const prefixes = LmaBench.prefixesOf(bench.send({}));
    expect(bench.send({ from: WLAN, prefixes, handoff: 4, lifetime: 0 })).toBeUndefined();
    expect(bench.installed.size).toBe(1);
    expect(bench.send({ prefixes, handoff: 4, lifetime: 0 })?.status).toBe(0);
    expect(bench.installed.size).toBe(0);
    bench.pass(9000);
    expect(LmaBench.prefixesOf(bench.send({ from: WLAN, prefixes, handoff: 3 }))).toEqual(prefixes);
    bench.pass(20_000);
    expect(bench.installed.size).toBe(1);
  });

  it('a repeated de-registration is answered again', () => {
    const bench = new LmaBench();
    const prefixes = LmaBench.prefixesOf(bench.send({}));
    expect(bench.send({ prefixes, handoff: 4, lifetime: 0 })?.status).toBe(0);
    expect(bench.send({ prefixes, handoff: 4, lifetime: 0 })?.status).toBe(0);
  });

  it('a de-registration of nothing is ignored', () => {
    expect(new LmaBench().send({ lifetime: 0, handoff: 4 })).toBeUndefined();
  });

  it('the link-local address: chosen if ALL_ZERO, kept if given', () => {
    const bench = new LmaBench();
    const zero: MobilityOption = { option: 'link-local-address', address: '::' };
    const chosen = findOption(bench.send({ options: [zero] })!.options, 'link-local-address')!.address;
    expect(chosen).toMatch(/^fe80::/);
    const own: MobilityOption = { option: 'link-local-address', address: 'fe80::7' };
    const ack = bench.send({ mn: 'mn2@example.org', options: [own] });
    expect(findOption(ack!.options, 'link-local-address')!.address).toBe('fe80::7');
  });
});

describe('LMA: RFC 5213 §5.4.1, which session', () => {
  it('by link-layer identifier and access technology when no prefix is named', () => {
    const bench = new LmaBench();
    const first = LmaBench.prefixesOf(bench.send({ options: [lli(1)] }));
    expect(LmaBench.prefixesOf(bench.send({ from: WLAN, handoff: 3, options: [lli(1)] }))).toEqual(first);
    expect(LmaBench.prefixesOf(bench.send({ handoff: 1, options: [lli(2)] }))).not.toEqual(first);
  });

  it('HI 4 waits for the de-registration of the old MAG, then goes on', () => {
    const bench = new LmaBench();
    const first = LmaBench.prefixesOf(bench.send({}));
    expect(bench.send({ from: WLAN, handoff: 4 })).toBeUndefined();
    bench.send({ prefixes: first, handoff: 4, lifetime: 0 });
    const acks = bench.sent().filter(({ message }) => message === 'binding-ack');
    expect(acks).toHaveLength(2);
    expect(bench.installed.get('mn1@example.org')!.paths[0]!.remote.address).toBe(WLAN);
    expect(bench.lma.prefixesInUse).toBe(1);
  });

  it('HI 4 without a de-registration becomes a session of its own after MaxDelayBeforeNewBCEAssign', () => {
    const bench = new LmaBench();
    bench.send({});
    expect(bench.send({ from: WLAN, handoff: 4 })).toBeUndefined();
    const sent = bench.pass(1499);
    expect(sent).toHaveLength(0);
    bench.pass(2);
    expect(bench.lma.prefixesInUse).toBe(2);
  });
});

describe('LMA: the neighbours of RFC 5213', () => {
  const hoa = (prefix = '0.0.0.0/0'): MobilityOption => ({ option: 'ipv4-home-address-request', prefix });
  const ipv4 = { pool: '198.51.100.0/29', router: '198.51.100.1' };

  it('RFC 5844 §3.1.2: home address, default router and DHCP mode; one entry for both families', () => {
    const bench = new LmaBench({ ipv4 });
    const ack = bench.send({ options: [hoa()] })!;
    expect(findOption(ack.options, 'ipv4-home-address-reply')).toMatchObject({
      status: 0,
      prefix: '198.51.100.2/29',
    });
    expect(findOption(ack.options, 'ipv4-default-router')?.address).toBe('198.51.100.1');
    expect(bench.installed.get('mn1@example.org')!.prefixes).toEqual([
      '2001:db8:1000::/64',
      '198.51.100.2/32',
    ]);
  });

  it('RFC 5844: IPv4 alone needs no HNP; 170, 171, 172 and 173', () => {
    const bench = new LmaBench({ ipv4 });
    expect(bench.send({ prefixes: [], options: [hoa()] })?.status).toBe(0);
    expect(bench.send({ mn: 'b@example.org', options: [hoa('198.51.100.2/32')] })?.status).toBe(171);
    expect(bench.send({ mn: 'b@example.org', options: [hoa(), hoa()] })?.status).toBe(173);
    expect(new LmaBench().send({ options: [hoa()] })?.status).toBe(170);
    expect(new LmaBench({ ipv4 }, { ipv6: false }).send({ options: [hoa()] })?.status).toBe(172);
    expect(bench.lma.prefixesInUse).toBe(1);
  });

  it('RFC 5844 §3.1.2.2, 3.1.2.6: a rejection repeats the request with Reply status 129 or 128, and names no HNP if IPv4 alone was asked for', () => {
    const small = { pool: '198.51.100.0/30', router: '198.51.100.1' };
    const bench = new LmaBench({ ipv4: small });
    bench.send({ prefixes: [], options: [hoa()] });
    for (const [wish, status, reply] of [
      ['198.51.100.2/30', 171, 129],
      ['203.0.113.7/30', 171, 129],
      ['0.0.0.0/0', 130, 128],
    ] as const) {
      const ack = bench.send({ mn: 'b@example.org', prefixes: [], options: [hoa(wish)] })!;
      expect(ack.status).toBe(status);
      expect(findOption(ack.options, 'ipv4-home-address-reply')).toMatchObject({
        status: reply,
        prefix: wish,
      });
      expect(findOption(ack.options, 'home-network-prefix')).toBeUndefined();
      expect(findOption(ack.options, 'ipv4-default-router')).toBeUndefined();
    }
  });

  it('RFC 5844 §3.1.2.5: Lifetime 0 with the home address alone ends IPv4 alone', () => {
    const bench = new LmaBench({ ipv4 });
    bench.send({ options: [hoa()] });
    const ack = bench.send({ prefixes: [], lifetime: 0, handoff: 4, options: [hoa('198.51.100.2/29')] });
    expect(ack?.status).toBe(0);
    expect(bench.installed.get('mn1@example.org')!.prefixes).toEqual(['2001:db8:1000::/64']);
    // The answer was lost: once more, it is still about IPv4 alone.
    const again = bench.send({ prefixes: [], lifetime: 0, handoff: 4, options: [hoa('198.51.100.2/29')] });
    expect(again?.status).toBe(0);
    expect(bench.installed.get('mn1@example.org')!.prefixes).toEqual(['2001:db8:1000::/64']);
  });

  it('RFC 5844 §4.1: UDP is answered at the port it came from, with NAT Detection F', () => {
    const bench = new LmaBench({ ipv4 });
    const ack = bench.send({ from: '192.0.2.9', to: '192.0.2.1', port: 40_000 });
    expect(findOption(ack!.options, 'nat-detection')?.force).toBe(true);
    expect(bench.effects.find((effect) => effect.effect === 'send')).toMatchObject({
      to: { address: '192.0.2.9', port: 40_000 },
      from: { address: '192.0.2.1', port: 5436 },
    });
    expect(bench.installed.get('mn1@example.org')!.paths[0]!.encapsulation).toBe('udp');
    const refusing = new LmaBench({ acceptForcedUdp: false });
    expect(refusing.send({ from: '192.0.2.9', port: 5436, flags: 0x0100 })?.status).toBe(129);
  });

  it('RFC 5845 §3: keys of the session, the same for its life; 2, 3 and 163', () => {
    const key: MobilityOption = { option: 'gre-key', key: 0x1111_1111 };
    const bench = new LmaBench();
    const first = bench.send({ bid: 1, options: [key] })!;
    const uplink = findOption(first.options, 'gre-key')!.key;
    const prefixes = LmaBench.prefixesOf(first);
    const second = bench.send({ bid: 2, from: WLAN, prefixes, options: [key] })!;
    expect(findOption(second.options, 'gre-key')!.key).toBe(uplink);
    expect(bench.installed.get('mn1@example.org')).toMatchObject({
      sendKey: 0x1111_1111,
      receiveKey: uplink,
    });
    const without = new LmaBench().send({ options: [{ option: 'gre-key', key: null }] })!;
    expect(findOption(without.options, 'gre-key')).toEqual({ option: 'gre-key', key: null });
    expect(new LmaBench({ gre: 'off' }).send({ options: [key] })?.status).toBe(2);
    expect(new LmaBench({ gre: 'required' }).send({})?.status).toBe(163);
    const noTlv = new LmaBench({ tlv: false });
    expect(noTlv.send({ from: '192.0.2.9', port: 5436, flags: 0x0180, options: [key] })?.status).toBe(3);
    const tlv = new LmaBench();
    const udp = tlv.send({ from: '192.0.2.9', port: 5436, flags: 0x0180, options: [key] })!;
    expect(udp.flags & 0x10).toBe(0x10);
    expect(tlv.installed.get('mn1@example.org')!.paths[0]!.encapsulation).toBe('udp-gre');
  });

  it('RFC 7148 §5.2.2: delegated prefixes, 177 and 178; without pools the option is unknown', () => {
    const wish = (prefix = '::/0'): MobilityOption => ({ option: 'delegated-mobile-network-prefix', prefix });
    const bench = new LmaBench({ delegatedPools: [{ pool: '2001:db8:d000::/40', length: 48 }] });
    const ack = bench.send({ options: [wish()] })!;
    expect(findOption(ack.options, 'delegated-mobile-network-prefix')?.prefix).toBe('2001:db8:d000::/48');
    expect(bench.send({ mn: 'b@example.org', options: [wish('2001:db8:d000::/48')] })?.status).toBe(178);
    expect(bench.send({ mn: 'b@example.org', options: [wish('2001:db8:9::/48')] })?.status).toBe(178);
    expect(bench.lma.prefixesInUse).toBe(2);
    const empty = new LmaBench({ delegatedPools: [{ pool: '2001:db8:d000::/48', length: 48 }] });
    empty.send({ options: [wish()] });
    expect(empty.send({ mn: 'b@example.org', options: [wish()] })?.status).toBe(177);
    const plain = new LmaBench().send({ options: [wish()] })!;
    expect(plain.status).toBe(0);
    expect(findOption(plain.options, 'delegated-mobile-network-prefix')).toBeUndefined();
  });

  it('RFC 5847: answers every heartbeat of a trusted MAG; a changed Restart Counter ends its bindings', () => {
    const bench = new LmaBench({ restartCounter: 42, heartbeat: { intervalSeconds: 60, missingAllowed: 3 } });
    bench.send({ bid: 1 });
    const [mag, lma] = [
      { address: LTE, port: null },
      { address: '2001:db8:f::1', port: null },
    ];
    const request = {
      message: 'heartbeat',
      response: false,
      unsolicited: false,
      sequence: 7,
      options: [],
    } as const;
    const [answer] = bench.message(request, mag, lma);
    expect(answer).toMatchObject({ message: 'heartbeat', response: true, sequence: 7 });
    expect(findOption(answer!.options, 'restart-counter')?.counter).toBe(42);
    expect(bench.message(request, { address: '2001:db8:dead::1', port: null }, lma)).toEqual([]);
    const unsolicited = (counter: number) =>
      bench.message(
        {
          message: 'heartbeat',
          response: true,
          unsolicited: true,
          sequence: 0,
          options: [{ option: 'restart-counter', counter }],
        },
        mag,
        lma,
      );
    unsolicited(5);
    expect(bench.installed.size).toBe(1);
    unsolicited(6);
    expect(bench.installed.size).toBe(0);
  });

  it('a restart that is noticed late does not end what has been registered since', () => {
    const bench = new LmaBench();
    const heard = (counter: number): void => {
      const options: MobilityOption[] = [{ option: 'restart-counter', counter }];
      const heartbeat = {
        message: 'heartbeat',
        response: true,
        unsolicited: true,
        sequence: 0,
        options,
      } as const;
      bench.message(heartbeat, { address: LTE, port: null }, { address: LMAA, port: null });
    };
    bench.send({});
    heard(1);
    bench.pass(1000);
    // Restarted, and registered again before the heartbeat tells.
    bench.send({ handoff: 4 });
    heard(2);
    expect(bench.installed.size).toBe(1);
    bench.pass(1000);
    bench.send({ handoff: 5 });
    heard(3);
    expect(bench.installed.size).toBe(0);
  });

  it('RFC 5847 §3.1: more than MISSING_HEARTBEATS_ALLOWED unanswered requests: the peer is gone', () => {
    const bench = new LmaBench({ heartbeat: { intervalSeconds: 30, missingAllowed: 3 } });
    bench.send({ bid: 1, lifetime: 900 });
    const mag = { address: LTE, port: null };
    bench.message(
      { message: 'heartbeat', response: false, unsolicited: false, sequence: 1, options: [] },
      mag,
      { address: '2001:db8:f::1', port: null },
    );
    bench.pass(125_000);
    expect(bench.sent()).toHaveLength(4);
    expect(bench.installed.size).toBe(1);
    bench.pass(30_000);
    expect(bench.installed.size).toBe(0);
  });

  it('RFC 5846 §8.1: the operator revokes one BID or the session; two BRIs, then it gives up', () => {
    const bench = new LmaBench();
    const prefixes = LmaBench.prefixesOf(bench.send({ bid: 1 }));
    bench.send({ bid: 2, from: WLAN, prefixes });
    bench.revoke('mn1@example.org', 2);
    expect(bench.bids()).toEqual([1]);
    const [bri] = bench.sent();
    expect(bri).toMatchObject({ message: 'revocation', acknowledgement: false, code: 1, flags: 0x8000 });
    expect(findOption(bri!.options, 'binding-identifier')?.bid).toBe(2);
    bench.pass(10_000);
    expect(bench.sent()).toHaveLength(1);
    bench.revoke('mn1@example.org');
    const [second] = bench.sent();
    if (second?.message !== 'revocation') throw new Error('no BRI');
    bench.message(
      { ...second, acknowledgement: true, code: 0, options: [] },
      { address: LTE, port: null },
      { address: '2001:db8:f::1', port: null },
    );
    bench.pass(10_000);
    expect(bench.sent()).toHaveLength(0);
    expect(bench.lma.prefixesInUse).toBe(0);
  });

  it('RFC 5846 §8.2: a MAG revokes a node, or with G all its own', () => {
    const bench = new LmaBench();
    bench.send({ bid: 1 });
    bench.send({ bid: 1, mn: 'b@example.org' });
    const bri = (mn: string | null, flags: number, code: number) =>
      bench.message(
        {
          message: 'revocation',
          acknowledgement: false,
          code,
          sequence: 9,
          flags,
          options:
            mn === null
              ? []
              : [{ option: 'mn-identifier', subtype: 1, identifier: new TextEncoder().encode(mn) }],
        },
        { address: LTE, port: null },
        { address: '2001:db8:f::1', port: null },
      )[0];
    expect(bri('nobody@example.org', 0x8000, 1)).toMatchObject({ acknowledgement: true, code: 128 });
    expect(bri('b@example.org', 0x8000, 1)).toMatchObject({ acknowledgement: true, code: 0, sequence: 9 });
    expect(bench.installed.size).toBe(1);
    // With G the MAG says who it is, and a trigger for all.
    expect(bri(null, 0x8000, 1)).toMatchObject({ code: 131 });
    expect(bri(null, 0xa000, 128)).toMatchObject({ code: 130 });
    expect(bri('mag1@example.org', 0xa000, 1)).toMatchObject({ code: 134 });
    expect(bri('mag1@example.org', 0xa000, 129)).toMatchObject({ code: 133 });
    expect(bench.installed.size).toBe(1);
    expect(bri('mag1@example.org', 0xa000, 128)).toMatchObject({ code: 0 });
    expect(bench.installed.size).toBe(0);
  });

  it('RFC 6275 §9.2: an unknown message type is answered by Binding Error 2, for known peers only', () => {
    const bench = new LmaBench();
    const lma = { address: '2001:db8:f::1', port: null };
    const message = { message: 'unknown', type: 77, data: new Uint8Array(2), options: [] } as const;
    expect(bench.message(message, { address: LTE, port: null }, lma)).toMatchObject([{ status: 2 }]);
    expect(bench.message(message, { address: '2001:db8:dead::1', port: null }, lma)).toEqual([]);
  });

  it('PBUs of one address beyond the rate are dropped', () => {
    const bench = new LmaBench({ maxUpdatesPerSecond: 3 });
    const answers = [1, 2, 3, 4, 5].map((n) => bench.send({ mn: `mn${n}@example.org` }));
    expect(answers.filter((ack) => ack !== undefined)).toHaveLength(3);
    expect(bench.lma.statistics().ignored).toEqual({ 'rate-limit': 2 });
  });
});
