import { describe, expect, it } from 'vitest';
import { MAG_NODE_DEFAULTS } from '../../../src/pmipv6/mag/config.ts';
import type { MobilityOption } from '../../../src/pmipv6/wire/options.ts';
import { timestampOf } from '../../../src/pmipv6/wire/option/timestamp.ts';
import { HNP, LTE, MagBench, MN, optionOf, type SentUpdate, WLAN } from '../../support/mag-bench.ts';

const PHYSICAL = 'mn7@example.org';
const attach = (linkLayer: number[] | null = [2, 0, 0, 0, 0, 7], handoff?: number) =>
  ({
    event: 'attach',
    node: PHYSICAL,
    interface: 'lan0',
    linkLayer: linkLayer && new Uint8Array(linkLayer),
    technology: 3,
    handoff,
  }) as const;

/** One path, no multipath: the base protocol. */
function single(config: ConstructorParameters<typeof MagBench>[0] = {}): MagBench {
  return new MagBench({ multipath: false, ...config });
}

function registered(config: ConstructorParameters<typeof MagBench>[0] = {}): MagBench {
  const bench = single(config);
  bench.answer(bench.up('lte', LTE)[0]!);
  bench.take();
  return bench;
}

/** The PBU's flags and options by name. */
const names = (pbu: SentUpdate) => pbu.message.options.map(({ option }) => option);

describe('MAG: RFC 5213 §6.9.1.1, §6.9.1.5, what a PBU holds', () => {
  it('the first: MN-ID, one HNP ALL_ZERO, HI, ATT, Timestamp, Link-local ALL_ZERO; A and P; from the care-of address to the LMAA', () => {
    const [pbu] = single({ gre: 'off' }).up('lte', LTE);
    expect(names(pbu!)).toEqual([
      'mn-identifier',
      'home-network-prefix',
      'handoff-indicator',
      'access-technology-type',
      'timestamp',
      'link-local-address',
    ]);
    expect(pbu!.message.flags).toBe(0x8200);
    expect(optionOf(pbu, 'home-network-prefix')!.prefix).toBe('::/0');
    expect(optionOf(pbu, 'link-local-address')!.address).toBe('::');
    expect(optionOf(pbu, 'handoff-indicator')!.indicator).toBe(1);
    expect(pbu).toMatchObject({
      from: { address: LTE, port: null },
      to: { address: '2001:db8:f::1', port: null },
    });
  });

  it.each([
    ['known: there', [2, 0, 0, 0, 0, 7], true],
    ['unknown: not there', null, false],
    ['all zero: not there', [0, 0, 0, 0, 0, 0], false],
  ] as const)('MN Link-layer Identifier %s', (_, linkLayer, there) => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    const [pbu] = bench.event(attach(linkLayer && [...linkLayer]));
    expect(optionOf(pbu, 'mn-link-layer-identifier') !== undefined).toBe(there);
    expect(optionOf(pbu, 'handoff-indicator')!.indicator).toBe(4);
  });

  it('no Link-local Address if one is fixed on all access links', () => {
    const bench = single({ linkLocal: 'fe80::1' });
    const [pbu] = bench.up('lte', LTE);
    expect(optionOf(pbu, 'link-local-address')).toBeUndefined();
    bench.answer(pbu!);
    expect(bench.grants.get(MN)!.linkLocal).toBe('fe80::1');
  });

  it('the handoff hint of the access side', () => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    expect(optionOf(bench.event(attach(null, 3))[0], 'handoff-indicator')!.indicator).toBe(3);
  });

  it('a node without a profile gets no service', () => {
    const bench = single({ nodes: [{ ...MAG_NODE_DEFAULTS, identity: '*@example.com' }] });
    bench.up('lte', LTE);
    expect(bench.event(attach())).toEqual([]);
    expect(bench.mag.statistics().ignored['unknown-node']).toBe(1);
  });

  it('re-registration: all prefixes as assigned, HI 5, the link-local address', () => {
    const bench = single();
    const prefixes = [HNP, '2001:db8:1000:1::/64'];
    const options: MobilityOption[] = [{ option: 'link-local-address', address: 'fe80::77' }];
    bench.answer(bench.up('lte', LTE)[0]!, { prefixes, options });
    const [refresh] = bench.pass(560_000);
    expect(
      refresh!.message.options.flatMap((o) => (o.option === 'home-network-prefix' ? [o.prefix] : [])),
    ).toEqual(prefixes);
    expect(optionOf(refresh, 'handoff-indicator')!.indicator).toBe(5);
    expect(optionOf(refresh, 'link-local-address')!.address).toBe('fe80::77');
  });
});

describe('MAG: RFC 5213 §6.9.4, RFC 6275 §11.8, retransmission', () => {
  it('1 s doubling to 32 s and on, each with a new sequence number and a later timestamp', () => {
    const bench = single();
    const start = bench.now.elapsed;
    const times: number[] = [];
    let last: SentUpdate = bench.up('lte', LTE)[0]!;
    for (let i = 0; i < 8; i++) {
      const before = bench.mag.nextDeadline()!;
      const [next] = bench.pass(before - bench.now.elapsed);
      times.push(before - start);
      expect(next!.message.sequence).toBe((last.message.sequence + 1) & 0xffff);
      expect(optionOf(next, 'timestamp')!.ticks).toBeGreaterThan(optionOf(last, 'timestamp')!.ticks);
      last = next!;
    }
    expect(times).toEqual([1000, 3000, 7000, 15_000, 31_000, 63_000, 95_000, 127_000]);
  });

  it('an answer to an older transmission counts if it is a yes', () => {
    const bench = single();
    const [first] = bench.up('lte', LTE);
    bench.pass(1500);
    bench.answer(first!);
    expect(bench.bids()).toEqual([1]);
    expect(bench.pass(60_000)).toEqual([]);
  });

  it('a no to an older transmission does not', () => {
    const bench = single();
    const [first] = bench.up('lte', LTE);
    bench.pass(1500);
    bench.answer(first!, { status: 157 });
    expect(bench.mag.statistics().ignored['answer-to-older-pbu']).toBe(1);
  });

  it('RFC 6275 §12: no more than MAX_UPDATE_RATE a second for one node', () => {
    const bench = single();
    let pbu = bench.up('lte', LTE).at(-1)!;
    for (let i = 0; i < 5; i++) {
      bench.answer(pbu, { status: 157 });
      pbu =
        bench.take().findLast((each): each is SentUpdate => each.message.message === 'binding-update') ?? pbu;
    }
    expect(bench.mag.statistics().sent).toMatchObject({ register: 1, retransmission: 2 });
  });

  it('two thousand nodes do not all send at once', () => {
    const bench = single({ logicalNodes: [], maxUpdatesPerLma: 100 });
    bench.up('lte', LTE);
    for (let n = 0; n < 2000; n++) bench.event({ ...attach(), node: `mn${n}@example.org` });
    expect(bench.updates()).toHaveLength(100);
    bench.pass(1000);
    expect(bench.updates().length).toBeLessThanOrEqual(101);
  });
});

describe('MAG: RFC 5213 §6.9.1.2, answers', () => {
  it('accepted: tunnel first, then the prefix to the node; withdrawn in the other order', () => {
    const bench = single();
    bench.answer(bench.up('lte', LTE)[0]!);
    const kinds = () =>
      bench.effects.flatMap(({ effect }) => (effect === 'send' || effect === 'log' ? [] : [effect]));
    expect(kinds()).toEqual(['install', 'grant']);
    bench.effects = [];
    bench.event({ event: 'deregister' });
    expect(kinds()).toEqual(['withdraw', 'remove']);
  });

  it('the grant holds prefix, lifetime and what fits through the tunnel', () => {
    const bench = registered();
    expect(bench.grants.get(MN)).toEqual({
      node: MN,
      interface: null,
      homePrefixes: [{ prefix: HNP, onLink: true }],
      homeAddress: null,
      delegatedPrefixes: [],
      linkLocal: null,
      lifetime: 600,
      mtu: 1500 - 52,
    });
  });

  it('without an outstanding PBU, from a stranger, or without P it is ignored', () => {
    const bench = single();
    const [pbu] = bench.up('lte', LTE);
    bench.answer(pbu!, { sequence: (pbu!.message.sequence + 7) & 0xffff });
    bench.answer(pbu!, { flags: 0 });
    bench.answer({ ...pbu!, to: { address: '2001:db8:dead::1', port: null } });
    expect(bench.installed.size).toBe(0);
    expect(bench.mag.statistics().ignored).toEqual({ 'unmatched-pba': 1, 'no-proxy-flag': 1, untrusted: 1 });
  });

  it.each([
    ['Handoff Indicator', { option: 'handoff-indicator', indicator: 3 }],
    ['Access Technology Type', { option: 'access-technology-type', technology: 9 }],
    ['MN Link-layer Identifier', { option: 'mn-link-layer-identifier', identifier: new Uint8Array(6) }],
  ] as [string, MobilityOption][])(
    'another %s: ignored, and no retransmission until the operator acts',
    (_, option) => {
      const bench = single();
      const [pbu] = bench.up('lte', LTE);
      bench.answer(pbu!, { replace: [option] });
      expect(bench.installed.size).toBe(0);
      expect(bench.pass(600_000)).toEqual([]);
      expect(bench.event({ event: 'register' })).toHaveLength(1);
    },
  );

  it.each([152, 153, 154, 159])('status %i: service denied, no retry until the operator acts', (status) => {
    const bench = registered();
    const [refresh] = bench.pass(560_000);
    bench.answer(refresh!, { status });
    expect(bench.installed.size + bench.grants.size).toBe(0);
    expect(bench.status().denied).not.toBe(null);
    expect(bench.pass(600_000)).toEqual([]);
    bench.event({ event: 'register', node: MN });
    bench.answer(bench.updates().at(-1)!);
    expect(bench.grants.size).toBe(1);
  });

  it('a denied node is asked for again when it attaches anew', () => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    bench.event(attach());
    bench.answer(bench.updates()[0]!, { status: 153 });
    expect(bench.event(attach())).toEqual([]);
    bench.event({ event: 'detach', node: PHYSICAL, interface: 'lan0' });
    expect(bench.mag.sessions()).toEqual([]);
    expect(bench.event(attach())).toHaveLength(1);
  });

  it('155: not the same prefix again, but whatever the LMA gives', () => {
    const bench = registered();
    const [refresh] = bench.pass(560_000);
    bench.take();
    bench.answer(refresh!, { status: 155 });
    expect(bench.grants.size).toBe(0);
    const [again] = bench.updates();
    expect(optionOf(again, 'home-network-prefix')!.prefix).toBe('::/0');
    bench.answer(again!, { prefixes: ['2001:db8:1000:9::/64'] });
    expect(bench.grants.get(MN)!.homePrefixes[0]!.prefix).toBe('2001:db8:1000:9::/64');
  });

  it.each([128, 130, 144])(
    'status %i: nothing is advertised or forwarded; asked again after the longest wait',
    (status) => {
      const bench = single();
      bench.answer(bench.up('lte', LTE)[0]!, { status });
      expect(bench.installed.size + bench.grants.size).toBe(0);
      expect(bench.pass(31_000)).toEqual([]);
      expect(bench.pass(2000)).toHaveLength(1);
    },
  );

  it('157: registered again at once with a later timestamp; the binding stays', () => {
    const bench = registered();
    const [refresh] = bench.pass(560_000);
    bench.take();
    bench.answer(refresh!, { status: 157 });
    const [again] = bench.updates();
    expect(optionOf(again, 'timestamp')!.ticks).toBeGreaterThan(optionOf(refresh, 'timestamp')!.ticks);
    expect(bench.bids()).toEqual([1]);
  });

  it('156: not at once, the clock is somebody else’s business; the binding stays', () => {
    const bench = registered();
    const [refresh] = bench.pass(560_000);
    bench.take();
    const replace = [timestampOf(bench.now.utc - 3_600_000)];
    bench.answer(refresh!, { status: 156, replace });
    expect(bench.logs().join()).toContain("this clock is 3600.0 s ahead of the LMA's");
    expect(bench.updates()).toEqual([]);
    expect(bench.bids()).toEqual([1]);
    expect(bench.pass(32_000)).toHaveLength(1);
  });

  it('135 in sequence mode: on from the number in the PBA; no Timestamp option', () => {
    const bench = single({ ordering: 'sequence' });
    const [pbu] = bench.up('lte', LTE);
    expect(optionOf(pbu, 'timestamp')).toBeUndefined();
    bench.take();
    bench.answer(pbu!, { status: 135, sequence: (pbu!.message.sequence + 1000) & 0xffff });
    const [again] = bench.updates();
    expect(again!.message.sequence).toBe((pbu!.message.sequence + 1001) & 0xffff);
  });

  it('135 holds the LMA’s number, which a PBU of another path may have too: it is about the path that it came to', () => {
    const bench = new MagBench({ ordering: 'sequence' });
    bench.answer(bench.up('lte', LTE)[0]!);
    const [refresh] = bench.event({ event: 'metrics', name: 'lte', metrics: { weight: 2 } });
    const [wlan] = bench.up('wlan', WLAN);
    const { sequence } = refresh!.message as SentUpdate['message'];
    bench.answer(wlan!, { status: 135, sequence });
    expect(bench.status().denied).toBeNull();
    expect(bench.status().paths.map(({ lastStatus }) => lastStatus)).toEqual([0, 135]);
  });

  it('a clock set back by an hour: the next timestamp follows it', () => {
    const bench = registered();
    bench.now = { ...bench.now, utc: bench.now.utc - 3_600_000 };
    const [refresh] = bench.pass(560_000);
    expect(Number(optionOf(refresh, 'timestamp')!.ticks) / 65.536).toBeCloseTo(bench.now.utc, -3);
  });

  it('an LMA that accepts without giving anything: no service, and it says so', () => {
    const bench = single();
    bench.answer(bench.up('lte', LTE)[0]!, { prefixes: ['::/0'] });
    expect(bench.installed.size + bench.grants.size).toBe(0);
    expect(bench.logs().join()).toContain('grants no prefix');
  });
});

describe('MAG: RFC 5213 §6.9.1.3, §6.9.1.4, extension, expiry, de-registration', () => {
  it('extends before the lifetime ends; without an answer the binding ends with it', () => {
    const bench = registered();
    expect(bench.pass(559_000)).toEqual([]);
    expect(bench.pass(1000)).toHaveLength(1);
    bench.pass(39_900);
    expect(bench.bids()).toEqual([1]);
    bench.pass(200);
    expect(bench.installed.size + bench.grants.size).toBe(0);
    const [, again] = [bench.take(), bench.pass(40_000)[0]];
    expect(optionOf(again, 'home-network-prefix')!.prefix).toBe(HNP);
  });

  it('a short lifetime is extended after half of it', () => {
    const bench = single();
    bench.answer(bench.up('lte', LTE)[0]!, { lifetime: 10 });
    expect(bench.pass(19_900)).toEqual([]);
    expect(bench.pass(200)).toHaveLength(1);
  });

  it('detach: Lifetime 0, HI 4, all prefixes, no GRE key; data plane and node at once; done with the answer', () => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    bench.event(attach());
    bench.answer(bench.updates()[0]!);
    bench.take();
    bench.event({ event: 'detach', node: PHYSICAL, interface: 'other0' });
    expect(bench.take()).toEqual([]);
    bench.event({ event: 'detach', node: PHYSICAL, interface: 'lan0' });
    const [last] = bench.updates();
    expect(bench.installed.size + bench.grants.size).toBe(0);
    expect(last!.message.lifetime).toBe(0);
    expect(optionOf(last, 'home-network-prefix')!.prefix).toBe(HNP);
    expect(optionOf(last, 'handoff-indicator')!.indicator).toBe(4);
    bench.answer(last!, { lifetime: 0 });
    expect(bench.mag.sessions()).toEqual([]);
    bench.pass(60_000);
    expect(bench.mag.idle).toBe(true);
  });

  it('without an answer to the de-registration the entry goes after three tries', () => {
    const bench = registered();
    bench.event({ event: 'deregister' });
    expect(bench.pass(61_000)).toHaveLength(2);
    expect(bench.mag.nextDeadline()).toBe(null);
  });

  it('attached again before the de-registration is answered: same prefix, no gap of state', () => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    bench.event(attach());
    bench.answer(bench.updates()[0]!);
    bench.event({ event: 'detach', node: PHYSICAL, interface: 'lan0' });
    bench.take();
    bench.advance(1000);
    bench.event(attach());
    const again = bench.updates().at(-1)!;
    expect(again.message.lifetime).toBeGreaterThan(0);
    expect(optionOf(again, 'home-network-prefix')!.prefix).toBe(HNP);
  });

  it('the node moves to another access link of the MAG: HI 2, at once, and the grant follows', () => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    bench.event(attach());
    bench.answer(bench.updates()[0]!);
    bench.take();
    const [moved] = bench.event({ ...attach(), interface: 'wlan0', technology: 4 });
    expect(optionOf(moved, 'handoff-indicator')!.indicator).toBe(2);
    expect(optionOf(moved, 'access-technology-type')!.technology).toBe(4);
    expect(bench.bids(PHYSICAL)).toEqual([1]);
    expect(bench.grants.get(PHYSICAL)!.interface).toBe('wlan0');
  });

  it('its link-layer address shows later than the node: no other interface, and the next PBU names it', () => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    bench.event(attach(null));
    const [pbu] = bench.updates();
    expect(bench.event(attach())).toEqual([]);
    bench.answer(pbu!);
    expect(bench.event(attach())).toEqual([]);
    const [refresh] = bench.pass(560_000);
    expect(optionOf(refresh, 'handoff-indicator')!.indicator).toBe(5);
    expect([...optionOf(refresh, 'mn-link-layer-identifier')!.identifier]).toEqual([2, 0, 0, 0, 0, 7]);
  });

  it('§6.9.1.2(6): it moves before the LMA has answered: registered as it is now, and not denied for the answer', () => {
    const bench = single({ logicalNodes: [] });
    bench.up('lte', LTE);
    bench.event(attach());
    const [first] = bench.updates();
    bench.event({
      ...attach(),
      interface: 'wlan0',
      technology: 4,
      linkLayer: Uint8Array.of(2, 0, 0, 0, 0, 9),
    });
    const [second] = bench.updates();
    expect(optionOf(second, 'access-technology-type')!.technology).toBe(4);
    bench.answer(first!);
    expect(bench.status().denied).toBe(null);
    bench.answer(second!);
    expect(bench.bids(PHYSICAL)).toEqual([1]);
  });

  it('§6.9.1.2(6): the answer to an earlier transmission repeats what that one said', () => {
    const bench = MagBench.joined({ logicalNodes: [] });
    bench.up('lte', LTE);
    bench.event({ ...attach(), node: 'a@example.org' });
    bench.up('wlan', WLAN);
    bench.lma = null;
    // The LMA is known: both paths ask at once, and the second is repeated once the first stands, with another indicator.
    bench.event({ ...attach(), node: 'b@example.org' });
    const [lte, wlan] = bench.updates().slice(-2);
    expect(optionOf(wlan, 'handoff-indicator')!.indicator).toBe(4);
    bench.answer(lte!, { prefixes: ['2001:db8:1000:7::/64'] });
    const [repeated] = bench.pass(1500);
    expect(optionOf(repeated, 'handoff-indicator')!.indicator).toBe(1);
    bench.answer(wlan!, { prefixes: ['2001:db8:1000:7::/64'] });
    expect(bench.mag.sessions().map(({ denied }) => denied)).toEqual([null, null]);
    expect(bench.bids('b@example.org')).toEqual([1, 2]);
  });
});
