/** What the MAG does about paths whose probes go unanswered (docs/mag.md), under virtual time. */
import { describe, expect, it } from 'vitest';
import { LTE, MagBench, MN, optionOf, WLAN } from '../../support/mag-bench.ts';

const say = (bench: MagBench, bid: number, dead: boolean) =>
  bench.event({ event: 'path', session: MN, bid, dead });
const bidOf = (sent: Parameters<typeof optionOf>[0]) => optionOf(sent, 'mag-multipath-binding')?.bid;

function joined(...args: Parameters<typeof MagBench.joined>): MagBench {
  const bench = MagBench.joined(...args);
  bench.up('lte', LTE);
  bench.up('wlan', WLAN);
  bench.pass(1000);
  expect(bench.lmaBids()).toEqual([1, 2]);
  bench.take();
  return bench;
}

describe('several paths', () => {
  it('a dead path is extended at once: a binding that the LMA has lost is there again, and nothing else changes', () => {
    const bench = joined();
    say(bench, 2, true);
    expect(bench.updates().map((sent) => [sent.interface, bidOf(sent), sent.message.lifetime > 0])).toEqual([
      ['wlan', 2, true],
    ]);
    // Signaling comes through: only the data plane leaves the path out, and may use it again at any moment.
    expect(bench.pass(50_000)).toEqual([]);
    expect(bench.bids()).toEqual([1, 2]);
    expect(bench.lmaBids()).toEqual([1, 2]);
    expect(say(bench, 2, true)).toEqual([]);
  });

  it('without an answer it goes on asking over that path alone, and keeps the binding while it lasts', () => {
    const bench = joined();
    bench.dead.add('wlan');
    say(bench, 2, true);
    const asked = bench.pass(120_000).filter((sent) => bidOf(sent) === 2);
    expect(asked.length).toBeGreaterThan(2);
    expect(asked.every((sent) => sent.interface === 'wlan' && sent.message.lifetime > 0)).toBe(true);
    expect(bench.bids()).toEqual([1, 2]);
    expect(bench.lmaBids()).toEqual([1, 2]);
    bench.dead.delete('wlan');
    say(bench, 2, false);
    bench.pass(32_000);
    expect(bench.status().paths.map(({ state }) => state)).toEqual(['active', 'active']);
  });

  it('without an answer for a lifetime the binding ends at both ends, and is back with the first answer', () => {
    const bench = joined({ lifetime: 100 });
    bench.dead.add('wlan');
    say(bench, 2, true);
    bench.pass(250_000);
    expect(bench.bids()).toEqual([1]);
    expect(bench.lmaBids()).toEqual([1]);
    bench.dead.delete('wlan');
    bench.pass(64_000);
    expect(bench.bids()).toEqual([1, 2]);
    expect(bench.lmaBids()).toEqual([1, 2]);
  });

  it('a dead path is not kept alive by bulk re-registrations', () => {
    const bench = joined({ lifetime: 100 });
    bench.pass(100_000);
    bench.take();
    say(bench, 2, true);
    bench.take();
    const refreshes = bench.pass(100_000);
    expect(refreshes.length).toBeGreaterThan(1);
    expect(refreshes.some((sent) => optionOf(sent, 'mag-multipath-binding')!.bulk)).toBe(false);
    say(bench, 2, false);
    bench.take();
    expect(bench.pass(100_000).some((sent) => optionOf(sent, 'mag-multipath-binding')!.bulk)).toBe(true);
  });
});

it('a session without multipath moves to another interface at once, and stays there', () => {
  const bench = MagBench.joined({ multipath: false });
  bench.up('lte', LTE);
  bench.up('wlan', WLAN);
  bench.pass(1000);
  expect(bench.installed.get(MN)!.paths.map((path) => path.interface)).toEqual(['lte']);
  bench.take();
  // Its only path is number 1 in the data plane.
  say(bench, 1, true);
  expect(bench.updates().map((sent) => sent.interface)).toEqual(['wlan']);
  expect(bench.installed.get(MN)!.paths.map((path) => path.interface)).toEqual(['wlan']);
  bench.pass(100_000);
  expect(bench.installed.get(MN)!.paths.map((path) => path.interface)).toEqual(['wlan']);
  say(bench, 1, true);
  expect(bench.installed.get(MN)!.paths.map((path) => path.interface)).toEqual(['lte']);
});

it('news of what is not there lead to nothing', () => {
  const bench = joined();
  expect(bench.event({ event: 'path', session: 'nobody', bid: 1, dead: true })).toEqual([]);
  expect(say(bench, 9, true)).toEqual([]);
});
