import { describe, expect, it } from 'vitest';
import { LOGICAL_NODE_DEFAULTS } from '../../../src/pmipv6/mag/config.ts';
import { UpdateFlag } from '../../../src/pmipv6/wire/message/binding-update.ts';
import { encodeMessage } from '../../../src/pmipv6/wire/mobility-header.ts';
import { HNP, LTE, MagBench, MN, optionOf, WLAN } from '../../support/mag-bench.ts';

const mmb = (sent: Parameters<typeof optionOf>[0]) => optionOf(sent, 'mag-multipath-binding');

/** Two paths, granted. */
function multipath(config: ConstructorParameters<typeof MagBench>[0] = {}): MagBench {
  const bench = new MagBench(config);
  const [first] = bench.up('lte', LTE);
  bench.answer(first!);
  const [second] = bench.up('wlan', WLAN);
  bench.answer(second!);
  bench.take();
  return bench;
}

describe('MAG: RFC 8278 §4.4, asking for multipath', () => {
  it('R1, R2: MMB and MAG Identifier in each PBU over each WAN interface', () => {
    const bench = new MagBench();
    const [first] = bench.up('lte', LTE);
    bench.answer(first!);
    bench.up('wlan', WLAN);
    bench.pass(3000);
    const all = bench.updates();
    expect(all.length).toBeGreaterThan(2);
    for (const pbu of all) {
      expect(mmb(pbu)).toMatchObject(
        pbu.interface === 'lte' ? { bid: 1, label: 11, technology: 8 } : { bid: 2, label: 9, technology: 4 },
      );
      expect(optionOf(pbu, 'mag-identifier')).toMatchObject({
        subtype: 1,
        identifier: new TextEncoder().encode('mag1@example.org'),
      });
      expect(pbu.from.address).toBe(pbu.interface === 'lte' ? LTE : WLAN);
    }
  });

  it('R3: an unknown LMA gets PBUs over one path only, until it has answered', () => {
    const bench = new MagBench();
    bench.up('wlan', WLAN);
    bench.up('lte', LTE);
    bench.pass(900);
    const sent = bench.updates();
    expect(sent.map((each) => each.interface)).toEqual(['wlan']);
    bench.answer(sent[0]!);
    expect(bench.updates().map((each) => each.interface)).toEqual(['lte']);
  });

  it('R3: the first word to an unknown LMA clears what it had from before (O), no later one does', () => {
    const bench = new MagBench();
    bench.up('wlan', WLAN);
    bench.up('lte', LTE);
    const [first] = bench.updates();
    expect(mmb(first)).toMatchObject({ bid: 2, overwrite: true });
    bench.answer(first!);
    const [second] = bench.updates();
    expect(mmb(second)).toMatchObject({ bid: 1, overwrite: false });
  });

  it('R4: a known LMA gets the paths of the next node at once', () => {
    const bench = multipath();
    bench.event({
      event: 'attach',
      node: 'mn2@example.org',
      interface: 'lan0',
      linkLayer: null,
      technology: 3,
    });
    expect(bench.updates().map((each) => [each.interface, mmb(each)!.overwrite])).toEqual([
      ['lte', false],
      ['wlan', false],
    ]);
  });

  it('over a first path that is dead, the next one asks', () => {
    const bench = new MagBench();
    bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    bench.pass(10_000);
    const tried = bench.updates().map((each) => each.interface);
    expect(tried.slice(0, 4)).toEqual(['lte', 'lte', 'lte', 'wlan']);
  });

  it('§3.1 figure 2: the second path asks for the prefix of the first', () => {
    const bench = new MagBench();
    const [first] = bench.up('lte', LTE);
    expect(optionOf(first, 'home-network-prefix')!.prefix).toBe('::/0');
    bench.answer(first!);
    const [second] = bench.up('wlan', WLAN);
    expect(optionOf(second, 'home-network-prefix')!.prefix).toBe(HNP);
    bench.answer(second!);
    expect(bench.installed.get(MN)).toMatchObject({
      prefixes: [HNP],
      paths: [
        { bid: 1, label: 11, technology: 8, interface: 'lte', local: { address: LTE } },
        { bid: 2, label: 9, technology: 4, interface: 'wlan', local: { address: WLAN } },
      ],
    });
  });

  it('R7: a PBA without MMB ends multipath for the node; one path works', () => {
    const bench = new MagBench();
    const [first] = bench.up('lte', LTE);
    bench.answer(first!, { multipath: false });
    expect(bench.up('wlan', WLAN)).toEqual([]);
    expect(bench.installed.get(MN)!.paths).toMatchObject([{ bid: 1, label: null, interface: 'lte' }]);
    bench.pass(600_000 - 39_000);
    expect(mmb(bench.updates().at(-1))).toBeUndefined();
  });

  it('R10: status 180 ends multipath for the node; the PBU goes again without options 63 and 64', () => {
    const bench = new MagBench();
    const [first] = bench.up('lte', LTE);
    bench.take();
    bench.answer(first!, { status: 180, prefixes: ['::/0'] });
    const [again] = bench.updates();
    expect(mmb(again)).toBeUndefined();
    expect(optionOf(again, 'mag-identifier')).toBeUndefined();
    bench.answer(again!);
    expect(bench.installed.get(MN)!.paths).toHaveLength(1);
    expect(bench.up('wlan', WLAN)).toEqual([]);
  });

  it('without multipath the other interface takes over when the first goes', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!, { multipath: false });
    bench.up('wlan', WLAN);
    bench.take();
    const [moved, ...more] = bench.down('lte');
    expect(more).toEqual([]);
    expect(moved!.from.address).toBe(WLAN);
    expect(optionOf(moved, 'handoff-indicator')!.indicator).toBe(3);
    bench.answer(moved!, { multipath: false });
    expect(bench.installed.get(MN)!.paths).toMatchObject([{ bid: 1, interface: 'wlan' }]);
  });

  it('multipath off by configuration: no options 63 and 64, one path', () => {
    const bench = new MagBench({ multipath: false });
    const [first] = bench.up('lte', LTE);
    expect(mmb(first)).toBeUndefined();
    bench.answer(first!);
    expect(bench.up('wlan', WLAN)).toEqual([]);
  });

  it('a PBA for another BID is ignored', () => {
    const bench = new MagBench();
    const [first] = bench.up('lte', LTE);
    bench.answer(first!, {
      multipath: false,
      options: [{ ...mmb(first)!, bid: 77 }],
    });
    expect(bench.installed.size).toBe(0);
  });
});

describe('MAG: RFC 8278 §4.1, the option', () => {
  it('R11, R13: one bulk re-registration extends all paths, B without O, the paths by turns', () => {
    const bench = multipath();
    const [bulk, ...more] = bench.pass(560_500);
    expect(more).toEqual([]);
    expect(mmb(bulk)).toMatchObject({ bid: 1, bulk: true, overwrite: false });
    expect(optionOf(bulk, 'handoff-indicator')!.indicator).toBe(5);
    bench.answer(bulk!);
    bench.take();
    const [next, ...none] = bench.pass(559_900);
    expect(none).toEqual([]);
    expect(mmb(next)).toMatchObject({ bid: 2, bulk: true });
    bench.answer(next!);
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('a bulk re-registration without an answer: each path speaks for itself', () => {
    const bench = multipath();
    bench.pass(563_500);
    expect(bench.updates().map((each) => [mmb(each)!.bid, mmb(each)!.bulk])).toEqual([
      [1, true],
      [1, true],
      [1, false],
      [2, false],
    ]);
  });

  it('bulk off by configuration', () => {
    const bench = multipath({ bulk: false });
    bench.pass(560_500);
    expect(bench.updates().map((each) => mmb(each))).toMatchObject([
      { bid: 1, bulk: false },
      { bid: 2, bulk: false },
    ]);
  });

  it('R12: O is 0 in a de-registration', () => {
    const bench = new MagBench();
    const [first] = bench.up('lte', LTE);
    expect(mmb(first)!.overwrite).toBe(true);
    bench.answer(first!);
    bench.take();
    bench.event({ event: 'deregister' });
    const [last] = bench.updates();
    expect(last!.message.lifetime).toBe(0);
    expect(mmb(last)).toMatchObject({ bid: 1, overwrite: false, bulk: false });
    expect(optionOf(last, 'handoff-indicator')!.indicator).toBe(4);
    expect(optionOf(last, 'gre-key')).toBeUndefined();
  });

  it('R15: reserved bits are sent 0', () => {
    const [first] = new MagBench().up('lte', LTE);
    const octets = encodeMessage(first!.message);
    const at = octets.findIndex((octet, i) => octet === 63 && octets[i + 1] === 6);
    expect([...octets.subarray(at, at + 8)]).toEqual([63, 6, 8, 11, 1, 0x40, 0, 0]);
  });

  it('R16: another care-of address of the interface keeps the BID', () => {
    const bench = multipath();
    const [moved] = bench.up('wlan', '2001:db8:b::2');
    expect(mmb(moved)).toMatchObject({ bid: 2, overwrite: false });
    expect(moved!.from.address).toBe('2001:db8:b::2');
    expect(bench.bids()).toEqual([1]);
    // The LMA may send to it before its answer is here.
    const local = { address: '2001:db8:b::2' };
    expect(bench.installed.get(MN)!.paths[1]).toMatchObject({ bid: 2, local, receiveOnly: true });
    bench.answer(moved!);
    expect(bench.installed.get(MN)!.paths[1]).toMatchObject({ bid: 2, local });
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('R17: labels reach the data plane', () => {
    expect(
      multipath()
        .installed.get(MN)!
        .paths.map(({ label }) => label),
    ).toEqual([11, 9]);
  });
});

describe('MAG: WAN interfaces that come and go', () => {
  it('a path that dies is de-registered over the other, with its care-of address as Alternate', () => {
    const bench = multipath();
    const [farewell, ...more] = bench.down('wlan');
    expect(more).toEqual([]);
    expect(bench.bids()).toEqual([1]);
    expect(farewell).toMatchObject({ interface: 'lte', from: { address: LTE } });
    expect(farewell!.message.lifetime).toBe(0);
    expect(mmb(farewell)).toMatchObject({ bid: 2 });
    expect(optionOf(farewell, 'alternate-care-of-address')!.address).toBe(WLAN);
    bench.answer(farewell!);
    expect(bench.pass(10_000)).toEqual([]);
  });

  it('no bulk re-registration while the LMA may still have a dead path', () => {
    const bench = multipath({
      interfaces: [
        ...new MagBench().config.interfaces,
        { ...new MagBench().config.interfaces[0]!, name: 'dsl', bid: 3, label: 5, priority: 2 },
      ],
    });
    bench.answer(bench.up('dsl', '2001:db8:c::1')[0]!);
    bench.down('dsl');
    bench.pass(60_000);
    bench.take();
    bench.pass(520_000);
    expect(new Set(bench.updates().map((each) => mmb(each)!.bulk))).toEqual(new Set([false]));
  });

  it('up again before the de-registration is answered: the path is registered, the farewell forgotten', () => {
    const bench = multipath();
    bench.advance(1000);
    bench.down('wlan');
    bench.take();
    const [again] = bench.up('wlan', WLAN);
    expect(again!.message.lifetime).toBeGreaterThan(0);
    expect(optionOf(again, 'handoff-indicator')!.indicator).toBe(5);
    bench.answer(again!);
    expect(bench.pass(20_000)).toEqual([]);
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('the node keeps its prefix while the only interface is away, until the binding ends', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!);
    bench.down('lte');
    expect(bench.installed.size).toBe(0);
    expect(bench.grants.get(MN)!.homePrefixes).toEqual([{ prefix: HNP, onLink: true }]);
    bench.pass(601_000);
    expect(bench.grants.size).toBe(0);
  });

  it('WAN metrics go to the LMA, and new ones by a re-registration of their path', () => {
    const bench = multipath();
    const metrics = { uplinkRate: 20e6, weight: 3 };
    const [pbu, ...more] = bench.event({ event: 'metrics', name: 'wlan', metrics });
    expect(more).toEqual([]);
    expect(pbu!.interface).toBe('wlan');
    expect(optionOf(pbu, 'vendor-specific')!.data[0]).toBe(2);
  });
});

describe('MAG: RFC 8278 §3.1, logical and physical nodes', () => {
  it('a logical node with a delegated prefix is always on', () => {
    const bench = new MagBench({
      logicalNodes: [{ ...LOGICAL_NODE_DEFAULTS, identity: MN }],
    });
    const [first] = bench.up('lte', LTE);
    expect(first!.message.flags & UpdateFlag.PROXY).toBeTruthy();
    expect(optionOf(first, 'delegated-mobile-network-prefix')!.prefix).toBe('::/0');
    const delegated = '2001:db8:d00::/56';
    bench.answer(first!, { options: [{ option: 'delegated-mobile-network-prefix', prefix: delegated }] });
    expect(bench.grants.get(MN)).toMatchObject({ interface: null, delegatedPrefixes: [delegated] });
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, delegated]);
  });
});

describe('MAG and LMA together', () => {
  it('two paths, a bulk extension, a dead path, the end', () => {
    const bench = MagBench.joined();
    bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    expect(bench.bids()).toEqual([1, 2]);
    expect(bench.lmaBids()).toEqual([1, 2]);
    bench.pass(3_600_000);
    expect(bench.lmaBids()).toEqual([1, 2]);
    expect(bench.mag.statistics().sent).toMatchObject({ bulk: 6, register: 2 });
    bench.down('wlan');
    expect(bench.lmaBids()).toEqual([1]);
    bench.event({ event: 'deregister' });
    expect(bench.lmaBids()).toEqual([]);
    bench.pass(11_000);
    expect(bench.lma!.prefixesInUse).toBe(0);
    expect(bench.installed.size + bench.grants.size).toBe(0);
  });

  it.each(['off', 'reject'] as const)('an LMA with multipath %s: one path', (policy) => {
    const bench = MagBench.joined({}, { multipath: policy });
    bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    expect(bench.bids()).toEqual([1]);
    bench.pass(1_200_000);
    expect(bench.lmaBids()).toEqual([0]);
    bench.down('lte');
    expect(bench.installed.get(MN)!.paths).toMatchObject([{ interface: 'wlan' }]);
    expect(bench.lmaBids()).toEqual([0]);
  });

  it('keys agree', () => {
    const bench = MagBench.joined();
    bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    const [session] = bench.lma!.sessions();
    expect(bench.installed.get(MN)).toMatchObject({
      sendKey: session!.gre!.uplinkKey,
      receiveKey: session!.gre!.downlinkKey,
    });
  });
});
