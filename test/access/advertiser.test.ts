/** When advertisements go out, under virtual time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Advertiser, type DueAdvertisement } from '../../src/access/advertiser.ts';

const HNP = { prefix: '2001:db8:1::/64', onLink: true };
const ASKER = { address: new Uint8Array(16).fill(9), linkLayer: new Uint8Array(6) };

type Sent = DueAdvertisement & { readonly at: number };

class Bench {
  readonly advertiser: Advertiser;
  now = 1000;

  constructor(random = () => 0.5) {
    this.advertiser = new Advertiser({ maxInterval: () => 600_000, random });
  }

  advertise(prefixes: readonly { prefix: string; onLink: boolean }[], seconds: number): void {
    this.advertiser.advertise({ prefixes, until: this.now + seconds * 1000 }, this.now);
  }

  pass(milliseconds: number): Sent[] {
    const end = this.now + milliseconds;
    const sent: Sent[] = [];
    for (;;) {
      const next = this.advertiser.nextDeadline();
      if (next === null || next > end) break;
      this.now = Math.max(this.now, next);
      const due = this.advertiser.tick(this.now);
      expect(due.length).toBeGreaterThan(0);
      sent.push(...due.map((one) => ({ ...one, at: this.now })));
    }
    this.now = end;
    return sent;
  }
}

test('the first goes out at once, then two more soon, then every 200 to 600 s (RFC 4861 §6.2.4)', () => {
  const bench = new Bench();
  bench.advertise([HNP], 36_000);
  const times = bench.pass(2_000_000).map(({ at }) => Math.round((at - 1000) / 1000));
  expect(times.slice(0, 5)).toEqual([0, 16, 32, 432, 832]);
});

test('another MTU is told at once, but 3 s after the last advertisement at the earliest, and three times (RFC 4861 §6.2.4)', () => {
  const bench = new Bench();
  bench.advertiser.announce(bench.now);
  expect(bench.advertiser.nextDeadline()).toBeNull();
  bench.advertise([HNP], 36_000);
  bench.pass(100_000);
  const from = bench.now;
  bench.advertiser.announce(bench.now);
  const times = (): number[] => bench.pass(100_000).map(({ at }) => Math.round((at - from) / 1000));
  expect(times()).toEqual([0, 16, 32]);
  bench.advertise([HNP, { ...HNP, prefix: '2001:db8:2::/64' }], 36_000);
  bench.pass(1000);
  bench.advertiser.announce(bench.now);
  expect(bench.pass(1500)).toEqual([]);
  expect(bench.pass(500)).toHaveLength(1);
});

test('lifetimes are what is left of the binding, and a refresh needs no extra advertisement', () => {
  const bench = new Bench();
  bench.advertise([HNP], 600);
  const [first] = bench.pass(0);
  expect(first).toMatchObject({ routerLifetime: 600, to: null });
  expect(first!.prefixes).toEqual([{ ...HNP, autonomous: true, validLifetime: 600, preferredLifetime: 600 }]);
  bench.pass(60_000);
  bench.advertise([HNP], 600);
  expect(bench.pass(0)).toEqual([]);
  const [next] = bench.pass(200_000);
  expect(next!.prefixes[0]!.validLifetime).toBe(Math.floor((61_000 + 600_000 - next!.at) / 1000));
});

test('two advertisements may be lost before a lifetime ends', () => {
  const chance = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(chance, fc.integer({ min: 16, max: 4000 }), (random, lifetime) => {
      const bench = new Bench(() => random);
      const end = bench.now + lifetime * 1000;
      bench.advertise([HNP], lifetime);
      const sent = bench.pass(lifetime * 1000).filter(({ at }) => at < end);
      expect(sent.length).toBeGreaterThanOrEqual(3);
      for (const { routerLifetime, at } of sent) expect(at + routerLifetime * 1000).toBeLessThanOrEqual(end);
    }),
  );
});

test('a solicitation is answered within half a second, to the asker, and a flood of them once', () => {
  const bench = new Bench();
  bench.advertiser.solicit(ASKER, bench.now);
  expect(bench.advertiser.nextDeadline()).toBeNull();
  bench.advertise([HNP], 36_000);
  bench.pass(40_000);
  const asked = bench.now;
  for (let i = 0; i < 1000; i++) bench.advertiser.solicit(ASKER, bench.now);
  const sent = bench.pass(10_000);
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ to: ASKER, at: asked + 250 });
  // Without an address to answer to: to all, but at least three seconds apart (MIN_DELAY_BETWEEN_RAS).
  const times = Array.from({ length: 40 }, () => {
    bench.advertiser.solicit(null, bench.now);
    return bench.pass(500);
  }).flat();
  expect(times.length).toBeGreaterThan(4);
  for (let i = 1; i < times.length; i++) expect(times[i]!.at - times[i - 1]!.at).toBeGreaterThanOrEqual(3000);
});

test('what was taken away is advertised with lifetime 0, three times', () => {
  const bench = new Bench();
  const other = { prefix: '2001:db8:2::/64', onLink: true };
  bench.advertise([HNP, other], 600);
  bench.pass(100_000);
  bench.advertise([other], 600);
  const lifetimes = bench
    .pass(590_000)
    .map(({ prefixes }) => prefixes.find(({ prefix }) => prefix === HNP.prefix)?.validLifetime);
  expect(lifetimes.slice(0, 5)).toEqual([0, 0, 0, undefined, undefined]);

  bench.advertiser.withdraw(bench.now);
  const last = bench.pass(600_000);
  expect(last).toHaveLength(3);
  for (const { routerLifetime, prefixes } of last) {
    expect(routerLifetime).toBe(0);
    expect(prefixes).toEqual([{ ...other, autonomous: true, validLifetime: 0, preferredLifetime: 0 }]);
  }
  expect(bench.advertiser.idle).toBe(true);
  bench.advertiser.solicit(ASKER, bench.now);
  expect(bench.pass(600_000)).toEqual([]);
});
