/** RFC 6275 §11.8, RFC 5213 §6.9.4: what the back-off of PBUs is for, and when it ends: many nodes, an LMA that was away, and its first word. */
import { describe, expect, it, vi } from 'vitest';
import { LOGICAL_NODE_DEFAULTS, WAN_DEFAULTS } from '../../../src/pmipv6/mag/config.ts';
import { Pace } from '../../../src/pmipv6/mag/pace.ts';
import { HNP, LMAA, LTE, MagBench, type SentUpdate, WLAN } from '../../support/mag-bench.ts';

const node = (n: number): string => `mn${n}@example.org`;

function attach(bench: MagBench, nodes: number): void {
  for (let n = 0; n < nodes; n++) {
    const linkLayer = new Uint8Array([2, 0, 0, 0, n >> 8, n & 0xff]);
    bench.event({ event: 'attach', node: node(n), interface: 'lan0', linkLayer, technology: 3 });
  }
}

/** `nodes` nodes over one interface, none of which has had an answer for `outage` milliseconds. */
function waiting(nodes: number, outage: number): MagBench {
  const bench = new MagBench({ logicalNodes: [], multipath: false, maxUpdatesPerLma: 50 });
  bench.up('lte', LTE);
  attach(bench, nodes);
  bench.pass(outage);
  return bench;
}

function heartbeat(bench: MagBench): void {
  const message = {
    message: 'heartbeat',
    response: false,
    unsolicited: false,
    sequence: 7,
    options: [],
  } as const;
  bench.receive(message, { address: LTE, port: null });
}

describe('MAG: an LMA that was away', () => {
  it('one answer, and all others ask again at once', () => {
    const bench = waiting(8, 50_000);
    const first = bench.updates().at(-1)!;
    expect(bench.pass(5000)).toEqual([]);
    bench.answer(first);
    expect(bench.updates()).toHaveLength(7);
  });

  it('what has just been sent is not sent again, at fractions of milliseconds neither', () => {
    // (x + 1000) - x is more than 1000 for some of them.
    for (let start = 2000; start < 2100; start += 0.137) {
      const bench = new MagBench();
      bench.now = { ...bench.now, elapsed: start };
      bench.up('lte', LTE);
      bench.up('wlan', WLAN);
      bench.answer(bench.updates()[0]!);
      expect(bench.updates().map(({ from }) => from.address)).toEqual([WLAN]);
    }
  });

  it('any other message of the LMA is as good', () => {
    const bench = waiting(8, 50_000);
    bench.take();
    heartbeat(bench);
    expect(bench.updates()).toHaveLength(8);
  });

  it('the back-off begins anew, as that of a new request', () => {
    const bench = waiting(2, 50_000);
    bench.take();
    heartbeat(bench);
    bench.take();
    const times: number[] = [];
    const start = bench.now.elapsed;
    while (bench.now.elapsed < start + 8000)
      if (bench.pass(100).length) times.push(bench.now.elapsed - start);
    expect(times).toEqual([1000, 3000, 7000]);
  });

  it('who is passed over while others are answered keeps to its back-off', () => {
    const bench = waiting(8, 0);
    const [deaf, ...others] = bench.updates();
    for (const each of others) bench.answer(each);
    const sent: SentUpdate[] = [];
    for (let second = 0; second < 60; second++) {
      heartbeat(bench);
      sent.push(...bench.pass(1000));
    }
    expect(sent.length).toBe(5);
    expect(new Set(sent.map(({ from }) => from.address))).toEqual(new Set([deaf!.from.address]));
  });

  it('thousands keep to the rate, and each has asked again after as long as the rate takes', () => {
    const bench = waiting(1000, 300_000);
    bench.take();
    heartbeat(bench);
    expect(bench.updates().length).toBeLessThanOrEqual(50);
    const nodes = new Set<string>();
    for (let second = 0; second < 1000 / 50; second++) {
      const sent = bench.pass(1000);
      expect(sent.length).toBeLessThanOrEqual(51);
      for (const each of sent) {
        nodes.add(JSON.stringify(each.message.options[0]));
        bench.answer(each, { prefixes: [`2001:db8:1000:${nodes.size.toString(16)}::/64`] });
      }
    }
    expect(nodes.size).toBeGreaterThan(950);
  });

  it('thousands are not woken whenever one of them may send', () => {
    const bench = waiting(2000, 0);
    bench.take();
    const looks = vi.spyOn(Pace.prototype, 'earliest');
    const sent = bench.pass(10_000).length;
    expect(sent).toBeGreaterThan(400);
    // Two rates for each PBU, when it is due and when it has its place; to ask again at every place would be hundreds.
    expect(looks.mock.calls.length).toBeLessThan(6 * sent);
    looks.mockRestore();
  });

  it('silence over all interfaces was the LMA’s: a word over one releases all', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!);
    bench.answer(bench.up('wlan', WLAN)[0]!);
    bench.advance(1);
    bench.event({ event: 'metrics', name: 'lte', metrics: { weight: 2 } });
    bench.event({ event: 'metrics', name: 'wlan', metrics: { weight: 3 } });
    bench.pass(50_000);
    bench.take();
    bench.receive(
      { message: 'heartbeat', response: false, unsolicited: false, sequence: 7, options: [] },
      { address: WLAN, port: null },
    );
    expect(bench.updates().map((each) => each.interface)).toEqual(['lte', 'wlan']);
  });

  it('a path whose probes come through again asks at once', () => {
    const bench = new MagBench();
    bench.answer(bench.up('lte', LTE)[0]!);
    bench.answer(bench.up('wlan', WLAN)[0]!);
    bench.advance(1);
    bench.event({ event: 'path', session: 'mn1@example.org', bid: 2, dead: true });
    bench.pass(50_000);
    bench.take();
    bench.event({ event: 'path', session: 'mn1@example.org', bid: 2, dead: false });
    expect(bench.updates().map((each) => each.interface)).toEqual(['wlan']);
  });

  it('a restarted LMA: places of before are not waited for', () => {
    const bench = new MagBench({ logicalNodes: [], maxUpdatesPerLma: 50 });
    bench.up('lte', LTE);
    attach(bench, 1);
    bench.answer(bench.updates()[0]!);
    const counter = (value: number) =>
      ({
        message: 'heartbeat',
        response: true,
        unsolicited: true,
        sequence: 0,
        options: [{ option: 'restart-counter', counter: value }],
      }) as const;
    bench.receive(counter(1), { address: LTE, port: null });
    attach(bench, 1000);
    bench.take();
    bench.receive(counter(2), { address: LTE, port: null });
    expect(bench.pass(1000).length).toBeGreaterThanOrEqual(49);
  });
});

it('RFC 6275 §11.8: care-of addresses have a limit of their own, so 254 paths at a known LMA take no minute', () => {
  const interfaces = Array.from({ length: 254 }, (_, i) => ({
    ...WAN_DEFAULTS,
    name: `wan${i}`,
    bid: i + 1,
    label: 1,
    technology: 4,
    priority: i,
  }));
  const logicalNodes = [{ ...LOGICAL_NODE_DEFAULTS, identity: node(1), delegated: [] }];
  const bench = new MagBench({ interfaces, logicalNodes });
  for (const [i, { name }] of interfaces.entries()) bench.up(name, `2001:db8:a::${(i + 1).toString(16)}`);
  bench.answer(bench.updates()[0]!);
  const sent = [...bench.updates(), ...bench.pass(900)];
  expect(sent.map(({ from }) => from.address).length).toBe(253);
  for (const each of sent) bench.answer(each, { prefixes: [HNP] });
  expect(bench.bids(node(1))).toHaveLength(254);
  expect(sent.every(({ to }) => to.address === LMAA)).toBe(true);
});
