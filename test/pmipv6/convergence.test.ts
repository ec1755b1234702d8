import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlowBinding } from '../../src/pmipv6/flow-binding.ts';
import { LOGICAL_NODE_DEFAULTS, WAN_DEFAULTS } from '../../src/pmipv6/mag/config.ts';
import type { TunnelSession } from '../../src/pmipv6/tunnel-session.ts';
import { lmaConfig, magConfig } from '../support/mag-bench.ts';
import { FAIR, type MagNode, SignalingNetwork } from '../support/signaling-network.ts';

const FLOWS: readonly FlowBinding[] = [[1], [2, 3], [1, 2, 3]].map((bids, i) => ({
  flow: i + 1,
  priority: i + 1,
  bids,
  selector: { family: 6, protocol: { start: i, end: i } },
}));

/** Seconds. Short, so that a run covers many lifetimes. */
const LIFETIME = 60;
const NODES = ['mna@example.org', 'mnb@example.org', 'mnc@example.org'];

function network(seed: number, ordering: 'timestamp' | 'sequence'): SignalingNetwork {
  const net: SignalingNetwork = new SignalingNetwork(
    seed,
    [
      (restartCounter) => ({
        ...lmaConfig(),
        // Few, so that prefixes come back to others soon.
        homePrefixPools: ['2001:db8:1000::/61'],
        delegatedPools: [{ pool: '2001:db8:d000::/53', length: 56 }],
        maxLifetime: LIFETIME,
        heartbeat: { intervalSeconds: 10, missingAllowed: 3 },
        restartCounter,
        randomKey: () => Math.floor(net.random() * 2 ** 32),
      }),
    ],
    ['a', 'b'].map(
      (letter, n) => (restartCounter: number) =>
        magConfig({
          identity: `mag${letter}@example.org`,
          lma: { ipv6: '2001:db8:f::1', ipv4: null },
          interfaces: [1, 2, 3].map((bid) => ({
            ...WAN_DEFAULTS,
            name: `wan${bid}`,
            bid,
            label: bid,
            technology: 8,
            priority: bid,
          })),
          logicalNodes: [
            { ...LOGICAL_NODE_DEFAULTS, identity: `box${n}@example.org`, flows: FLOWS.slice(0, 2) },
          ],
          lifetime: LIFETIME,
          refreshBefore: 20,
          ordering,
          heartbeat: { intervalSeconds: 10, missingAllowed: 3 },
          restartCounter,
          random: () => Math.floor(net.random() * 2 ** 32),
        }),
    ),
  );
  for (const mag of net.mags)
    for (const bid of [1, 2, 3]) net.setInterface(mag, `wan${bid}`, [address(net, mag, bid, 1)]);
  return net;
}

function address(net: SignalingNetwork, mag: MagNode, bid: number, host: number): string {
  return `2001:db8:${net.mags.indexOf(mag) === 0 ? 'a' : 'b'}:${bid}::${host}`;
}

type Step =
  | { readonly step: 'wait'; readonly milliseconds: number }
  | { readonly step: 'weather'; readonly loss: number; readonly doubling: number; readonly maxDelay: number }
  | { readonly step: 'attach' | 'detach'; readonly mag: number; readonly node: number }
  | { readonly step: 'interface'; readonly mag: number; readonly bid: number; readonly host: number }
  | { readonly step: 'flows'; readonly mag: number; readonly count: number }
  | { readonly step: 'restart-mag'; readonly mag: number }
  | { readonly step: 'restart-lma' }
  | { readonly step: 'clock'; readonly who: number; readonly milliseconds: number };

const mag = fc.nat(1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ step: fc.constant('wait' as const), milliseconds: fc.nat(30_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('weather' as const),
      loss: fc.constantFrom(0, 0.1, 0.5, 1),
      doubling: fc.constantFrom(0, 0.3),
      maxDelay: fc.constantFrom(5, 50, 250, 3000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constantFrom('attach' as const, 'detach' as const),
      mag,
      node: fc.nat(2),
    }),
  },
  // Host 0: the interface goes down.
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant('interface' as const),
      mag,
      bid: fc.integer({ min: 1, max: 3 }),
      host: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('flows' as const), mag, count: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('restart-mag' as const), mag }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('restart-lma' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant('clock' as const),
      who: fc.nat(2),
      milliseconds: fc.constantFrom(-3_600_000, -500, -100, 100, 500, 3_600_000),
    }),
  },
);

function act(net: SignalingNetwork, action: Step, invariant: () => void): void {
  switch (action.step) {
    case 'wait':
      net.pass(action.milliseconds, invariant);
      break;
    case 'weather':
      net.weather = { ...action, minDelay: 5 };
      break;
    case 'attach': {
      const node = NODES[action.node]!;
      // A node is on one access link at a time, but the old MAG may notice late.
      net.attach(net.mags[action.mag]!, node);
      break;
    }
    case 'detach':
      net.detach(net.mags[action.mag]!, NODES[action.node]!);
      break;
    case 'interface': {
      const at = net.mags[action.mag]!;
      net.setInterface(
        at,
        `wan${action.bid}`,
        action.host ? [address(net, at, action.bid, action.host)] : [],
      );
      break;
    }
    case 'flows':
      net.tell(net.mags[action.mag]!, {
        event: 'flows',
        node: `box${action.mag}@example.org`,
        flows: FLOWS.slice(0, action.count),
      });
      break;
    case 'restart-mag':
      net.restartMag(net.mags[action.mag]!);
      break;
    case 'restart-lma':
      net.lma.restart();
      break;
    case 'clock':
      if (action.who === 2) net.lma.clock += action.milliseconds;
      else net.mags[action.who]!.clock += action.milliseconds;
      break;
  }
}

/** No prefix at two sessions, in the cache and in the LMA's data plane. */
function noPrefixTwice(net: SignalingNetwork): void {
  const seen = new Set<string>();
  for (const session of net.lma.machine.sessions()) {
    for (const prefix of [...session.prefixes, ...session.delegated]) {
      expect(seen.has(prefix)).toBe(false);
      seen.add(prefix);
    }
  }
  const routed = [...net.lma.world.installed.values()].flatMap(({ prefixes }) => prefixes);
  expect(new Set(routed).size).toBe(routed.length);
}

function heal(net: SignalingNetwork): void {
  net.weather = FAIR;
  net.lma.clock = 0;
  for (const each of net.mags) {
    each.clock = 0;
    for (const bid of [1, 2, 3]) {
      const list = each.interfaces.get(`wan${bid}`)!;
      if (!list.length) net.setInterface(each, `wan${bid}`, [address(net, each, bid, 1)]);
    }
  }
  // Who is attached twice has really moved to the second MAG.
  for (const node of NODES) {
    if (!net.mags.every(({ attached }) => attached.has(node))) continue;
    for (const each of net.mags) net.detach(each, node);
    net.attach(net.mags[1]!, node);
  }
  // Services that the LMA has revoked or refused come back by the operator's word.
  net.pass(2 * LIFETIME * 1000);
  for (const each of net.mags) net.tell(each, { event: 'register' });
  net.pass(LIFETIME * 1000);
}

/** Node, BIDs with care-of addresses, prefixes, flows: as the MAGs, and as the LMA see it. */
function views(net: SignalingNetwork): { mags: string[]; lma: string[] } {
  const text = ({ node, prefixes, flows = [] }: TunnelSession, paths: string[]): string => {
    const negotiated = flows.map(({ flow, bids }) => `flow ${flow}>${bids.join('+')}`);
    return [node, ...paths.toSorted(), ...prefixes.toSorted(), ...negotiated].join(' ');
  };
  const mags = net.mags.flatMap(({ world }) =>
    [...world.installed.values()].map((session) =>
      text(
        session,
        session.paths.map(({ bid, local }) => `${bid}=${local.address}`),
      ),
    ),
  );
  const lma = [...net.lma.world.installed.values()].map((session) =>
    text(
      session,
      session.paths.map(({ bid, remote }) => `${bid}=${remote.address}`),
    ),
  );
  return { mags: mags.toSorted(), lma: lma.toSorted() };
}

function run(seed: number, ordering: 'timestamp' | 'sequence', steps: readonly Step[]): void {
  const net = network(seed, ordering);
  const invariant = (): void => noPrefixTwice(net);
  for (const action of steps) act(net, action, invariant);
  heal(net);
  invariant();
  const { mags, lma } = views(net);
  expect(mags).toEqual(lma);
  // Everyone who should have service has it, over all three interfaces.
  const served = [
    ...net.mags.flatMap(({ attached }) => [...attached]),
    'box0@example.org',
    'box1@example.org',
  ];
  expect(mags.map((line) => line.split(' ')[0])).toEqual(served.toSorted());
  for (const line of mags) expect(line).toMatch(/ 1=.* 2=.* 3=/);
  for (const { world } of net.mags) {
    for (const grant of world.grants.values()) {
      const session = [...world.installed.values()].find(({ node }) => node === grant.node)!;
      expect(session.prefixes).toEqual([
        ...grant.homePrefixes.map(({ prefix }) => prefix),
        ...grant.delegatedPrefixes,
      ]);
    }
  }
  // Nothing is left of anybody.
  for (const each of net.mags) {
    for (const node of each.attached) net.detach(each, node);
    net.tell(each, { event: 'deregister' });
  }
  net.pass(3 * LIFETIME * 1000);
  expect([...net.lma.machine.sessions()]).toEqual([]);
  expect(net.lma.machine.prefixesInUse).toBe(0);
  expect(net.lma.machine.nextDeadline()).toBe(null);
  expect(net.lma.world.installed.size).toBe(0);
  for (const { machine, world } of net.mags) {
    expect(world.installed.size + world.grants.size).toBe(0);
    expect(machine.idle).toBe(true);
    expect(machine.nextDeadline()).toBe(null);
  }
}

describe('MAGs and LMA: whatever happens on the way, they agree once the network heals', () => {
  it.each(['timestamp', 'sequence'] as const)('%s mode', (ordering) => {
    fc.assert(
      fc.property(fc.integer({ min: 1 }), fc.array(step, { maxLength: 60, size: 'max' }), (seed, steps) =>
        run(seed, ordering, steps),
      ),
      { numRuns: Number(process.env.TUNLOOM_CONVERGENCE_RUNS ?? 60) },
    );
  });
});
