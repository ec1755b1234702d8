/** What must not wear out in an LMA that runs for years: numbers of sessions, memory of sessions that have gone. */
import { expect, test, vi } from 'vitest';
import { parseAddress } from '../../../src/ip.ts';
import { PrefixPool } from '../../../src/pmipv6/lma/prefix-pool.ts';
import { findOption } from '../../../src/pmipv6/wire/options.ts';
import { LMAA, LmaBench } from '../../support/lma-bench.ts';

test('link-local addresses of access links are addresses after 65,535 sessions as well, and each is new', () => {
  const bench = new LmaBench({ minDelayBeforeDelete: 0, maxUpdatesPerSecond: 1e9 });
  const options = [{ option: 'link-local-address', address: '::' }] as const;
  const register = (): string => {
    const answer = bench.send({ options });
    bench.send({ lifetime: 0 });
    return findOption(answer!.options, 'link-local-address')!.address;
  };
  const first = register();
  for (let session = 2; session < 65_535; session++) register();
  const addresses = [first, register(), register(), register()];
  expect(new Set(addresses).size).toBe(4);
  for (const address of addresses)
    expect([...parseAddress(address).bytes.subarray(0, 2)]).toEqual([0xfe, 0x80]);
});

test('MAGs are remembered whatever comes from invented addresses; a PBU looks at none of the others', () => {
  const bench = new LmaBench({
    mags: [{ prefix: '2001:db8:a::/48', identity: null }],
    heartbeat: { intervalSeconds: 60, missingAllowed: 3 },
  });
  const to = { address: LMAA, port: null };
  const beat = {
    message: 'heartbeat',
    response: false,
    unsolicited: false,
    sequence: 1,
    options: [],
  } as const;
  for (let mag = 1; mag <= 1000; mag++) {
    const from = { address: `2001:db8:a::${mag.toString(16)}`, port: null };
    if (mag === 1) bench.send({ from: from.address });
    bench.message(beat, from, to);
  }
  for (let n = 0; n < 70_000; n++)
    bench.deliver(
      { message: 'binding-update', sequence: 1, flags: 0x8200, lifetime: 10, options: [] },
      {
        from: `2001:db8:dead:${n >> 8}::${(n & 255).toString(16)}`,
      },
    );
  expect(bench.lma.formerPeers()).toHaveLength(1);
  const walks = vi.spyOn(Map.prototype, 'values');
  bench.send({ mn: 'b@example.org' });
  bench.lma.nextDeadline();
  const longest = Math.max(0, ...walks.mock.contexts.map((map) => (map as Map<unknown, unknown>).size));
  walks.mockRestore();
  expect(longest).toBeLessThan(100);
  // The one that has a binding is asked, the others are not.
  bench.pass(61_000);
  const asked = bench.effects.filter((effect) => effect.effect === 'send');
  expect(asked.map(({ to: { address } }) => address)).toEqual(['2001:db8:a::1']);
});

test('a large pool gives prefixes out again after a rest, and remembers few that it got back', () => {
  const inUse = new Set<string>();
  const pool = new PrefixPool('2001:db8::/32', 64, inUse, false);
  const given: string[] = [];
  for (let session = 0; session < 20_000; session++) {
    const prefix = pool.choose()!;
    expect(inUse.has(prefix)).toBe(false);
    given.push(prefix);
    inUse.add(prefix);
    if (session < 10) continue;
    const oldest = given[session - 10]!;
    inUse.delete(oldest);
    pool.giveBack(oldest);
  }
  expect(new Set(given).size).toBeLessThan(10_000);
  // Whoever lets go of one does not see it soon with somebody else.
  for (const [i, prefix] of given.entries()) {
    expect(given.slice(i + 1, i + 1000)).not.toContain(prefix);
    if (i > 20) break;
  }
});

test('the same prefix given back again and again is one', () => {
  const inUse = new Set<string>();
  const pool = new PrefixPool('2001:db8::/63', 64, inUse, false);
  const [one, two] = [pool.choose()!, pool.choose()!];
  inUse.add(two);
  for (let i = 0; i < 3; i++) pool.giveBack(one);
  expect(pool.choose()).toBe(one);
  expect(pool.choose()).toBe(null);
});
