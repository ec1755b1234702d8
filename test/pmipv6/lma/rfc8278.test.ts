import { describe, expect, it } from 'vitest';
import { Status } from '../../../src/pmipv6/wire/numbers.ts';
import { findOption } from '../../../src/pmipv6/wire/options.ts';
import type { Effect } from '../../../src/pmipv6/effect.ts';
import { LmaBench, LTE, WLAN } from '../../support/lma-bench.ts';

const NAME = 'mn1@example.org';

function twoPaths(bench = new LmaBench()): { bench: LmaBench; prefix: string } {
  const first = bench.send({ bid: 1 });
  const [prefix] = LmaBench.prefixesOf(first);
  bench.send({ bid: 2, from: WLAN, technology: 4, label: 9, handoff: 6, prefixes: [prefix!] });
  return { bench, prefix: prefix! };
}

describe('LMA: RFC 8278', () => {
  it('§3.1 figure 2: one session, one cache entry, a binding for each care-of address', () => {
    const bench = new LmaBench();
    const first = bench.send({ bid: 1 });
    expect(first?.status).toBe(Status.ACCEPTED);
    const prefixes = LmaBench.prefixesOf(first);
    expect(prefixes).toEqual(['2001:db8:1000::/64']);
    const second = bench.send({ bid: 2, from: WLAN, technology: 4, label: 9, handoff: 6, prefixes });
    expect(second?.status).toBe(Status.ACCEPTED);
    expect(LmaBench.prefixesOf(second)).toEqual(prefixes);
    expect([...bench.lma.sessions()]).toHaveLength(1);
    const { paths } = bench.installed.get(NAME)!;
    expect(
      paths.map(({ bid, remote, label, technology }) => [bid, remote.address, label, technology]),
    ).toEqual([
      [1, LTE, 11, 8],
      [2, WLAN, 9, 4],
    ]);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    '§3.1: the second binding is added whatever the Handoff Indicator says (%i)',
    (handoff) => {
      const bench = new LmaBench();
      const prefixes = LmaBench.prefixesOf(bench.send({ bid: 1 }));
      expect(bench.send({ bid: 2, from: WLAN, handoff, prefixes })?.status).toBe(0);
      expect(bench.bids()).toEqual([1, 2]);
    },
  );

  it('§4.4: the PBA echoes the MAG Multipath Binding option and does not hold the MAG Identifier (MUST)', () => {
    const bench = new LmaBench();
    const ack = bench.send({ bid: 1, label: 77 });
    expect(findOption(ack!.options, 'mag-multipath-binding')).toMatchObject({
      bid: 1,
      label: 77,
      technology: 8,
    });
    expect(findOption(ack!.options, 'mag-identifier')).toBeUndefined();
  });

  it('§4.1: Binding ID 254 is the highest; 0 and 255 are reserved', () => {
    const bench = new LmaBench();
    expect(bench.send({ bid: 0 })?.status).toBe(Status.REASON_UNSPECIFIED);
    expect(bench.send({ bid: 255 })?.status).toBe(Status.REASON_UNSPECIFIED);
    expect(bench.send({ bid: 254 })?.status).toBe(Status.ACCEPTED);
    expect(bench.bids()).toEqual([254]);
  });

  it('§4.1: B extends the lifetime of every binding of the node', () => {
    const { bench, prefix } = twoPaths();
    bench.pass(500_000);
    expect(bench.send({ bid: 1, bulk: true, handoff: 5, prefixes: [prefix] })?.status).toBe(0);
    bench.pass(590_000);
    expect(bench.bids()).toEqual([1, 2]);
    bench.pass(11_000);
    expect(bench.bids()).toEqual([]);
  });

  it('§4.1: without B only the binding named is extended', () => {
    const { bench, prefix } = twoPaths();
    bench.pass(500_000);
    bench.send({ bid: 1, handoff: 5, prefixes: [prefix] });
    bench.pass(101_000);
    expect(bench.bids()).toEqual([1]);
  });

  it('§4.1: O replaces all other bindings of the node', () => {
    const { bench, prefix } = twoPaths();
    expect(
      bench.send({ bid: 3, overwrite: true, handoff: 5, prefixes: [prefix], from: '2001:db8:a::3' })?.status,
    ).toBe(0);
    expect(bench.bids()).toEqual([3]);
  });

  it('§4.1: B and O MUST NOT be set together', () => {
    const { bench, prefix } = twoPaths();
    const ack = bench.send({ bid: 1, bulk: true, overwrite: true, prefixes: [prefix] });
    expect(ack?.status).toBe(Status.REASON_UNSPECIFIED);
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('§4.1: O MUST be 0 in a de-registration', () => {
    const { bench, prefix } = twoPaths();
    const ack = bench.send({ bid: 1, overwrite: true, lifetime: 0, handoff: 4, prefixes: [prefix] });
    expect(ack?.status).toBe(Status.REASON_UNSPECIFIED);
    expect(bench.bids()).toEqual([1, 2]);
  });

  it('§4.4: a request without MAG Identifier breaks a MUST of the MAG', () => {
    expect(new LmaBench().send({ bid: 1, mag: null })?.status).toBe(Status.REASON_UNSPECIFIED);
  });

  it('§4.1: an option of a wrong length, and two of them, are refused', () => {
    const bench = new LmaBench();
    const magId = { option: 'mag-identifier', subtype: 1, identifier: new Uint8Array([65]) } as const;
    const malformed = { option: 'malformed', type: 63, data: new Uint8Array(5), reason: 'x' } as const;
    expect(bench.send({ options: [malformed, magId] })?.status).toBe(Status.REASON_UNSPECIFIED);
    const twin = {
      option: 'mag-multipath-binding',
      technology: 4,
      label: 0,
      bid: 9,
      bulk: false,
      overwrite: false,
    } as const;
    expect(bench.send({ bid: 1, options: [twin] })?.status).toBe(Status.REASON_UNSPECIFIED);
    expect(bench.lma.prefixesInUse).toBe(0);
  });

  it('§4.1: de-registration of one BID leaves the others; the last one ends the session', () => {
    const { bench, prefix } = twoPaths();
    expect(bench.send({ bid: 2, from: WLAN, lifetime: 0, handoff: 4, prefixes: [prefix] })?.status).toBe(0);
    expect(bench.bids()).toEqual([1]);
    expect(bench.send({ bid: 1, lifetime: 0, handoff: 4, prefixes: [prefix] })?.status).toBe(0);
    expect(bench.installed.size).toBe(0);
    expect(bench.lma.prefixesInUse).toBe(1);
    bench.pass(10_001);
    expect(bench.lma.prefixesInUse).toBe(0);
    expect([...bench.lma.sessions()]).toHaveLength(0);
  });

  it('§4.1: a path that is dead already is de-registered over another with Alternate Care-of Address', () => {
    const { bench, prefix } = twoPaths();
    const options = [{ option: 'alternate-care-of-address', address: WLAN } as const];
    bench.send({ bid: 2, from: LTE, lifetime: 0, handoff: 4, prefixes: [prefix], options });
    expect(bench.bids()).toEqual([1]);
  });

  it('§4.1: the same BID from a new care-of address moves that binding', () => {
    const { bench, prefix } = twoPaths();
    bench.send({ bid: 2, from: '2001:db8:b::99', technology: 4, label: 9, handoff: 5, prefixes: [prefix] });
    expect(bench.installed.get(NAME)!.paths.map(({ remote }) => remote.address)).toEqual([
      LTE,
      '2001:db8:b::99',
    ]);
  });

  it('§4.4: a node that is not authorised gets status 180 with the MMB and without MAG Identifier', () => {
    const bench = new LmaBench({}, { multipath: 'reject' });
    const ack = bench.send({ bid: 1 });
    expect(ack?.status).toBe(Status.CANNOT_SUPPORT_MULTIPATH_BINDING);
    expect(LmaBench.bidOf(ack)).toBe(1);
    expect(findOption(ack!.options, 'mag-identifier')).toBeUndefined();
    expect(bench.send({})?.status).toBe(0);
  });

  it('§4.4: switched off, it is a legacy LMA: both options are skipped', () => {
    const bench = new LmaBench({ multipath: 'off' });
    const ack = bench.send({ bid: 1 });
    expect(ack?.status).toBe(0);
    expect(LmaBench.bidOf(ack)).toBeUndefined();
    expect(bench.installed.get(NAME)!.paths).toHaveLength(1);
  });

  it('a PBU without MMB replaces all bindings of a multipath session', () => {
    const { bench, prefix } = twoPaths();
    expect(bench.send({ prefixes: [prefix], handoff: 5 })?.status).toBe(0);
    expect(bench.installed.get(NAME)!.paths.map(({ remote }) => remote.address)).toEqual([LTE]);
  });

  it('messages of two paths may overtake each other: order is kept per binding', () => {
    const { bench, prefix } = twoPaths();
    const slow = bench.build({ bid: 2, from: WLAN, handoff: 5, prefixes: [prefix] });
    expect(bench.send({ bid: 1, handoff: 5, prefixes: [prefix] })?.status).toBe(0);
    expect(bench.deliver(slow, { from: WLAN })?.status).toBe(0);
    expect(bench.deliver(slow, { from: WLAN })?.status).toBe(Status.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
  });

  it('a refresh that changes nothing does not touch the data plane', () => {
    const { bench, prefix } = twoPaths();
    const before = bench.installs;
    bench.send({ bid: 1, handoff: 5, prefixes: [prefix] });
    expect(bench.installs).toBe(before);
  });

  it('a MAG that has lost its state and asks with ALL_ZERO gets its session back', () => {
    const { bench, prefix } = twoPaths();
    expect(LmaBench.prefixesOf(bench.send({ bid: 1 }))).toEqual([prefix]);
    expect(bench.lma.prefixesInUse).toBe(1);
  });

  it('another MAG takes the session over: the bindings of the old one go, and it is told', () => {
    const { bench, prefix } = twoPaths();
    const ack = bench.send({
      bid: 1,
      from: '2001:db8:b::77',
      mag: 'mag2@example.org',
      handoff: 3,
      prefixes: [prefix],
    });
    expect(ack?.status).toBe(0);
    expect(bench.installed.get(NAME)!.paths.map(({ remote }) => remote.address)).toEqual(['2001:db8:b::77']);
    // By each of its paths: not all of them need be alive.
    expect(bench.sent().filter(({ message }) => message === 'revocation')).toHaveLength(2);
  });

  it('a MAG that the node is back at is not told any more that it has left', () => {
    const { bench, prefix } = twoPaths();
    const revoked = (effects: readonly Effect[]): string[] =>
      effects.flatMap((each) =>
        each.effect === 'send' && each.message.message === 'revocation' ? [each.to.address] : [],
      );
    const there = { from: '2001:db8:b::77', mag: 'mag2@example.org' };
    bench.send({ bid: 1, ...there, handoff: 3, prefixes: [prefix] });
    expect(revoked(bench.effects)).toEqual([LTE, WLAN]);
    bench.send({ bid: 1, handoff: 3, prefixes: [prefix] });
    expect(revoked(bench.effects)).toEqual([there.from]);
    expect(revoked(bench.pass(10_000))).toEqual([there.from]);
  });

  it('the old MAG is also told if both have one path, of the same BID or without multipath', () => {
    for (const bid of [{ bid: 1 }, {}]) {
      const bench = new LmaBench();
      const prefixes = LmaBench.prefixesOf(bench.send({ ...bid, mag: 'mag1@example.org' }));
      const there = { ...bid, from: '2001:db8:b::77', mag: 'mag2@example.org', prefixes };
      expect(bench.send({ ...there, handoff: 3 })?.status).toBe(0);
      const told = bench.effects.flatMap((each) => (each.effect === 'send' ? [each] : []));
      expect(
        told.filter(({ message }) => message.message === 'revocation').map(({ to }) => to.address),
      ).toEqual([LTE]);
    }
  });
});
