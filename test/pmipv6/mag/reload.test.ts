/** What a reload changes at the LMA, and what it leaves alone (docs/mag.md), under virtual time. */
import { describe, expect, it } from 'vitest';
import {
  LOGICAL_NODE_DEFAULTS,
  MAG_NODE_DEFAULTS,
  type WanInterface,
  WAN_DEFAULTS,
} from '../../../src/pmipv6/mag/config.ts';
import { HNP, LTE, MagBench, MN, optionOf, type SentUpdate, WLAN } from '../../support/mag-bench.ts';

const OTHER = '2001:db8:b:1::1';
const lte: WanInterface = { ...WAN_DEFAULTS, name: 'lte', bid: 1, label: 11, technology: 8 };
const wlan: WanInterface = { ...WAN_DEFAULTS, name: 'wlan', bid: 2, label: 9, technology: 4, priority: 1 };
const logical = { ...LOGICAL_NODE_DEFAULTS, identity: MN, delegated: [] };
const visitor = 'mn2@example.org';

const mmb = (sent: SentUpdate) => optionOf(sent, 'mag-multipath-binding')!;
/** Interface, BID, whether it ends the binding. */
const brief = (sent: readonly SentUpdate[]) =>
  sent.map((each) => `${each.interface} ${mmb(each).bid}${each.message.lifetime ? '' : ' ends'}`);

/** Two paths at a real LMA; MN is a logical node. */
function joined(...args: Parameters<typeof MagBench.joined>): MagBench {
  const bench = MagBench.joined(...args);
  bench.up('lte', LTE);
  bench.up('wlan', WLAN);
  bench.pass(1000);
  expect(bench.lmaBids()).toEqual([1, 2]);
  clear(bench);
  return bench;
}

function clear(bench: MagBench): void {
  bench.take();
  bench.effects = [];
}

/** What was done besides messages and log. */
function deeds(bench: MagBench): string[] {
  return bench.effects.flatMap((effect) => {
    if (effect.effect === 'install')
      return [`install ${effect.session.paths.map(({ bid }) => bid).join('+')}`];
    if (effect.effect === 'close') return [`close ${effect.interface}`];
    return effect.effect === 'send' || effect.effect === 'log' ? [] : [effect.effect];
  });
}

function attach(bench: MagBench, node = visitor): void {
  bench.event({ event: 'attach', node, interface: 'lan0', linkLayer: null, technology: 3 });
  bench.pass(1000);
}

it('the same configuration again: nothing is said and nothing done', () => {
  const bench = joined();
  attach(bench);
  clear(bench);
  expect(bench.reconfigure({})).toEqual([]);
  expect(bench.effects).toEqual([]);
});

describe('WAN interfaces', () => {
  it('one removed: its BID alone is de-registered, over itself, and it is closed once the LMA has answered', () => {
    const bench = joined();
    const { sendKey, receiveKey } = bench.installed.get(MN)!;
    bench.dead.add('wlan');
    expect(brief(bench.reconfigure({ interfaces: [lte] }))).toEqual(['wlan 2 ends']);
    // Until then packets may come by it; none are sent.
    expect(bench.installed.get(MN)!.paths.map(({ bid, receiveOnly }) => [bid, receiveOnly ?? false])).toEqual(
      [
        [1, false],
        [2, true],
      ],
    );
    expect(deeds(bench)).toEqual(['install 1+2']);
    bench.dead.delete('wlan');
    expect(brief(bench.pass(2000))).toEqual(['wlan 2 ends']);
    expect(deeds(bench)).toEqual(['install 1+2', 'install 1', 'close wlan']);
    expect(bench.lmaBids()).toEqual([1]);
    expect(bench.installed.get(MN)).toMatchObject({ sendKey, receiveKey });
    expect(bench.grants.get(MN)!.homePrefixes).toHaveLength(1);
  });

  it('one removed that is down: de-registered over the other, and closed', () => {
    const bench = joined();
    bench.down('wlan');
    clear(bench);
    bench.dead.add('wlan');
    bench.reconfigure({ interfaces: [lte] });
    bench.pass(2000);
    expect(deeds(bench)).toEqual(['close wlan']);
    expect(bench.lmaBids()).toEqual([1]);
  });

  it('one removed and there again before the LMA has answered: registered, not closed', () => {
    const bench = joined();
    bench.dead.add('wlan');
    bench.reconfigure({ interfaces: [lte] });
    bench.dead.delete('wlan');
    bench.reconfigure({ interfaces: [lte, wlan] });
    bench.pass(10_000);
    expect(deeds(bench)).not.toContain('close wlan');
    expect(bench.bids()).toEqual([1, 2]);
    expect(bench.lmaBids()).toEqual([1, 2]);
  });

  it('one added: registers its BID, and leaves the others alone', () => {
    const bench = joined();
    const dsl: WanInterface = { ...WAN_DEFAULTS, name: 'dsl', bid: 3, label: 9, technology: 2 };
    const state = { name: 'dsl', up: true, addresses: [OTHER] };
    expect(brief(bench.reconfigure({ interfaces: [lte, wlan, dsl] }, [state]))).toEqual(['dsl 3']);
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([1, 2, 3]);
    // Ready to receive, then in use.
    expect(deeds(bench)).toEqual(['install 1+2+3', 'install 1+2+3', 'grant']);
  });

  it('one added that is down: registers when it comes up', () => {
    const bench = joined();
    bench.reconfigure({ interfaces: [lte, wlan, { ...wlan, name: 'dsl', bid: 3 }] });
    expect(bench.updates()).toEqual([]);
    expect(brief(bench.up('dsl', OTHER))).toEqual(['dsl 3']);
  });

  it.each([
    ['label', { label: 77 }],
    ['access technology', { technology: 5 }],
    ['metrics', { metrics: { weight: 9 } }],
  ])('another %s: the LMA is told by this path alone, and the binding stays', (_, change) => {
    const bench = joined();
    expect(brief(bench.reconfigure({ interfaces: [lte, { ...wlan, ...change }] }))).toEqual(['wlan 2']);
    const binding = [...bench.lma!.sessions()][0]!.bindings.get(2);
    expect(binding).toMatchObject(change);
    expect(bench.installed.get(MN)!.paths[1]).toMatchObject(change);
  });

  it('told already, but without an answer: once more with what it is now', () => {
    const bench = joined();
    bench.dead.add('wlan');
    bench.reconfigure({ interfaces: [lte, { ...wlan, label: 77 }] });
    bench.reconfigure({ interfaces: [lte, { ...wlan, label: 78 }] });
    expect(bench.updates().map((sent) => mmb(sent).label)).toEqual([77, 78]);
    bench.dead.delete('wlan');
    bench.pass(3000);
    expect([...bench.lma!.sessions()][0]!.bindings.get(2)!.label).toBe(78);
  });

  it('another care-of address: moves under its BID', () => {
    const bench = joined();
    bench.up('wlan', WLAN, OTHER);
    clear(bench);
    const [sent] = bench.reconfigure({ interfaces: [lte, { ...wlan, careOf: OTHER }] });
    expect([sent!.from.address, mmb(sent!).bid]).toEqual([OTHER, 2]);
    expect([...bench.lma!.sessions()][0]!.bindings.get(2)!.careOf.address).toBe(OTHER);
  });

  it('a BID goes over to another interface: registered from there, nothing de-registered', () => {
    const bench = joined();
    const state = { name: 'dsl', up: true, addresses: [OTHER] };
    expect(brief(bench.reconfigure({ interfaces: [lte, { ...wlan, name: 'dsl' }] }, [state]))).toEqual([
      'dsl 2',
    ]);
    bench.pass(2000);
    expect(deeds(bench)).toContain('close wlan');
    expect([...bench.lma!.sessions()][0]!.bindings.get(2)!.careOf.address).toBe(OTHER);
  });

  it('two interfaces exchange their BIDs', () => {
    const bench = joined();
    bench.reconfigure({
      interfaces: [
        { ...lte, bid: 2 },
        { ...wlan, bid: 1 },
      ],
    });
    bench.pass(2000);
    const { bindings } = [...bench.lma!.sessions()][0]!;
    expect([bindings.get(1)!.careOf.address, bindings.get(2)!.careOf.address]).toEqual([WLAN, LTE]);
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('without multipath: the only path removed, another takes over; the last one removed, the LMA is told', () => {
    const bench = MagBench.joined({ multipath: false });
    bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    bench.pass(1000);
    bench.reconfigure({ interfaces: [wlan] });
    bench.pass(1000);
    expect(bench.installed.get(MN)!.paths.map((path) => path.interface)).toEqual(['wlan']);
    bench.reconfigure({ interfaces: [{ ...lte, name: 'dsl' }] });
    bench.pass(1000);
    expect(bench.installed.has(MN)).toBe(false);
    expect(bench.lmaBids()).toEqual([]);
  });

  it('what the operator said of metrics holds until the file says something new', () => {
    const bench = joined();
    bench.event({ event: 'metrics', name: 'wlan', metrics: { weight: 5 } });
    bench.reconfigure({ interfaces: [lte, { ...wlan, label: 10 }] });
    expect(bench.installed.get(MN)!.paths[1]!.metrics).toEqual({ weight: 5 });
    bench.reconfigure({ interfaces: [lte, { ...wlan, label: 10, metrics: { weight: 7 } }] });
    bench.pass(1000);
    expect(bench.installed.get(MN)!.paths[1]!.metrics).toEqual({ weight: 7 });
  });
});

describe('nodes', () => {
  it('a logical node added registers, one removed is de-registered, and the others do not notice', () => {
    const bench = joined();
    const box = { ...logical, identity: 'box@example.org' };
    bench.reconfigure({ logicalNodes: [logical, box] });
    bench.pass(1000);
    expect(bench.lmaBids('box@example.org')).toEqual([1, 2]);
    const mine = bench.effects.filter((effect) => effect.effect === 'install' && effect.session.node === MN);
    expect(mine).toEqual([]);
    clear(bench);
    expect(brief(bench.reconfigure({ logicalNodes: [logical] }))).toEqual(['lte 1 ends', 'wlan 2 ends']);
    expect(deeds(bench)).toEqual(['withdraw', 'remove']);
    expect(bench.lmaBids('box@example.org')).toEqual([]);
    expect(bench.mag.sessions().map(({ node }) => node)).toEqual([MN]);
  });

  it('an attached node whose profile goes loses its service, and has it again when it is noticed after the profile has come back', () => {
    const bench = joined();
    attach(bench);
    expect(bench.lmaBids(visitor)).toEqual([1, 2]);
    bench.reconfigure({ nodes: [] });
    expect(bench.lmaBids(visitor)).toEqual([]);
    attach(bench);
    expect(bench.lmaBids(visitor)).toEqual([]);
    bench.reconfigure({ nodes: [{ ...MAG_NODE_DEFAULTS, identity: visitor }] });
    attach(bench);
    expect(bench.lmaBids(visitor)).toEqual([1, 2]);
  });

  it('a logical node that becomes one that attaches ends; an attached one that becomes logical goes on', () => {
    const bench = joined();
    bench.reconfigure({ logicalNodes: [] });
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([]);
    attach(bench, MN);
    expect(bench.lmaBids()).toEqual([1, 2]);
    bench.reconfigure({ logicalNodes: [logical] });
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([1, 2]);
    expect(bench.grants.get(MN)!.interface).toBeNull();
    bench.event({ event: 'detach', node: MN, interface: 'lan0' });
    expect(bench.lmaBids()).toEqual([1, 2]);
  });

  it('other interfaces for a node: its paths follow', () => {
    const bench = joined();
    bench.reconfigure({ logicalNodes: [{ ...logical, interfaces: ['wlan'] }] });
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([2]);
    bench.reconfigure({ logicalNodes: [logical] });
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([1, 2]);
  });

  it('more to ask for: at once, in the same session', () => {
    const bench = joined({}, { ipv4: { pool: '192.0.2.0/24', router: '192.0.2.1' } });
    bench.reconfigure({ logicalNodes: [{ ...logical, ipv4: true }] });
    bench.pass(1000);
    expect(bench.grants.get(MN)!.homeAddress).toMatchObject({ address: '192.0.2.2' });
    expect(deeds(bench)).not.toContain('remove');
    expect(bench.lmaBids()).toEqual([1, 2]);
  });

  it('less or something else to ask for: the session ends, then another begins, and the LMA keeps nothing that is not asked for', () => {
    const bench = joined(
      { logicalNodes: [{ ...logical, ipv4: true }] },
      { ipv4: { pool: '192.0.2.0/24', router: '192.0.2.1' } },
    );
    bench.reconfigure({ logicalNodes: [logical] });
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([1, 2]);
    expect([...bench.lma!.sessions()][0]).toMatchObject({ homeAddress: null });
    expect(bench.grants.get(MN)!.homeAddress).toBeNull();
    bench.reconfigure({ logicalNodes: [{ ...logical, homePrefixes: ['2001:db8:1000:77::/64'] }] });
    bench.pass(20_000);
    expect(bench.lmaBids()).toEqual([1, 2]);
    expect(bench.status().homePrefixes).toEqual(['2001:db8:1000:77::/64']);
    expect([...bench.lma!.sessions()]).toHaveLength(1);
  });

  it('another LMA: de-registered at the old one first, in the words of the old profile', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!);
    clear(bench);
    const [farewell] = bench.reconfigure({ lma: { ipv6: '2001:db8:f::2', ipv4: null } });
    expect(farewell).toMatchObject({ to: { address: '2001:db8:f::1' }, message: { lifetime: 0 } });
    expect(optionOf(farewell, 'home-network-prefix')!.prefix).toBe(HNP);
    bench.answer(farewell!);
    const sent = bench.updates().at(-1)!;
    expect(sent.to.address).toBe('2001:db8:f::2');
    expect(optionOf(sent, 'home-network-prefix')!.prefix).toBe('::/0');
    // The old one has no say any more once it is done with.
    bench.pass(2000);
    clear(bench);
    bench.receive(
      { message: 'heartbeat', response: false, unsolicited: false, sequence: 1, options: [] },
      { address: LTE, port: null },
    );
    expect(bench.take()).toEqual([]);
  });

  it('an old LMA that does not answer delays the new one by three transmissions', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!);
    clear(bench);
    bench.reconfigure({ lma: { ipv6: '2001:db8:f::2', ipv4: null } });
    const to = bench.pass(8000).map((sent) => sent.to.address);
    expect(to.slice(0, 3)).toEqual(['2001:db8:f::1', '2001:db8:f::1', '2001:db8:f::2']);
  });

  it('a refused node is tried again when what is asked for has changed, otherwise not', () => {
    const bench = MagBench.joined({ logicalNodes: [{ ...logical, ipv6: false, ipv4: true }] });
    bench.up('lte', LTE);
    bench.pass(1000);
    expect(bench.status().denied).not.toBeNull();
    clear(bench);
    expect(bench.reconfigure({ maxTimeout: 16_000 })).toEqual([]);
    bench.reconfigure({ logicalNodes: [logical] });
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([1]);
  });

  it('a session that the operator has ended stays so', () => {
    const bench = joined();
    bench.event({ event: 'deregister' });
    bench.pass(1000);
    bench.reconfigure({ logicalNodes: [{ ...logical, homePrefixes: ['2001:db8:1000:77::/64'] }] });
    bench.pass(20_000);
    expect(bench.lmaBids()).toEqual([]);
    bench.event({ event: 'register', node: MN });
    bench.pass(1000);
    expect(bench.status().homePrefixes).toEqual(['2001:db8:1000:77::/64']);
  });
});

describe('all sessions', () => {
  it.each([
    ['multipath off', { multipath: false }, [0]],
    ['GRE off', { gre: 'off' as const }, [1, 2]],
  ])('%s', (_, change, bids) => {
    const bench = joined();
    bench.reconfigure(change);
    bench.pass(20_000);
    expect(bench.lmaBids()).toEqual(bids);
    expect(bench.installed.get(MN)!.paths.map(({ encapsulation }) => encapsulation)).toEqual(
      bids.map(() => ('gre' in change ? 'ipip' : 'gre')),
    );
  });

  it('multipath on: the other paths come', () => {
    const bench = MagBench.joined({ multipath: false });
    bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([0]);
    bench.reconfigure({ multipath: true });
    bench.pass(1000);
    expect(bench.lmaBids()).toEqual([1, 2]);
  });

  it('a shorter lifetime is asked for at once; no bulk re-registration keeps alive what the longer one may have left behind', () => {
    const bench = joined({ lifetime: 600 });
    bench.reconfigure({ lifetime: 60, refreshBefore: 10 });
    const refreshes = bench.pass(590_000);
    expect(refreshes.every((sent) => sent.message.lifetime * 4 === 60)).toBe(true);
    attach(bench);
    const mine = (sent: SentUpdate) => mmb(sent).bulk;
    expect(bench.pass(300_000).some(mine)).toBe(true);
    bench.reconfigure({ lifetime: 40 });
    attach(bench, 'mn3@example.org');
    expect(bench.pass(30_000).some(mine)).toBe(true);
  });

  it('heartbeats: a shorter interval counts from now, none ends them', () => {
    const bench = joined({ heartbeat: { intervalSeconds: 1000, missingAllowed: 3 } });
    const beats = (seconds: number) => {
      bench.take();
      bench.pass(seconds * 1000);
      return bench.take().filter(({ message }) => message.message === 'heartbeat').length;
    };
    expect(beats(50)).toBe(0);
    bench.reconfigure({ heartbeat: { intervalSeconds: 10, missingAllowed: 3 } });
    expect(beats(35)).toBe(6);
    bench.reconfigure({ heartbeat: null });
    expect(beats(100)).toBe(0);
    bench.reconfigure({ heartbeat: { intervalSeconds: 10, missingAllowed: 3 } });
    expect(beats(15)).toBe(2);
  });
});
