/** Interfaces with both IP versions (RFC 5844 §4): IPv6 goes first, IPv4 is there when it does not get through. */
import { expect, it } from 'vitest';
import type { MagConfig } from '../../../src/pmipv6/mag/config.ts';
import { LMAA, LMAA4, LTE, MagBench, MN, type SentUpdate } from '../../support/mag-bench.ts';

const LTE4 = '198.51.100.8';
const ENDS = { address: LTE, port: null };

/** The node is registered over IPv6; the LMA knows heartbeats. */
function registered(config: Partial<MagConfig> = {}): MagBench {
  const bench = new MagBench(config);
  bench.answer(bench.up('lte', LTE, LTE4)[0]!);
  const counter = [{ option: 'restart-counter', counter: 1 } as const];
  bench.receive(
    { message: 'heartbeat', response: true, unsolicited: true, sequence: 0, options: counter },
    ENDS,
  );
  bench.advance(1);
  bench.take();
  return bench;
}

const times = (bench: MagBench, milliseconds: number): [time: number, to: string][] => {
  const start = bench.now.elapsed;
  const seen: [number, string][] = [];
  while (bench.now.elapsed < start + milliseconds)
    for (const { to } of bench.pass(100)) seen.push([bench.now.elapsed - start, to.address]);
  return seen;
};

/** Its probes go unanswered, and so do its PBUs. */
function fail(bench: MagBench): void {
  bench.event({ event: 'path', session: MN, bid: 1, dead: true });
}

it('three PBUs over IPv6 without an answer: the binding goes over to IPv4', () => {
  const bench = registered();
  fail(bench);
  const [update] = bench.pass(7000).slice(-1);
  expect(update).toMatchObject({ from: { address: LTE4 }, to: { address: LMAA4, port: 5436 } });
  bench.answer(update!);
  expect(bench.installed.get(MN)!.paths).toMatchObject([{ bid: 1, local: { address: LTE4 } }]);
  expect(bench.bids()).toEqual([1]);
});

it('the first registration finds out as well', () => {
  const bench = new MagBench();
  const [first] = bench.up('lte', LTE, LTE4);
  expect(first!.to.address).toBe(LMAA);
  expect(times(bench, 11_000)).toEqual([
    [1000, LMAA],
    [3000, LMAA],
    [7000, LMAA4],
    [8000, LMAA4],
    [10_000, LMAA4],
  ]);
});

it('where neither is heard it is the LMA that is away: the back-off goes on', () => {
  const bench = new MagBench();
  bench.up('lte', LTE, LTE4);
  bench.pass(300_000);
  const seen = times(bench, 600_000);
  expect(seen.length).toBeLessThanOrEqual(600 / 32 + 1);
  expect(new Set(seen.map(([, to]) => to))).toEqual(new Set([LMAA, LMAA4]));
});

it('a PBU that the LMA passes over while it is heard does not move anything', () => {
  const bench = registered({ heartbeat: null });
  const attach = {
    event: 'attach',
    node: 'mn2@example.org',
    interface: 'lan0',
    linkLayer: null,
    technology: 3,
  } as const;
  bench.event(attach);
  const seen: SentUpdate[] = [];
  for (let second = 0; second < 30; second++) {
    bench.receive(
      { message: 'heartbeat', response: false, unsolicited: false, sequence: 1, options: [] },
      ENDS,
    );
    seen.push(...bench.pass(1000));
  }
  expect(seen.length).toBeGreaterThan(3);
  expect(new Set(seen.map(({ to }) => to.address))).toEqual(new Set([LMAA]));
});

it('an answer to a heartbeat over IPv6 brings it back', () => {
  const bench = registered();
  fail(bench);
  bench.answer(bench.pass(7000).at(-1)!);
  bench.take();
  bench.pass(130_000);
  const beats = bench
    .take()
    .filter(({ message, to }) => message.message === 'heartbeat' && to.address === LMAA);
  expect(beats.length).toBeGreaterThanOrEqual(2);
  const { sequence } = beats.at(-1)!.message as { sequence: number };
  bench.receive({ message: 'heartbeat', response: true, unsolicited: false, sequence, options: [] }, ENDS);
  const [back] = bench.updates();
  expect(back!.to.address).toBe(LMAA);
  bench.answer(back!);
  expect(bench.installed.get(MN)!.paths).toMatchObject([{ bid: 1, local: { address: LTE } }]);
});

it('also if it is by heartbeats that IPv6 was found to be dead', () => {
  const bench = registered({ heartbeat: { intervalSeconds: 2, missingAllowed: 2 } });
  bench.pass(16_000);
  const update = bench.updates().at(-1)!;
  expect(update.to.address).toBe(LMAA4);
  bench.answer(update);
  bench.take();
  bench.pass(10_000);
  expect(
    bench.take().filter(({ message, to }) => message.message === 'heartbeat' && to.address === LMAA),
  ).toHaveLength(5);
});

it('so does another IPv6 address', () => {
  const bench = registered();
  fail(bench);
  bench.answer(bench.pass(7000).at(-1)!);
  expect(bench.up('lte', '2001:db8:a::2', LTE4).map(({ to }) => to.address)).toEqual([LMAA]);
});
