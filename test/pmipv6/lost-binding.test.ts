/**
 * RFC 5213 §8.4: HI 5 extends a binding. A MAG that has lost its binding to another one has nothing to extend: without revocations, two
 * MAGs of which one has not seen the node leave would take the session from each other by turns.
 */
import { describe, expect, it } from 'vitest';
import { WAN_DEFAULTS } from '../../src/pmipv6/mag/config.ts';
import { Status } from '../../src/pmipv6/wire/numbers.ts';
import { lmaConfig, LTE, magConfig, MagBench, WLAN } from '../support/mag-bench.ts';
import { LmaBench } from '../support/lma-bench.ts';
import { SignalingNetwork } from '../support/signaling-network.ts';

const NODE = 'mna@example.org';
const MINUTE = 60_000;

/** Two MAGs with two interfaces each. */
function network(multipath: boolean, revocation: boolean): SignalingNetwork {
  let key = 0;
  const net = new SignalingNetwork(
    1,
    [() => ({ ...lmaConfig(), revocation })],
    ['a', 'b'].map(
      (letter) => () =>
        magConfig({
          identity: `mag${letter}@example.org`,
          lma: { ipv6: '2001:db8:f::1', ipv4: null },
          interfaces: [1, 2].map((bid) => ({
            ...WAN_DEFAULTS,
            name: `wan${bid}`,
            bid,
            label: bid,
            technology: 8,
          })),
          logicalNodes: [],
          multipath,
          random: () => ++key,
        }),
    ),
  );
  for (const [i, mag] of net.mags.entries())
    for (const bid of [1, 2]) net.setInterface(mag, `wan${bid}`, [`2001:db8:${'ab'[i]}:${bid}::1`]);
  return net;
}

/** Which MAGs have served the node at the LMA in a minute. */
function holders(net: SignalingNetwork, milliseconds: number): Set<string> {
  const seen = new Set<string>();
  net.pass(milliseconds, () => {
    for (const { bindings } of net.lma.machine.sessions())
      for (const { careOf } of bindings.values()) seen.add(careOf.address.slice(9, 10));
  });
  return seen;
}

const served = (net: SignalingNetwork): boolean[] => net.mags.map(({ world }) => world.grants.has(NODE));

describe.each([
  ['multipath', true],
  ['one path', false],
])('%s', (_name, multipath) => {
  it.each([false, true])('the MAG that has the node keeps it (revocation: %s)', (revocation) => {
    const net = network(multipath, revocation);
    const [a, b] = net.mags as [(typeof net.mags)[0], (typeof net.mags)[0]];
    net.attach(a, NODE);
    net.pass(MINUTE);
    net.attach(b, NODE);
    net.pass(2000);
    expect(holders(net, 60 * MINUTE)).toEqual(new Set(['b']));
    expect(served(net)).toEqual([false, true]);
    // It comes back to where it is not known to have left.
    net.attach(a, NODE);
    net.pass(2000);
    expect(holders(net, 60 * MINUTE)).toEqual(new Set(['a']));
    expect(served(net)).toEqual([true, false]);
  });
});

it('status 154 for the extension; a hand-off back, and a session that nobody has, are taken', () => {
  const bench = new LmaBench({ revocation: false });
  const linkLayer = {
    option: 'mn-link-layer-identifier',
    identifier: new Uint8Array([2, 0, 0, 0, 0, 1]),
  } as const;
  const options = [linkLayer];
  const first = bench.send({ handoff: 1, options });
  const prefixes = LmaBench.prefixesOf(first);
  const extend = (from?: string) => bench.send({ ...(from ? { from } : {}), handoff: 5, prefixes, options });
  bench.pass(1000);
  expect(bench.send({ from: WLAN, handoff: 3, prefixes, options })!.status).toBe(0);
  bench.pass(1000);
  expect(extend()!.status).toBe(Status.MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
  expect(extend(WLAN)!.status).toBe(0);
  bench.pass(1000);
  expect(bench.send({ from: WLAN, handoff: 4, prefixes, options, lifetime: 0 })!.status).toBe(0);
  bench.pass(1000);
  expect(extend()!.status).toBe(0);
});

it('status 154: an error for a node that the LMA never had from here, a warning for one that has left', () => {
  const level = (known: boolean): string[] => {
    const bench = new MagBench();
    let [update] = bench.up('lte', LTE);
    if (known) {
      bench.answer(update!);
      bench.event({ event: 'metrics', name: 'lte', metrics: { weight: 2 } });
      update = bench.updates().at(-1);
    }
    bench.answer(update!, { status: Status.MAG_NOT_AUTHORIZED_FOR_PROXY_REG });
    return bench.effects.flatMap((effect) =>
      effect.effect === 'log' && effect.text.includes('denied') ? [effect.level] : [],
    );
  };
  expect([level(false), level(true)]).toEqual([['error'], ['warn']]);
});
