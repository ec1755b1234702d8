/** Bounds of the wait at a gap from measured delays: worked out, published while packets are held, and what they spare. */
import { describe, expect, test } from 'vitest';
import { delaySpread, isNews, nextBounds, waitBounds } from '../../src/paths/wait-bounds.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { mirrored, testSession } from '../support/session.ts';
import { TwoEnds } from '../support/two-ends.ts';

const LIMITS = { minWaitUs: 1000, maxWaitUs: 100_000, longestWaitUs: 500_000 };
const delay = (smoothedUs: number, above = 0) => ({ smoothedUs, lateUs: smoothedUs + above });

describe('bounds', () => {
  test('nothing measured, or one path alone: as configured', () => {
    expect(waitBounds([], LIMITS)).toEqual({ minWaitUs: 1000, maxWaitUs: 100_000 });
    expect(waitBounds([delay(70_000, 9000)], LIMITS)).toEqual({ minWaitUs: 1000, maxWaitUs: 100_000 });
  });

  test('the slowest behind the fastest, and what its delay varies by; clocks do not matter', () => {
    for (const clock of [0, 5e12, -5e12]) {
      const paths = [delay(clock + 10_000, 100), delay(clock + 50_000, 2000), delay(clock + 30_000, 0)];
      expect(delaySpread(paths)).toBe(42_000);
      expect(waitBounds(paths, LIMITS)).toEqual({ minWaitUs: 43_000, maxWaitUs: 100_000 });
    }
  });

  test('the longest wait leaves room above the shortest, within the limit', () => {
    const at = (behind: number) => waitBounds([delay(0), delay(behind)], LIMITS);
    expect(at(150_000)).toEqual({ minWaitUs: 151_000, maxWaitUs: 301_000 });
    expect(at(400_000)).toEqual({ minWaitUs: 401_000, maxWaitUs: 500_000 });
    expect(at(2e6)).toEqual({ minWaitUs: 500_000, maxWaitUs: 500_000 });
    const firm = { minWaitUs: 1000, maxWaitUs: 50_000 };
    expect(waitBounds([delay(0), delay(400_000)], firm)).toEqual({ minWaitUs: 50_000, maxWaitUs: 50_000 });
    const wide = { minWaitUs: 20_000, maxWaitUs: 50_000, longestWaitUs: 60_000 };
    expect(waitBounds([delay(0), delay(0)], wide)).toEqual({ minWaitUs: 20_000, maxWaitUs: 50_000 });
  });

  test('up at once, down step by step and to the end; people hear of what is much', () => {
    const before = { minWaitUs: 40_000, maxWaitUs: 100_000 };
    const next = (minWaitUs: number, lower: boolean) => nextBounds(before, { ...before, minWaitUs }, lower);
    expect(next(50_000, false)).toEqual({ ...before, minWaitUs: 50_000 });
    expect(next(40_400, false)).toBeNull();
    expect(next(10_000, false)).toBeNull();
    expect(next(20_000, true)).toEqual({ ...before, minWaitUs: 35_000 });
    let bounds = { minWaitUs: 151_000, maxWaitUs: 301_000 };
    let steps = 0;
    for (; steps < 50; steps++) {
      const lower = nextBounds(bounds, { minWaitUs: 1000, maxWaitUs: 100_000 }, true);
      if (!lower) break;
      bounds = lower;
    }
    expect(bounds).toEqual({ minWaitUs: 1000, maxWaitUs: 100_000 });
    expect(steps).toBeLessThan(30);
    expect(isNews(before, { ...before, minWaitUs: 50_000 })).toBe(false);
    expect(isNews(before, { ...before, minWaitUs: 61_000 })).toBe(true);
    expect(isNews({ ...before, minWaitUs: 1000 }, { ...before, minWaitUs: 2500 })).toBe(false);
  });
});

describe('what the monitor tells of delays', () => {
  test('a delay that is raised shows with the next probe', () => {
    const two = new TwoEnds([1, 2]);
    const load = (): void => [1, 2].forEach((bid) => two.data(1, bid, 500));
    two.run(3e6, load);
    const spread = (): number => delaySpread(two.ends[0].monitor.arrivals('mn1', two.now + 5e9));
    expect(spread()).toBeLessThan(1000);
    two.links[1].get(2)!.delayUs = 70_000;
    two.run(200_000, load);
    expect(spread()).toBeGreaterThan(60_000);
    two.run(3e6, load);
    expect(spread()).toBeGreaterThan(59_000);
    expect(spread()).toBeLessThan(70_000);
    // The other direction is as it was.
    expect(delaySpread(two.ends[1].monitor.arrivals('mn1', two.now + 123_456_789))).toBeLessThan(1000);
  });

  test('a path that carries nothing is not waited for, nor one that is down; an idle session counts all', () => {
    const two = new TwoEnds([1, 2]);
    two.links[1].get(2)!.delayUs = 70_000;
    two.run(3e6);
    const { monitor, clockUs } = two.ends[0];
    const arrivals = () => monitor.arrivals('mn1', two.now + clockUs);
    expect(arrivals()).toHaveLength(2);
    two.run(6e6, () => two.data(1, 1, 500));
    expect(arrivals()).toHaveLength(1);
    two.run(1e6, () => [1, 2].forEach((bid) => two.data(1, bid, 500)));
    expect(arrivals()).toHaveLength(2);
    two.both(2, { alive: false });
    two.run(1e6, () => two.data(1, 1, 500));
    expect(two.paths(0)[1]!.state).toBe('down');
    expect(arrivals()).toHaveLength(1);
  });
});

describe('in the resequencer', () => {
  /** Packets alternate over two paths, of which the second is `behindUs` behind; gives what was given up by time-out, and late ones. */
  function transfer(
    behindUs: number,
    publish: boolean,
  ): { lostTimeout: number; late: number; delivered: number } {
    const session = testSession({
      resequencer: { window: 1024, ...LIMITS, late: 'deliver', provenLoss: true },
    });
    const sender = new BenchNode('mag').add(session);
    const receiver = new BenchNode('lma').add(mirrored(session));
    const { sent } = sender.encapsulate(
      Array.from({ length: 400 }, (_, i) =>
        innerPacket({ family: 4, payload: Uint8Array.of(i >> 8, i & 255) }),
      ),
    );
    const arrivals = sent
      .map((packet, i) => ({ packet, at: 2_000_000 + i * 1000 + packet.endpoint * behindUs }))
      .sort((a, b) => a.at - b.at);
    let delivered = 0;
    arrivals.forEach(({ packet, at }, i) => {
      delivered += receiver.advance(at).length;
      // A probe comes after a while, with packets in the window.
      if (publish && i === 1) {
        receiver.sessions.setWaits('mn1', waitBounds([delay(0), delay(behindUs)], LIMITS));
      }
      delivered += receiver.decapsulate(packet.endpoint, [packet.bytes]).length;
    });
    delivered += receiver.advance(5_000_000).length;
    const { lostTimeout, late } = receiver.resequencer();
    return { lostTimeout, late, delivered };
  }

  test('a path further behind than the configured wait: nothing is given up any more', () => {
    const without = transfer(150_000, false);
    expect(without.lostTimeout).toBeGreaterThan(100);
    expect(without.delivered).toBe(400);
    expect(transfer(150_000, true)).toEqual({ lostTimeout: 0, late: 0, delivered: 400 });
  });

  test('they stay through changes of the session, and go when the configured ones change', () => {
    const session = testSession({
      resequencer: { window: 256, ...LIMITS, late: 'deliver', provenLoss: true },
    });
    const node = new BenchNode('lma').add(session);
    const wait = (): unknown => node.sessions.status('mn1').wait;
    expect(wait()).toEqual({ minUs: 1000, maxUs: 100_000 });
    node.sessions.setWaits('mn1', { minWaitUs: 151_000, maxWaitUs: 301_000 });
    node.sessions.setWeights('mn1', new Map([[1, 7]]));
    node.sessions.setPathState('mn1', 2, 'down');
    expect(wait()).toEqual({ minUs: 151_000, maxUs: 301_000 });
    node.sessions.update({ ...session, resequencer: { ...session.resequencer, maxWaitUs: 20_000 } });
    expect(wait()).toEqual({ minUs: 1000, maxUs: 20_000 });
  });
});
