/**
 * Two MAGs and an LMA, whatever their operators, nodes and links do, and whatever becomes of their messages: once the network is fair
 * again, and without a word of an operator, both ends have the same tunnels, or neither has one. convergence.test.ts asks for service
 * as well, after such a word.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PLAIN_BID } from '../../src/pmipv6/lma/binding-cache.ts';
import type { LmaConfig } from '../../src/pmipv6/lma/config.ts';
import { LOGICAL_NODE_DEFAULTS, type MagConfig, WAN_DEFAULTS } from '../../src/pmipv6/mag/config.ts';
import type { TunnelSession } from '../../src/pmipv6/tunnel-session.ts';
import { lmaConfig, magConfig } from '../support/mag-bench.ts';
import { FAIR, type MagNode, SignalingNetwork } from '../support/signaling-network.ts';

/** Seconds. Short, so that a run covers many lifetimes. */
const LIFETIME = 60;
const NODES = ['mna@example.org', 'mnb@example.org', 'mnc@example.org'];
const BIDS = [1, 2, 3];
const MANY = process.env.TUNLOOM_CONVERGENCE_RUNS;

/** What the two LMA operators have in mind, and what the MAGs' choose, for a whole run. */
interface Setting {
  readonly orderings: readonly ('timestamp' | 'sequence')[];
  readonly bulk: boolean;
  readonly ipv4: boolean;
  readonly delegated: boolean;
  readonly gre: 'off' | 'on' | 'keyless';
  readonly lmaGre: 'off' | 'on';
  readonly heartbeat: boolean;
  readonly revocation: boolean;
}

/** What the LMA's operator may change. */
type Policy = 'all' | 'no-multipath' | 'reject-multipath' | 'without-mna' | 'without-mag-b' | 'no-ipv4';
const POLICIES: readonly Policy[] = [
  'all',
  'no-multipath',
  'reject-multipath',
  'without-mna',
  'without-mag-b',
  'no-ipv4',
];

function policed(config: LmaConfig, policy: Policy): LmaConfig {
  const [profile] = config.nodes;
  const { mags } = config;
  const base = { ...config, mags: MAGS, nodes: [{ ...profile!, identity: '*@example.org', ipv4: true }] };
  switch (policy) {
    case 'all':
      return { ...base, multipath: 'on' };
    case 'no-multipath':
      return { ...base, multipath: 'off' };
    case 'reject-multipath':
      return { ...base, multipath: 'reject' };
    case 'without-mna':
      return {
        ...base,
        nodes: [{ ...profile!, identity: 'mna@example.org', proxyRegistration: false }, ...base.nodes],
      };
    case 'without-mag-b':
      return { ...base, mags: mags.slice(0, 1) };
    case 'no-ipv4':
      return { ...base, nodes: [{ ...profile!, ipv4: false }] };
  }
}

const MAGS = ['a', 'b'].map((letter) => ({ prefix: `2001:db8:${letter}::/48`, identity: null }));

function network(seed: number, setting: Setting): SignalingNetwork {
  const random = (): number => Math.floor(net.random() * 2 ** 32);
  const heartbeat = setting.heartbeat ? { intervalSeconds: 10, missingAllowed: 3 } : null;
  const net: SignalingNetwork = new SignalingNetwork(
    seed,
    [
      (restartCounter) => ({
        ...lmaConfig(),
        mags: MAGS,
        // Few, so that prefixes come back to others soon.
        homePrefixPools: ['2001:db8:1000::/60'],
        ipv4: { pool: '192.0.2.0/28', router: '192.0.2.1' },
        delegatedPools: [{ pool: '2001:db8:d000::/52', length: 56 }],
        maxLifetime: LIFETIME,
        gre: setting.lmaGre,
        revocation: setting.revocation,
        heartbeat,
        restartCounter,
        randomKey: random,
      }),
    ],
    ['a', 'b'].map(
      (letter, n) => (restartCounter: number) =>
        magConfig({
          identity: `mag${letter}@example.org`,
          lma: { ipv6: '2001:db8:f::1', ipv4: null },
          interfaces: BIDS.map((bid) => ({
            ...WAN_DEFAULTS,
            name: `wan${bid}`,
            bid,
            label: bid,
            technology: 8,
            priority: bid,
          })),
          logicalNodes: [{ ...LOGICAL_NODE_DEFAULTS, ...asked(setting), identity: `box${n}@example.org` }],
          nodes: magConfig().nodes.map((node) => ({ ...node, ...asked(setting) })),
          lifetime: LIFETIME,
          refreshBefore: 20,
          bulk: setting.bulk,
          gre: setting.gre,
          ordering: setting.orderings[n]!,
          heartbeat,
          restartCounter,
          random,
        }),
    ),
  );
  for (const mag of net.mags)
    for (const bid of BIDS) net.setInterface(mag, `wan${bid}`, [address(net, mag, bid, 1)]);
  return net;
}

function asked({ ipv4, delegated }: Setting): { ipv4: boolean; delegated: string[] } {
  return { ipv4, delegated: delegated ? ['::/0'] : [] };
}

function address(net: SignalingNetwork, mag: MagNode, bid: number, host: number): string {
  return `2001:db8:${net.mags.indexOf(mag) === 0 ? 'a' : 'b'}:${bid}::${host}`;
}

type Step =
  | { readonly step: 'wait'; readonly milliseconds: number }
  | { readonly step: 'weather'; readonly loss: number; readonly doubling: number; readonly maxDelay: number }
  | {
      readonly step: 'attach';
      readonly mag: number;
      readonly node: number;
      readonly link: number;
      readonly handoff: number | undefined;
    }
  | {
      readonly step: 'detach' | 'register' | 'deregister' | 'release';
      readonly mag: number;
      readonly node: number;
    }
  | { readonly step: 'interface'; readonly mag: number; readonly bid: number; readonly host: number }
  | { readonly step: 'path'; readonly mag: number; readonly bid: number; readonly dead: boolean }
  | { readonly step: 'metrics'; readonly mag: number; readonly bid: number; readonly weight: number }
  | { readonly step: 'restart-mag'; readonly mag: number }
  | {
      readonly step: 'reload-mag';
      readonly mag: number;
      readonly bids: readonly number[];
      readonly multipath: boolean;
    }
  | { readonly step: 'restart-lma' }
  | { readonly step: 'policy'; readonly policy: Policy }
  | { readonly step: 'revoke'; readonly session: number; readonly bid: number | undefined }
  | { readonly step: 'replay'; readonly back: number };

const mag = fc.nat(1);
const bid = fc.constantFrom(...BIDS);
const node = fc.nat(2);
const weighed = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
const constant = <T extends string>(value: T): fc.Arbitrary<T> => fc.constant(value);
const step: fc.Arbitrary<Step> = fc.oneof(
  weighed(
    6,
    fc.record({ step: constant('wait'), milliseconds: fc.oneof(fc.nat(300), fc.nat(3000), fc.nat(40_000)) }),
  ),
  weighed(
    2,
    fc.record({
      step: constant('weather'),
      loss: fc.constantFrom(0, 0, 0.1, 0.5, 1),
      doubling: fc.constantFrom(0, 0.3),
      maxDelay: fc.constantFrom(5, 50, 250, 1500, 3000),
    }),
  ),
  weighed(
    3,
    fc.record({
      step: constant('attach'),
      mag,
      node,
      link: fc.nat(1),
      handoff: fc.constantFrom(undefined, undefined, 1, 2, 3),
    }),
  ),
  weighed(2, fc.record({ step: constant('detach'), mag, node })),
  weighed(
    1,
    fc.record({ step: fc.constantFrom('register' as const, 'deregister' as const), mag, node: fc.nat(3) }),
  ),
  weighed(1, fc.record({ step: constant('release'), mag, node: fc.nat(3) })),
  // Host 0: the interface goes down.
  weighed(3, fc.record({ step: constant('interface'), mag, bid, host: fc.nat(2) })),
  weighed(1, fc.record({ step: constant('path'), mag, bid, dead: fc.boolean() })),
  weighed(1, fc.record({ step: constant('metrics'), mag, bid, weight: fc.integer({ min: 1, max: 9 }) })),
  weighed(1, fc.record({ step: constant('restart-mag'), mag })),
  weighed(
    1,
    fc.record({
      step: constant('reload-mag'),
      mag,
      bids: fc.subarray([...BIDS], { minLength: 1 }),
      multipath: fc.boolean(),
    }),
  ),
  weighed(1, fc.record({ step: constant('restart-lma') })),
  weighed(1, fc.record({ step: constant('policy'), policy: fc.constantFrom(...POLICIES) })),
  weighed(
    3,
    fc.record({ step: constant('revoke'), session: fc.nat(4), bid: fc.constantFrom(undefined, 1, 2, 3) }),
  ),
  weighed(2, fc.record({ step: constant('replay'), back: fc.nat(40) })),
);
const setting: fc.Arbitrary<Setting> = fc.record({
  orderings: fc.tuple(
    fc.constantFrom('timestamp' as const, 'sequence' as const),
    fc.constantFrom('timestamp' as const, 'sequence' as const),
  ),
  bulk: fc.boolean(),
  ipv4: fc.boolean(),
  delegated: fc.boolean(),
  gre: fc.constantFrom('on' as const, 'on' as const, 'off' as const, 'keyless' as const),
  lmaGre: fc.constantFrom('on' as const, 'on' as const, 'off' as const),
  heartbeat: fc.boolean(),
  revocation: fc.boolean(),
});

/** A run: its network, and what its operators have said last. */
class Run {
  readonly net: SignalingNetwork;
  private policy: Policy = 'all';
  private readonly base: readonly MagConfig[];

  constructor(seed: number, setting: Setting) {
    this.net = network(seed, setting);
    this.base = this.net.mags.map(({ config }) => config);
    this.net.onLog = (who, { level, text, node }) => {
      // Sequence numbers of before a restart come again once the LMA has told where it was (status 135), timestamps do not.
      const isSequenced = 'config' in who && 'ordering' in who.config && who.config.ordering === 'sequence';
      if (level !== 'error' || isSequenced || !text.includes('is not what was sent')) return;
      throw new Error(`${node}: ${text}`);
    };
  }

  act(action: Step): void {
    const { net } = this;
    const named = (n: number, at: number): string => NODES[n] ?? `box${at}@example.org`;
    switch (action.step) {
      case 'wait':
        net.pass(action.milliseconds, this.always);
        break;
      case 'weather':
        net.weather = { ...action, minDelay: 5 };
        break;
      case 'attach':
        this.attach(action.mag, NODES[action.node]!, action.link, action.handoff);
        break;
      case 'detach':
        this.detach(net.mags[action.mag]!, NODES[action.node]!);
        break;
      case 'register':
      case 'deregister': {
        const at = net.mags[action.mag]!;
        const node = named(action.node, action.mag);
        if (at.machine.sessions().some((session) => session.node === node))
          net.tell(at, { event: action.step, node });
        break;
      }
      case 'release': {
        const at = net.mags[action.mag]!;
        const node = named(action.node, action.mag);
        const has = at.machine.sessions().find((session) => session.node === node);
        if (has?.delegatedPrefixes.length)
          net.tell(at, { event: 'release', node, prefixes: has.delegatedPrefixes });
        else net.tell(at, { event: 'delegation', node });
        break;
      }
      case 'interface': {
        const at = net.mags[action.mag]!;
        const list = action.host ? [address(net, at, action.bid, action.host)] : [];
        net.setInterface(at, `wan${action.bid}`, list);
        break;
      }
      case 'path': {
        const at = net.mags[action.mag]!;
        for (const session of at.world.installed.keys())
          net.tell(at, { event: 'path', session, bid: action.bid, dead: action.dead });
        break;
      }
      case 'metrics':
        net.tell(net.mags[action.mag]!, {
          event: 'metrics',
          name: `wan${action.bid}`,
          metrics: { weight: action.weight },
        });
        break;
      case 'restart-mag':
        this.restartMag(net.mags[action.mag]!);
        break;
      case 'reload-mag': {
        const base = this.base[action.mag]!;
        const interfaces = base.interfaces.filter(({ bid }) => action.bids.includes(bid));
        net.reload(net.mags[action.mag]!, { ...base, interfaces, multipath: action.multipath });
        break;
      }
      case 'restart-lma':
        net.lma.restart();
        net.reloadLma(net.lma, policed(net.lma.config, this.policy));
        break;
      case 'policy':
        this.policy = action.policy;
        net.reloadLma(net.lma, policed(net.lma.config, action.policy));
        break;
      case 'revoke': {
        const session = [...net.lma.machine.sessions()][action.session];
        if (session)
          net.tellLma(net.lma, {
            event: 'revoke',
            session: session.name,
            ...(action.bid ? { bid: action.bid } : {}),
          });
        break;
      }
      case 'replay':
        net.replay(action.back);
        break;
    }
    this.always();
  }

  private attach(n: number, node: string, link: number, handoff: number | undefined): void {
    const at = this.net.mags[n]!;
    at.attached.add(node);
    this.net.tell(at, {
      event: 'attach',
      node,
      interface: `lan${link}`,
      linkLayer: new Uint8Array([2, 0, 0, 0, link, node.charCodeAt(2)]),
      technology: 3 + link,
      handoff,
    });
  }

  private detach(at: MagNode, node: string): void {
    at.attached.delete(node);
    for (const link of [0, 1]) this.net.tell(at, { event: 'detach', node, interface: `lan${link}` });
  }

  private restartMag(at: MagNode): void {
    at.reset();
    for (const [name, list] of at.interfaces) this.net.setInterface(at, name, list);
    for (const node of at.attached) this.attach(this.net.mags.indexOf(at), node, 0, undefined);
  }

  /** At any time: no prefix at two sessions, and the data planes have what the machines have. */
  readonly always = (): void => {
    const { lma, mags } = this.net;
    const seen = new Set<string>();
    for (const { prefixes, delegated, homeAddress } of lma.machine.sessions()) {
      for (const prefix of [...prefixes, ...delegated, homeAddress].filter((each) => each !== null)) {
        expect(seen.has(prefix)).toBe(false);
        seen.add(prefix);
      }
    }
    const routed = [...lma.world.installed.values()].flatMap(({ prefixes }) => prefixes);
    expect(new Set(routed).size).toBe(routed.length);
    const cached = [...lma.machine.sessions()].flatMap(({ name, bindings }) =>
      bindings.size
        ? [
            `${name} ${[...bindings.values()].map(({ bid, careOf }) => `${bid || 1}=${careOf.address}`).toSorted()}`,
          ]
        : [],
    );
    const installed = [...lma.world.installed.values()].map(
      ({ name, paths }) => `${name} ${paths.map(({ bid, remote }) => `${bid}=${remote.address}`).toSorted()}`,
    );
    expect(installed.toSorted()).toEqual(cached.toSorted());
    for (const { world, machine } of mags) {
      const active = machine.sessions().flatMap(({ name, paths }) => {
        const use = paths.filter(({ state }) => state === 'active' || state === 'refreshing');
        return use.length ? [`${name} ${use.length}`] : [];
      });
      const tunnels = [...world.installed.values()].flatMap(({ name, paths }) => {
        const sending = paths.filter(({ receiveOnly }) => !receiveOnly).length;
        return sending ? [`${name} ${sending}`] : [];
      });
      expect(tunnels.toSorted()).toEqual(active.toSorted());
    }
  };

  /** The network is fair and the clocks are right; nobody says anything. */
  heal(): void {
    const { net } = this;
    net.weather = FAIR;
    for (const [n, each] of net.mags.entries()) {
      net.reload(each, this.base[n]!);
      for (const bid of BIDS) {
        if (!each.interfaces.get(`wan${bid}`)!.length)
          net.setInterface(each, `wan${bid}`, [address(net, each, bid, 1)]);
        for (const session of [...each.world.installed.keys()])
          net.tell(each, { event: 'path', session, bid, dead: false });
      }
    }
    // Who is attached twice has really moved to the second MAG.
    for (const node of NODES) {
      if (!net.mags.every(({ attached }) => attached.has(node))) continue;
      for (const each of net.mags) this.detach(each, node);
      this.attach(1, node, 0, undefined);
    }
    net.pass(3 * LIFETIME * 1000, this.always);
  }

  /** Both ends have the same tunnels. */
  agree(): void {
    const { net } = this;
    const text = (session: TunnelSession, end: 'local' | 'remote', keys: (number | null)[]): string =>
      [
        session.node,
        ...session.paths
          .map(({ bid, [end]: { address }, encapsulation, label, technology, metrics }) =>
            // Without multipath the LMA is told of the access link instead.
            [bid, address, encapsulation, label, label && technology, metrics.weight].join('/'),
          )
          .toSorted(),
        ...session.prefixes.toSorted(),
        ...keys,
      ].join(' ');
    const ours = net.mags.flatMap(({ world }) =>
      [...world.installed.values()].map((session) =>
        text(session, 'local', [session.sendKey, session.receiveKey]),
      ),
    );
    const theirs = [...net.lma.world.installed.values()].map((session) =>
      text(session, 'remote', [session.receiveKey, session.sendKey]),
    );
    expect(ours.toSorted()).toEqual(theirs.toSorted());
    // Our bindings never end after the LMA's.
    for (const { machine } of net.mags) {
      for (const session of machine.sessions()) {
        for (const path of session.paths.filter(({ state }) => state === 'active')) {
          const [binding] = [...net.lma.machine.sessions()].flatMap(({ bindings }) =>
            [...bindings.values()].filter(
              ({ careOf, bid }) => careOf.address === path.careOf && (bid === path.bid || bid === PLAIN_BID),
            ),
          );
          expect(binding).toBeDefined();
        }
      }
    }
    for (const session of net.lma.machine.sessions()) {
      if (this.policy === 'without-mna') expect(session.nodeKey).not.toBe('mna@example.org');
      if (this.policy !== 'without-mag-b') continue;
      for (const { careOf } of session.bindings.values()) expect(careOf.address).toMatch(/^2001:db8:a:/);
    }
  }

  /** Everybody leaves, and nothing is left of anybody. */
  end(): void {
    const { net } = this;
    for (const each of net.mags) {
      for (const node of [...each.attached]) this.detach(each, node);
      net.tell(each, { event: 'deregister' });
    }
    net.pass(3 * LIFETIME * 1000);
    expect([...net.lma.machine.sessions()]).toEqual([]);
    expect(net.lma.machine.prefixesInUse).toBe(0);
    expect(net.lma.machine.nextDeadline()).toBe(null);
    for (const { machine, world } of net.mags) {
      expect(world.installed.size + world.grants.size).toBe(0);
      expect(machine.idle).toBe(true);
      expect(machine.nextDeadline()).toBe(null);
    }
  }
}

it('both ends agree, without an operator', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1 }),
      setting,
      fc.array(step, { maxLength: 60, size: 'max' }),
      (seed, chosen, steps) => {
        const run = new Run(seed, chosen);
        for (const action of steps) run.act(action);
        run.heal();
        run.agree();
        run.end();
      },
    ),
    // Always the same ones, unless somebody looks for others.
    MANY ? { numRuns: Number(MANY) } : { numRuns: 40, seed: 5213 },
  );
});
