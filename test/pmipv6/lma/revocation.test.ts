/** Bindings that the LMA takes back (RFC 5846 §8.1): what crosses a revocation, what the data plane refuses, many at once. */
import { expect, it, vi } from 'vitest';
import type { Message } from '../../../src/pmipv6/wire/mobility-header.ts';
import { findOption } from '../../../src/pmipv6/wire/options.ts';
import { LmaBench, WLAN } from '../../support/lma-bench.ts';

it.each([
  ['a BID', 2],
  ['the session', undefined],
])(
  'RFC 5846 §8.1: an extension of what the operator revokes (%s), sent before the MAG knew, brings nothing back',
  (_, bid) => {
    const bench = new LmaBench();
    const prefixes = LmaBench.prefixesOf(bench.send({ bid: 1 }));
    const extension = { bid: 2, from: WLAN, prefixes, handoff: 5 };
    bench.send({ ...extension, handoff: 1 });
    bench.revoke('mn1@example.org', bid);
    const bri = bench
      .sent()
      .find((message) => message.message === 'revocation' && message.sequence === (bid ? 1 : 2));
    if (bri?.message !== 'revocation') throw new Error('no BRI');
    expect(bench.send(extension)).toBeUndefined();
    const ack = { ...bri, acknowledgement: true, code: 0, options: [] };
    bench.message(ack, { address: WLAN, port: null }, { address: '2001:db8:f::1', port: null });
    // On another way it may be later than the BRA.
    expect(bench.send(extension)).toBeUndefined();
    expect(bench.bids()).toEqual(bid ? [1] : []);
    // A MAG that has never heard of the revocation is not locked out, nor is the node if it comes anew.
    expect(bench.send({ ...extension, handoff: 1 })?.status).toBe(0);
    bench.revoke('mn1@example.org', bid);
    bench.pass(10_000);
    expect(bench.send(extension)?.status).toBe(0);
  },
);

it('what the data plane has no room for is given up: the path that came last, or the session; the MAG may ask again', () => {
  const bench = new LmaBench();
  const prefixes = LmaBench.prefixesOf(bench.send({ bid: 1 }));
  bench.send({ bid: 2, from: WLAN, prefixes });
  const refused = (): Message[] => {
    bench.event({ event: 'refused', session: 'mn1@example.org' });
    return bench.sent();
  };
  const [first] = refused();
  expect(first).toMatchObject({ message: 'revocation', code: 7 });
  expect(findOption(first!.options, 'binding-identifier')?.bid).toBe(2);
  expect(bench.bids()).toEqual([1]);
  const [second] = refused();
  expect(findOption(second!.options, 'binding-identifier')).toBeUndefined();
  expect(bench.installed.size).toBe(0);
  expect(bench.lma.prefixesInUse).toBe(0);
  expect(bench.send({ bid: 1, prefixes, handoff: 5 })?.status).toBe(0);
});

it('thousands that are revoked at once are each told twice, and a PBU meanwhile looks at none of the others', () => {
  const bench = new LmaBench({ maxUpdatesPerSecond: 1e9, homePrefixPools: ['2001:db8::/32'] });
  const nodes = Array.from({ length: 3000 }, (_, n) => `mn${n}@example.org`);
  for (const mn of nodes) bench.send({ mn });
  bench.event({ event: 'tick' });
  const { mags } = bench.config;
  const revoked = bench.lma.reconfigure({ ...bench.config, mags: mags.slice(1) }, bench.now);
  const sequences = revoked.flatMap((effect) =>
    effect.effect === 'send' && effect.message.message === 'revocation' ? [effect.message.sequence] : [],
  );
  expect(new Set(sequences).size).toBe(3000);
  const walks = [vi.spyOn(Map.prototype, Symbol.iterator), vi.spyOn(Map.prototype, 'values')];
  expect(bench.send({ from: WLAN, mn: 'other@example.org' })?.status).toBe(0);
  bench.lma.nextDeadline();
  const longest = walks.flatMap(({ mock }) =>
    mock.contexts.map((map) => (map as Map<unknown, unknown>).size),
  );
  for (const spy of walks) spy.mockRestore();
  expect(Math.max(0, ...longest)).toBeLessThan(100);
  expect(bench.pass(1000).filter(({ effect }) => effect === 'send')).toHaveLength(3000);
  bench.pass(10_000);
  expect(bench.lma.nextDeadline()).toBe(bench.now.elapsed + 600_000 - 11_000);
});
