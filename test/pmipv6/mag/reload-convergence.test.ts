/** Whatever configurations a MAG has read one after the other: the LMAs end up with the bindings that a MAG has which starts with the last one. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PLAIN_BID } from '../../../src/pmipv6/lma/binding-cache.ts';
import { PROFILE_DEFAULTS } from '../../../src/pmipv6/lma/config.ts';
import {
  LOGICAL_NODE_DEFAULTS,
  MAG_NODE_DEFAULTS,
  type MagConfig,
  type MagNode as Profile,
  WAN_DEFAULTS,
} from '../../../src/pmipv6/mag/config.ts';
import { lmaConfig, magConfig } from '../../support/mag-bench.ts';
import { FAIR, SignalingNetwork } from '../../support/signaling-network.ts';

/** Seconds. */
const LIFETIME = 60;
const LMA1 = { ipv6: '2001:db8:f::1', ipv4: null };
const LMA2 = { ipv6: '2001:db8:f::2', ipv4: null };
const NAMES = ['wan1', 'wan2', 'wan3', 'wan4'];
const VISITORS = ['mna@example.org', 'mnb@example.org'];

type Keys = Omit<MagConfig, 'identity' | 'restartCounter' | 'random'>;

/** What a node's profile may say; `home` is a prefix to ask for, of its own. */
const profileOf = (names: readonly string[], home: string | null): fc.Arbitrary<Omit<Profile, 'identity'>> =>
  fc
    .record({
      lma: fc.constantFrom(null, LMA2, LMA2),
      families: fc.constantFrom([true, false], [true, true], [false, true]),
      homePrefixes: fc.constantFrom([], home === null ? [] : [home]),
      delegated: fc.constantFrom([], ['::/0']),
      multipath: fc.boolean(),
      interfaces: fc.oneof(fc.constant(null), fc.subarray([...names], { minLength: 1 })),
    })
    .map(({ families, ...profile }) => ({
      ...MAG_NODE_DEFAULTS,
      ...profile,
      ipv6: families[0]!,
      ipv4: families[1]!,
    }));

const interfaces: fc.Arbitrary<MagConfig['interfaces']> = fc
  .record({
    names: fc.subarray(NAMES, { minLength: 1 }),
    bids: fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 4 }),
    values: fc.array(
      fc.record({
        label: fc.integer({ min: 1, max: 3 }),
        technology: fc.constantFrom(4, 8),
        priority: fc.nat(2),
        host: fc.constantFrom(null, 2),
        metrics: fc.constantFrom({}, { weight: 3 }),
      }),
      { minLength: 4, maxLength: 4 },
    ),
  })
  .map(({ names, bids, values }) =>
    names.map((name, i) => {
      const { host, ...value } = values[i]!;
      return { ...WAN_DEFAULTS, ...value, name, bid: bids[i]!, careOf: host && address(name, host) };
    }),
  );

const keys: fc.Arbitrary<Keys> = interfaces.chain((interfaces) => {
  const names = interfaces.map(({ name }) => name);
  const logical = (n: number): fc.Arbitrary<MagConfig['logicalNodes'][number] | null> =>
    fc.option(
      fc
        .record({
          profile: profileOf(names, `2001:db8:1000:f${n}::/64`),
          technology: fc.constantFrom(1, 3),
        })
        .map(({ profile, technology }) => ({
          ...LOGICAL_NODE_DEFAULTS,
          ...profile,
          identity: `box${n}@example.org`,
          technology,
        })),
      { freq: 4 },
    );
  const node = (identity: string): fc.Arbitrary<Profile | null> =>
    fc.option(profileOf(names, null).map((profile) => ({ ...profile, identity })));
  return fc.record({
    interfaces: fc.constant(interfaces),
    logicalNodes: fc.tuple(logical(0), logical(1)).map((list) => list.filter((one) => one !== null)),
    nodes: fc
      .tuple(node('mna@example.org'), node('*@example.org'))
      .map((list) => list.filter((one) => one !== null)),
    lma: fc.constantFrom(LMA1, LMA1, LMA2),
    multipath: fc.boolean().map((off) => !off || names.length > 1),
    bulk: fc.boolean(),
    furtherPathHandoff: fc.constantFrom(1, 6),
    lifetime: fc.constantFrom(LIFETIME, LIFETIME / 2),
    refreshBefore: fc.constantFrom(10, 20),
    firstTimeout: fc.constantFrom(500, 1000),
    maxTimeout: fc.constant(8000),
    maxUpdatesPerBinding: fc.constantFrom(3, 10),
    maxUpdatesPerLma: fc.constantFrom(50, 500),
    ordering: fc.constantFrom('timestamp' as const, 'sequence' as const),
    gre: fc.constantFrom('on' as const, 'off' as const, 'keyless' as const),
    tlv: fc.boolean(),
    forceUdp: fc.boolean(),
    linkLocal: fc.constantFrom(null, 'fe80::1'),
    heartbeat: fc.constantFrom(null, { intervalSeconds: 10, missingAllowed: 3 }),
    strict: fc.constant(true),
    vendor: fc.constantFrom(32473, 1234),
  });
});

interface Step {
  readonly keys: Keys;
  readonly wait: number;
  readonly loss: number;
  readonly maxDelay: number;
  /** An interface that goes down or comes up; a node that comes or leaves. */
  readonly wan: string | null;
  readonly visitor: string;
}

const calm: fc.Arbitrary<Step> = fc.record({
  keys,
  wait: fc.integer({ min: 3000, max: 20_000 }),
  loss: fc.constant(0),
  maxDelay: fc.constantFrom(5, 50),
  wan: fc.constant(null),
  visitor: fc.constantFrom(...VISITORS),
});
const rough: fc.Arbitrary<Step> = fc.record({
  keys,
  wait: fc.oneof(fc.nat(200), fc.nat(20_000)),
  loss: fc.constantFrom(0, 0, 0.3, 1),
  maxDelay: fc.constantFrom(5, 250, 1500),
  wan: fc.constantFrom(...NAMES),
  visitor: fc.constantFrom(...VISITORS),
});

function address(name: string, host: number): string {
  return `2001:db8:a:${NAMES.indexOf(name) + 1}::${host}`;
}

function network(seed: number, first: Keys): SignalingNetwork {
  const random = (): number => Math.floor(net.random() * 2 ** 32);
  const lma = (home: string, pool: string) => (restartCounter: number) => ({
    ...lmaConfig(),
    nodes: [{ ...PROFILE_DEFAULTS, identity: '*@example.org' }],
    homePrefixPools: ['2001:db8:1000::/48', home],
    ipv4: { pool, router: pool.replace('0/24', '1') },
    delegatedPools: [{ pool: '2001:db8:d000::/40', length: 56 }],
    maxLifetime: LIFETIME,
    restartCounter,
    randomKey: random,
  });
  const net: SignalingNetwork = new SignalingNetwork(
    seed,
    [lma('2001:db8:1001::/48', '192.0.2.0/24'), lma('2001:db8:1002::/48', '198.51.100.0/24')],
    [(restartCounter) => complete(first, restartCounter, random)],
  );
  return net;
}

function complete(keys: Keys, restartCounter: number, random: () => number): MagConfig {
  return magConfig({ ...keys, identity: 'mag1@example.org', restartCounter, random });
}

/** What each LMA has: nodes and bindings, `all`: how many prefixes and addresses, too. Which path leads without multipath is a matter of history. */
function bindings(net: SignalingNetwork, all: boolean): string[] {
  return net.lmas
    .flatMap(({ machine }, n) =>
      [...machine.sessions()].map((session) => {
        const paths = [...session.bindings.values()].map(({ bid, careOf, label, technology, metrics }) =>
          bid === PLAIN_BID ? 'plain' : `${bid}=${careOf.address}/${label}/${technology}/${metrics.weight}`,
        );
        const keys = session.gre ? (session.gre.uplinkKey === null ? 'keyless' : 'gre') : 'ipip';
        const counts = !all
          ? []
          : [session.prefixes.length, session.homeAddress ? 1 : 0, session.delegated.length];
        return [
          `LMA${n + 1}`,
          session.nodeKey,
          session.technology,
          ...paths.toSorted(),
          keys,
          ...counts,
        ].join(' ');
      }),
    )
    .toSorted();
}

function asInstalled(net: SignalingNetwork): { mag: string[]; lmas: string[] } {
  const text = (node: string, careOf: string[]): string => [node, ...careOf.toSorted()].join(' ');
  const mag = [...net.mags[0]!.world.installed.values()].map(({ node, paths }) =>
    text(
      node,
      paths.map(({ bid, local }) => `${bid}=${local.address}`),
    ),
  );
  const lmas = net.lmas.flatMap(({ world }) =>
    [...world.installed.values()].map(({ node, paths }) =>
      text(
        node,
        paths.map(({ bid, remote }) => `${bid}=${remote.address}`),
      ),
    ),
  );
  return { mag: mag.toSorted(), lmas: lmas.toSorted() };
}

function run(seed: number, first: Keys, steps: readonly Step[], last: Keys, all: boolean): void {
  const net = network(seed, first);
  const [mag] = net.mags as [SignalingNetwork['mags'][number]];
  const random = (): number => Math.floor(net.random() * 2 ** 32);
  const states = new Map(NAMES.map((name) => [name, [address(name, 1), address(name, 2)]]));
  for (const [name, addresses] of states) net.setInterface(mag, name, addresses);
  net.attach(mag, VISITORS[0]!);
  for (const { keys, wait, loss, maxDelay, wan, visitor } of steps) {
    net.weather = { loss, doubling: loss ? 0.2 : 0, minDelay: 5, maxDelay };
    net.pass(wait);
    if (wan !== null) {
      states.set(wan, states.get(wan)!.length ? [] : [address(wan, 1), address(wan, 2)]);
      net.setInterface(mag, wan, states.get(wan)!);
    }
    if (mag.attached.has(visitor)) net.detach(mag, visitor);
    else net.attach(mag, visitor);
    if (all) net.pass(1000);
    net.reload(mag, complete(keys, 0, random));
  }
  net.pass(all ? 3000 : 1000);
  net.weather = FAIR;
  net.reload(mag, complete(last, 0, random));
  net.pass(3 * LIFETIME * 1000);
  if (!all) {
    // A revocation that came late has hit what was registered since: that comes back by the operator's word.
    net.tell(mag, { event: 'register' });
    net.pass(LIFETIME * 1000);
  }
  expect([...mag.open].toSorted()).toEqual(last.interfaces.map(({ name }) => name).toSorted());
  const { mag: ours, lmas } = asInstalled(net);
  expect(ours).toEqual(lmas);

  const fresh = network(seed, last);
  for (const [name, addresses] of states) fresh.setInterface(fresh.mags[0]!, name, addresses);
  for (const visitor of mag.attached) fresh.attach(fresh.mags[0]!, visitor);
  fresh.pass(3 * LIFETIME * 1000);
  expect(bindings(net, all)).toEqual(bindings(fresh, all));

  // The same file again: nothing happens.
  expect(net.reload(mag, complete(last, 0, random))).toEqual([]);
}

/** An LMA that could not be told of an end may keep addresses that nobody asks for any more, until the session ends. */
it.each([
  ['what the network delivers: bindings and prefixes as after a start with it', calm, true],
  ['what it loses or delays, interfaces that go meanwhile: bindings as after a start with it', rough, false],
] as const)('any configuration after any others; %s', (_, step, all) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1 }),
      keys,
      fc.array(step, { maxLength: 6 }),
      keys,
      (seed, first, steps, last) => run(seed, first, steps, last, all),
    ),
    { numRuns: Number(process.env.TUNLOOM_CONVERGENCE_RUNS ?? 100) },
  );
});
