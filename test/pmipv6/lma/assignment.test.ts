/** What a session has at the LMA, and when it loses it: what PBUs name, and name no more. */
import { describe, expect, it } from 'vitest';
import { findOption, type MobilityOption } from '../../../src/pmipv6/wire/options.ts';
import { LmaBench, WLAN } from '../../support/lma-bench.ts';

const ipv4 = { pool: '198.51.100.0/29', router: '198.51.100.1' };
const delegatedPools = [{ pool: '2001:db8:d000::/40', length: 48 }];
const hoa = (prefix = '0.0.0.0/0'): MobilityOption => ({ option: 'ipv4-home-address-request', prefix });
const dmnp = (prefix = '::/0'): MobilityOption => ({ option: 'delegated-mobile-network-prefix', prefix });
const HNP = '2001:db8:1000::/64';
const HOA = '198.51.100.2/32';
const MN = 'mn1@example.org';

function both(): LmaBench {
  const bench = new LmaBench({ ipv4 });
  expect(bench.send({ options: [hoa()] })?.status).toBe(0);
  expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, HOA]);
  return bench;
}

describe('RFC 5844 §3.1.2.4', () => {
  it('after a handoff the family that the PBU does not name is released', () => {
    const ipv6Only = both();
    ipv6Only.send({ from: WLAN, handoff: 3, prefixes: [HNP] });
    expect(ipv6Only.installed.get(MN)!.prefixes).toEqual([HNP]);
    const ipv4Only = both();
    ipv4Only.send({ from: WLAN, handoff: 3, prefixes: [], options: [hoa('198.51.100.2/29')] });
    expect(ipv4Only.installed.get(MN)!.prefixes).toEqual([HOA]);
    for (const bench of [ipv6Only, ipv4Only]) expect(bench.lma.prefixesInUse).toBe(1);
  });

  it('likewise of a session that comes back after its de-registration', () => {
    const bench = both();
    bench.send({ lifetime: 0, handoff: 4, prefixes: [HNP], options: [hoa('198.51.100.2/29')] });
    bench.send({ handoff: 4, prefixes: [HNP] });
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP]);
  });

  it('§3.1.2.3: without a handoff it stays', () => {
    const bench = both();
    bench.send({ handoff: 5, prefixes: [HNP] });
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, HOA]);
  });

  it('a further path of the same MAG is no handoff', () => {
    const bench = new LmaBench({ ipv4 });
    bench.send({ bid: 1, options: [hoa()] });
    bench.send({ bid: 2, from: WLAN, prefixes: [HNP] });
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, HOA]);
  });
});

describe('RFC 5844 §3.1.2.7', () => {
  it('without a prefix the home address finds the session', () => {
    const bench = new LmaBench({ ipv4 });
    bench.send({ prefixes: [], options: [hoa()] });
    // Another session of the node, so that its identity alone does not tell which is meant.
    bench.send({ from: WLAN, technology: 4 });
    expect(bench.installed.size).toBe(2);
    const ack = bench.send({ lifetime: 0, handoff: 4, prefixes: [], options: [hoa('198.51.100.2/29')] });
    expect(ack?.status).toBe(0);
    expect([...bench.installed.values()].map(({ prefixes }) => prefixes)).toEqual([[HNP]]);
  });

  it('of another node: 171, and Reply status 129', () => {
    const bench = both();
    const ack = bench.send({ mn: 'b@example.org', prefixes: [], options: [hoa('198.51.100.2/29')] })!;
    expect(ack.status).toBe(171);
    expect(findOption(ack.options, 'ipv4-home-address-reply')?.status).toBe(129);
  });
});

describe('RFC 7148 §5.2.2', () => {
  it('delegated prefixes that an accepted PBU does not name are released; ALL_ZERO keeps what there is', () => {
    const bench = new LmaBench({ delegatedPools });
    bench.send({ options: [dmnp()] });
    const delegated = '2001:db8:d000::/48';
    bench.send({ handoff: 5, prefixes: [HNP], options: [dmnp()] });
    bench.send({ handoff: 5, prefixes: [HNP], options: [dmnp(delegated)] });
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, delegated]);
    bench.send({ handoff: 5, prefixes: [HNP] });
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP]);
    expect(bench.lma.prefixesInUse).toBe(1);
  });

  it('another one instead: taken if it is free; if not, the PBU is rejected and nothing changes', () => {
    const bench = new LmaBench({ delegatedPools });
    bench.send({ options: [dmnp('2001:db8:d000::/48')] });
    bench.send({ mn: 'b@example.org', options: [dmnp('2001:db8:d001::/48')] });
    const extend = (prefix: string) => bench.send({ handoff: 5, prefixes: [HNP], options: [dmnp(prefix)] });
    expect(extend('2001:db8:d001::/48')?.status).toBe(178);
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, '2001:db8:d000::/48']);
    expect(extend('2001:db8:d002::/48')?.status).toBe(0);
    expect(bench.installed.get(MN)!.prefixes).toEqual([HNP, '2001:db8:d002::/48']);
  });
});

it('a de-registration that has overtaken the registration of its path: the late one brings nothing back', () => {
  const bench = new LmaBench();
  bench.send({ bid: 1 });
  const late = bench.build({ bid: 2, from: WLAN, prefixes: [HNP] });
  expect(bench.send({ bid: 2, from: WLAN, prefixes: [HNP], lifetime: 0, handoff: 4 })?.status).toBe(0);
  expect(bench.deliver(late, { from: WLAN })?.status).toBe(157);
  expect(bench.bids()).toEqual([1]);
});
