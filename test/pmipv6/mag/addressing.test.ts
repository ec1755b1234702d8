/** The MAG: IPv4 home addresses and transport (RFC 5844), GRE keys (RFC 5845), delegated prefixes (RFC 7148). */
import { describe, expect, it } from 'vitest';
import { LOGICAL_NODE_DEFAULTS, type MagConfig } from '../../../src/pmipv6/mag/config.ts';
import { UpdateFlag } from '../../../src/pmipv6/wire/message/binding-update.ts';
import type { MobilityOption } from '../../../src/pmipv6/wire/options.ts';
import { DSL4, HNP, LMAA4, LTE, MagBench, MN, optionOf, WLAN } from '../../support/mag-bench.ts';

const NODE4 = { ...LOGICAL_NODE_DEFAULTS, identity: MN, delegated: [], ipv4: true };
const REPLY: MobilityOption[] = [
  { option: 'ipv4-home-address-reply', status: 0, prefix: '203.0.113.9/24' },
  { option: 'ipv4-default-router', address: '203.0.113.1' },
  { option: 'ipv4-dhcp-support', server: true },
];

describe('MAG: RFC 5844 §3.2, IPv4 home address', () => {
  it('asks with 0.0.0.0, grants address, subnet and router, asks for the same again', () => {
    const bench = new MagBench({ logicalNodes: [NODE4] });
    const [pbu] = bench.up('lte', LTE);
    expect(optionOf(pbu, 'ipv4-home-address-request')!.prefix).toBe('0.0.0.0/0');
    bench.answer(pbu!, { options: REPLY });
    expect(bench.grants.get(MN)!.homeAddress).toEqual({
      address: '203.0.113.9',
      prefixLength: 24,
      router: '203.0.113.1',
    });
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, '203.0.113.9/32']);
    expect(optionOf(bench.pass(560_000)[0], 'ipv4-home-address-request')!.prefix).toBe('203.0.113.9/24');
  });

  it('§3.4.3: the address that the node gives back is de-registered by itself, and another asked for when it wants one', () => {
    const node = 'mn4@example.org';
    const bench = MagBench.joined(
      { logicalNodes: [], nodes: [{ ...NODE4, identity: '*@example.org' }] },
      { ipv4: { pool: '203.0.113.0/24', router: '203.0.113.1' } },
    );
    bench.up('lte', LTE);
    bench.event({ event: 'attach', node, interface: 'lan0', linkLayer: null, technology: 3 });
    bench.up('wlan', WLAN);
    bench.pass(2000);
    const atLma = () => [...bench.lma!.sessions()].map(({ homeAddress }) => homeAddress);
    const first = atLma()[0]!;
    expect(bench.grants.get(node)!.homeAddress!.address).toBe(first.split('/')[0]);
    bench.take();
    bench.event({ event: 'release-address', node });
    const [release, ...others] = bench.updates();
    expect(others).toEqual([]);
    expect(release!.message.lifetime).toBe(0);
    expect(release!.message.options.map(({ option }) => option)).toEqual([
      ...['mn-identifier', 'handoff-indicator', 'access-technology-type', 'timestamp'],
      'ipv4-home-address-request',
    ]);
    expect(optionOf(release, 'ipv4-home-address-request')!.prefix).toBe(first);
    expect(atLma()).toEqual([null]);
    expect(bench.grants.get(node)).toMatchObject({ homeAddress: null, homePrefixes: [{}] });
    expect(bench.bids(node)).toEqual([1, 2]);
    expect(bench.lmaBids(node)).toEqual([1, 2]);
    // No later PBU of any path brings it back.
    bench.pass(1_200_000);
    expect(atLma()).toEqual([null]);
    expect(bench.installed.get(node)!.prefixes).toHaveLength(1);
    bench.event({ event: 'address', node });
    bench.pass(1000);
    expect(atLma()[0]).not.toBe(null);
    expect(bench.grants.get(node)!.homeAddress!.address).toBe(atLma()[0]!.split('/')[0]);
    // Nothing of the kind for a node that has not given one back.
    bench.take();
    bench.event({ event: 'address', node });
    expect(bench.updates()).toEqual([]);
  });

  it('§3.4.3: the LMA does not hear of it: named by the de-registration of the session; an older PBU brings it back: told again', () => {
    const node = 'mn4@example.org';
    const plain = { multipath: false, logicalNodes: [], nodes: [{ ...NODE4, identity: '*@example.org' }] };
    const pool = { ipv4: { pool: '203.0.113.0/24', router: '203.0.113.1' } };
    const bench = MagBench.joined(plain, pool);
    bench.up('lte', LTE);
    bench.event({ event: 'attach', node, interface: 'lan0', linkLayer: null, technology: 3 });
    bench.dead.add('lte');
    bench.event({ event: 'release-address', node });
    bench.pass(10_000);
    bench.dead.clear();
    bench.event({ event: 'detach', node, interface: 'lan0' });
    expect([...bench.lma!.sessions()][0]!.bindings.size).toBe(0);

    const crossed = new MagBench(plain);
    crossed.up('lte', LTE);
    crossed.event({ event: 'attach', node, interface: 'lan0', linkLayer: null, technology: 3 });
    crossed.answer(crossed.updates()[0]!, { multipath: false, options: REPLY });
    crossed.event({ event: 'register', node });
    const [extension] = crossed.updates();
    crossed.event({ event: 'release-address', node });
    const [release] = crossed.updates();
    crossed.answer(release!, { lifetime: 0 });
    crossed.answer(extension!, { multipath: false, options: REPLY });
    expect(crossed.grants.get(node)!.homeAddress).toBe(null);
    expect(crossed.pass(900).map(({ message }) => message.lifetime)).toEqual([0]);
  });

  it('a PBA without Reply, or with an error in it: no IPv4', () => {
    const bench = new MagBench({ logicalNodes: [NODE4] });
    bench.answer(bench.up('lte', LTE)[0]!);
    expect(bench.grants.get(MN)!.homeAddress).toBe(null);
    const other = new MagBench({ logicalNodes: [NODE4] });
    other.answer(other.up('lte', LTE)[0]!, {
      options: [{ option: 'ipv4-home-address-reply', status: 129, prefix: '0.0.0.0/0' }],
    });
    expect(other.grants.get(MN)!.homeAddress).toBe(null);
  });

  it('IPv4 alone: no HNP option', () => {
    const bench = new MagBench({ logicalNodes: [{ ...NODE4, ipv6: false }] });
    const [pbu] = bench.up('lte', LTE);
    expect(optionOf(pbu, 'home-network-prefix')).toBeUndefined();
    bench.answer(pbu!, { prefixes: [], options: REPLY });
    expect(bench.installed.get(MN)!.prefixes).toEqual(['203.0.113.9/32']);
  });

  it.each([
    [
      170,
      'no more option 36',
      (pbu: never) => expect(optionOf(pbu, 'ipv4-home-address-request')).toBeUndefined(),
    ],
    [172, 'no more HNP', (pbu: never) => expect(optionOf(pbu, 'home-network-prefix')).toBeUndefined()],
  ] as const)('status %i: %s', (status, _, check) => {
    const bench = new MagBench({ logicalNodes: [NODE4] });
    const [pbu] = bench.up('lte', LTE);
    bench.take();
    bench.answer(pbu!, { status });
    check(bench.updates()[0] as never);
  });

  it('status 171: another address will do', () => {
    const bench = new MagBench({ logicalNodes: [{ ...NODE4, homeAddress: '203.0.113.7/24' }] });
    const [pbu] = bench.up('lte', LTE);
    expect(optionOf(pbu, 'ipv4-home-address-request')!.prefix).toBe('203.0.113.7/24');
    bench.take();
    bench.answer(pbu!, { status: 171 });
    expect(optionOf(bench.updates()[0], 'ipv4-home-address-request')!.prefix).toBe('0.0.0.0/0');
  });
});

describe('MAG: RFC 5844 §4, IPv4 transport; RFC 5845 §7', () => {
  const nat: MobilityOption = { option: 'nat-detection', force: true, refreshTime: 110 };
  const encapsulationOf = (config: Partial<MagConfig>, grant: Parameters<MagBench['answer']>[1]) => {
    const bench = new MagBench(config);
    const [pbu] = bench.up('lte', DSL4);
    bench.answer(pbu!, grant);
    return { pbu: pbu!, path: bench.installed.get(MN)!.paths[0]! };
  };

  it('UDP port 5436 to the IPv4-LMAA; T with GRE; F only if it is to be forced', () => {
    const { pbu } = encapsulationOf({}, {});
    expect(pbu).toMatchObject({ from: { address: DSL4, port: 5436 }, to: { address: LMAA4, port: 5436 } });
    expect(pbu.message.flags & (UpdateFlag.FORCE_UDP | UpdateFlag.TLV)).toBe(UpdateFlag.TLV);
    const forced = encapsulationOf({ forceUdp: true, gre: 'off' }, { greKey: undefined, options: [nat] }).pbu;
    expect(forced.message.flags & (UpdateFlag.FORCE_UDP | UpdateFlag.TLV)).toBe(UpdateFlag.FORCE_UDP);
  });

  it.each([
    ['GRE, no NAT', {}, {}, 'gre', null],
    ['NAT, T agreed', {}, { flags: 0x30, options: [nat] }, 'udp-gre', 5437],
    ['NAT, no GRE', { gre: 'off' }, { greKey: undefined, options: [nat] }, 'udp', 5437],
    ['status 3: GRE without UDP', {}, { status: 3, options: [nat] }, 'gre', null],
    ['no NAT Detection option: plain', { gre: 'off' }, { greKey: undefined }, 'ipip', null],
  ] as const)('%s', (_, config, grant, encapsulation, port) => {
    const { path } = encapsulationOf(config, grant);
    expect(path).toMatchObject({
      encapsulation,
      local: { address: DSL4, port },
      remote: { address: LMAA4, port },
    });
  });

  it('129 to a forced request: asked again without F', () => {
    const bench = new MagBench({ forceUdp: true });
    const [pbu] = bench.up('lte', DSL4);
    bench.take();
    bench.answer(pbu!, { status: 129 });
    expect(bench.updates()[0]!.message.flags & UpdateFlag.FORCE_UDP).toBe(0);
  });

  it('IPv6 is preferred where the interface has both', () => {
    expect(new MagBench().up('lte', DSL4, LTE)[0]!.from.address).toBe(LTE);
  });
});

describe('MAG: RFC 5845 §3, GRE keys', () => {
  it('the downlink key in every PBU but the last; the uplink key from the PBA', () => {
    const bench = new MagBench();
    const [pbu] = bench.up('lte', LTE);
    const { key } = optionOf(pbu, 'gre-key')!;
    bench.answer(pbu!, { greKey: 0xabcd });
    expect(bench.installed.get(MN)).toMatchObject({ sendKey: 0xabcd, receiveKey: key });
    expect(optionOf(bench.pass(560_000)[0], 'gre-key')!.key).toBe(key);
  });

  it('status 2, or a PBA without the option: not asked for again', () => {
    for (const status of [0, 2]) {
      const bench = new MagBench();
      bench.answer(bench.up('lte', LTE)[0]!, { status, greKey: undefined });
      expect(bench.installed.get(MN)).toMatchObject({ sendKey: null, receiveKey: null });
      expect(optionOf(bench.pass(560_000)[0], 'gre-key')).toBeUndefined();
    }
  });

  it('163: sent again with a key, if the policy lets it', () => {
    const bench = new MagBench({ gre: 'demanded' });
    const [pbu] = bench.up('lte', LTE);
    expect(optionOf(pbu, 'gre-key')).toBeUndefined();
    bench.take();
    bench.answer(pbu!, { status: 163 });
    expect(optionOf(bench.updates()[0], 'gre-key')!.key).not.toBe(null);
    const never = new MagBench({ gre: 'off' });
    never.answer(never.up('lte', LTE)[0]!, { status: 163 });
    expect(never.status().denied).toContain('GRE');
  });

  it('GRE without keys', () => {
    const bench = new MagBench({ gre: 'keyless' });
    const [pbu] = bench.up('lte', LTE);
    expect(optionOf(pbu, 'gre-key')!.key).toBe(null);
    bench.answer(pbu!, { greKey: null });
    expect(bench.installed.get(MN)).toMatchObject({ sendKey: null, paths: [{ encapsulation: 'gre' }] });
  });
});

describe('MAG: RFC 7148, delegated prefixes', () => {
  const logicalNodes = [{ ...LOGICAL_NODE_DEFAULTS, identity: MN, delegated: ['::/0', '0.0.0.0/0'] }];

  it('one ALL_ZERO a family, then the assigned ones; both ends of the option', () => {
    const bench = new MagBench({ logicalNodes });
    const [pbu] = bench.up('lte', LTE);
    const asked = (sent: typeof pbu) =>
      sent!.message.options.flatMap((o) =>
        o.option === 'delegated-mobile-network-prefix' ? [o.prefix] : [],
      );
    expect(asked(pbu)).toEqual(['::/0', '0.0.0.0/0']);
    const given = ['2001:db8:d00::/56', '203.0.113.128/25'];
    bench.answer(pbu!, {
      options: given.map((prefix) => ({ option: 'delegated-mobile-network-prefix', prefix }) as const),
    });
    expect(bench.grants.get(MN)!.delegatedPrefixes).toEqual(given);
    expect(asked(bench.pass(560_000)[0])).toEqual(given);
  });

  it('§5.1.3.1: those that the node gives back are released at the LMA, and others asked for when it wants some again', () => {
    const bench = MagBench.joined(
      {
        logicalNodes,
        nodes: logicalNodes.map((node) => ({ ...node, identity: '*@example.org', delegated: ['::/0'] })),
      },
      { delegatedPools: [{ pool: '2001:db8:d000::/40', length: 48 }] },
    );
    const node = 'mr@example.org';
    bench.up('lte', LTE);
    bench.event({ event: 'attach', node, interface: 'lan0', linkLayer: null, technology: 3 });
    bench.up('wlan', WLAN);
    bench.pass(2000);
    const atLma = () => [...bench.lma!.sessions()].find(({ nodeKey }) => nodeKey === node)!.delegated;
    const prefixes = bench.grants.get(node)!.delegatedPrefixes;
    expect(atLma()).toEqual(prefixes);
    bench.take();
    bench.event({ event: 'release', node, prefixes });
    expect(bench.grants.get(node)!.delegatedPrefixes).toEqual([]);
    expect(atLma()).toEqual([]);
    // One path tells of it, and no later PBU of any path brings them back.
    expect(bench.updates()).toHaveLength(1);
    bench.pass(1_200_000);
    expect(atLma()).toEqual([]);
    expect(bench.installed.get(node)!.paths).toHaveLength(2);
    bench.event({ event: 'release', node, prefixes });
    bench.event({ event: 'delegation', node });
    bench.pass(1000);
    expect(atLma()).toHaveLength(1);
    expect(bench.grants.get(node)!.delegatedPrefixes).toEqual(atLma());
  });

  it('177: without them; 178: any will do', () => {
    const bench = new MagBench({ logicalNodes: [{ ...logicalNodes[0]!, delegated: ['2001:db8:d00::/56'] }] });
    const [pbu] = bench.up('lte', LTE);
    bench.take();
    bench.answer(pbu!, { status: 178 });
    const [any] = bench.updates();
    expect(optionOf(any, 'delegated-mobile-network-prefix')!.prefix).toBe('::/0');
    bench.answer(any!, { status: 177 });
    expect(optionOf(bench.updates()[0], 'delegated-mobile-network-prefix')).toBeUndefined();
  });
});
