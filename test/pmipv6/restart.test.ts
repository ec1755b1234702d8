/** RFC 5847 §3.2: an LMA that has restarted says so by itself to the MAGs of before. */
import { expect, it } from 'vitest';
import { LmaMachine } from '../../src/pmipv6/lma/machine.ts';
import { lmaConfig, LTE, MagBench, MN, WLAN } from '../support/mag-bench.ts';

/** Both ends know each other by heartbeats. */
function acquainted(): MagBench {
  const bench = MagBench.joined({}, { restartCounter: 1 });
  bench.up('lte', LTE);
  bench.up('wlan', WLAN);
  bench.pass(61_000);
  return bench;
}

function restart(bench: MagBench): void {
  const peers = bench.lma!.formerPeers();
  bench.lma = new LmaMachine(lmaConfig({ restartCounter: 2 }));
  bench.fromLma(bench.lma.handle({ event: 'restarted', peers }, bench.now));
}

it('the bindings are there again at once', () => {
  const bench = acquainted();
  expect(bench.lma!.formerPeers().map(({ endpoint }) => endpoint.address)).toEqual([LTE, WLAN]);
  restart(bench);
  expect(bench.lmaBids(MN)).toEqual([1, 2]);
  expect(bench.bids(MN)).toEqual([1, 2]);
  bench.pass(60_000);
  // Who has asked for something knows.
  expect([...bench.lma!.formerPeers()]).toHaveLength(2);
  expect(bench.mag.statistics().received['heartbeat']).toBeLessThan(8);
});

it('who does not hear it is told three times, and kept for the next restart meanwhile', () => {
  const bench = acquainted();
  bench.dead.add('lte');
  bench.dead.add('wlan');
  const peers = bench.lma!.formerPeers();
  const lma = new LmaMachine(lmaConfig({ restartCounter: 2 }));
  const said: number[] = [];
  const { elapsed } = bench.now;
  const handle = (event: Parameters<LmaMachine['handle']>[0], at: number): void => {
    for (const effect of lma.handle(event, { ...bench.now, elapsed: at })) {
      if (effect.effect !== 'send' || effect.to.address !== LTE) continue;
      expect(effect.message).toMatchObject({ message: 'heartbeat', response: true, unsolicited: true });
      said.push(at - elapsed);
    }
  };
  handle({ event: 'restarted', peers }, elapsed);
  expect(lma.formerPeers()).toEqual(peers);
  for (let next = lma.nextDeadline(); next !== null; next = lma.nextDeadline())
    handle({ event: 'tick' }, next);
  expect(said).toEqual([0, 1000, 3000]);
  expect(lma.formerPeers()).toEqual([]);
});

it('many are told one after the other, strangers not at all', () => {
  const lma = new LmaMachine(lmaConfig());
  const local = { address: '2001:db8:f::1', port: null };
  const peers = Array.from({ length: 100 }, (_, i) => ({
    endpoint: { address: `2001:db8:a::${(i + 1).toString(16)}`, port: null },
    local,
  }));
  peers.push({ endpoint: { address: '2001:db8:666::1', port: null }, local });
  const now = { elapsed: 0, utc: 0 };
  const told = lma.handle({ event: 'restarted', peers }, now);
  expect(told).toHaveLength(20);
  const all = new Set<string>();
  for (let elapsed = 0; elapsed <= 5000; elapsed += 100) {
    for (const effect of lma.handle({ event: 'tick' }, { ...now, elapsed })) {
      if (effect.effect === 'send') all.add(effect.to.address);
    }
  }
  expect(all.size).toBe(100);
  expect(all).not.toContain('2001:db8:666::1');
});
