/** What probes tell both ends: the sender's schedulers the queue, the receiver's resequencer how long to wait. */
import { expect, it } from 'vitest';
import type { PathEstimates } from '../../src/dataplane/distribution-spec.ts';
import { LINK_DEFAULTS } from '../../src/emulator/model/link.ts';
import type { WaitBounds } from '../../src/paths/wait-bounds.ts';
import { EventLoop } from '../../src/sim/event-loop.ts';
import { Link, WORDS } from '../../src/sim/link.ts';
import { PathEstimator } from '../../src/sim/path-estimator.ts';
import { WaitFollower } from '../../src/sim/wait-follower.ts';

const MS = 1e6;
const LIMITS = { minWaitUs: 1000, maxWaitUs: 100_000 };
/** 8 Mbit/s and 10 ms. */
const SPEC = { ...LINK_DEFAULTS, rate: 8e6, delay: 10_000, limit: 1e6 };

function testFollower(paths = 1) {
  const bounds: WaitBounds[] = [];
  return { bounds, follower: new WaitFollower(paths, LIMITS, 500 * MS, (next) => bounds.push(next), null) };
}

/** An estimator of one path with a path like it back; `reports` are what the sending end's schedulers hear. */
function testEstimator(spec = SPEC) {
  const loop = new EventLoop();
  const link = new Link(spec, 1, 'there');
  const reports: { at: number; estimates: PathEstimates }[] = [];
  const heard = (): void => {};
  const back = { link: new Link(spec, 1, 'back'), heard };
  const estimator = new PathEstimator(loop, { link, heard }, back, {
    seed: 1,
    interval: 100 * MS,
    oracle: false,
    equalWithinUs: null,
    configuredRate: 8e6,
    fellows: [],
    report: (estimates) => reports.push({ at: loop.now, estimates }),
  });
  const send = (octets: number): void => link.send(loop.now, new Int32Array(WORDS), 0, octets);
  return { loop, link, estimator, reports, send };
}

it('a probe finds the queue, and what was sent since is behind it', () => {
  const { loop, reports, send } = testEstimator();
  const later = loop.register(() => send(1000));
  loop.at(later, 1 * MS);
  send(5000);
  loop.run(99 * MS);
  expect(reports).toHaveLength(1);
  const [{ at, estimates }] = reports as [(typeof reports)[number]];
  // 5 ms of queue, there and back.
  expect(at).toBe(25 * MS);
  // No rate: it is as configured until the path was full for some time.
  expect(estimates).toEqual({ delayUs: 10_000, jitterUs: 5000 / 16, freeAtUs: 1_000_000 + 5000 + 1000 });
});

it('the rate is what came while the path was full, which slower links show within a second', () => {
  const { loop, link, reports, send } = testEstimator();
  const source = loop.register((now) => {
    send(1000);
    loop.at(source, now + 1.25 * MS);
  });
  link.change(0, { rate: 4e6 });
  loop.at(source, 0);
  loop.run(1e9);
  expect(reports.at(-1)!.estimates.rate).toBeCloseTo(4e6, -5);
});

it('probes take packets that jitter has held back for a queue, as real ones do', () => {
  const { loop, reports, send } = testEstimator({ ...SPEC, rate: 80e6, jitter: 4000 });
  const source = loop.register((now) => {
    send(1000);
    loop.at(source, now + 0.2 * MS);
  });
  loop.at(source, 200 * MS);
  loop.run(1e9);
  const queueOf = ({ at, estimates }: (typeof reports)[number]): number =>
    estimates.freeAtUs! - 1_000_000 - at / 1000 + 2 * estimates.delayUs!;
  const idle = reports.filter(({ at }) => at < 200 * MS).map(queueOf);
  const loaded = reports.filter(({ at }) => at > 300 * MS).map(queueOf);
  expect(Math.min(...loaded)).toBeGreaterThan(Math.max(...idle));
});

it('no probe goes over a link that is down, nor after the end', () => {
  const { loop, link, estimator, reports } = testEstimator();
  loop.run(250 * MS);
  expect(reports).toHaveLength(3);
  link.setUp(loop.now, false);
  loop.run(450 * MS);
  expect(reports).toHaveLength(3);
  link.setUp(loop.now, true);
  estimator.stop();
  loop.run(Infinity);
  expect(reports).toHaveLength(3);
});

it('the resequencer waits as long as paths differ, shorter again by and by, and not for a silent path', () => {
  const { bounds, follower } = testFollower(2);
  const probe = (slow: number | null, from: number, to: number): void => {
    for (let now = from; now < to; now += 100 * MS) {
      follower.add(0, 10 * MS, now, 0);
      if (slow !== null) follower.add(1, slow, now, 0);
    }
  };
  probe(40 * MS, 0, 3e9);
  expect(bounds.at(-1)).toEqual({ minWaitUs: 31_000, maxWaitUs: 100_000 });
  probe(20 * MS, 3e9, 60e9);
  expect(bounds.at(-1)!.minWaitUs).toBeLessThan(13_000);
  expect(bounds.map(({ minWaitUs }) => minWaitUs).slice(-8)).toEqual(
    bounds
      .map(({ minWaitUs }) => minWaitUs)
      .slice(-8)
      .toSorted((a, b) => b - a),
  );
  probe(null, 60e9, 100e9);
  expect(bounds.at(-1)).toEqual(LIMITS);
});

it('the resequencer does not wait for a path that has carried nothing of late', () => {
  const { bounds, follower } = testFollower(2);
  for (let now = 0; now < 30e9; now += 100 * MS) {
    follower.add(0, 10 * MS, now, now / MS);
    follower.add(1, 40 * MS, now, Math.min(now / MS, 1000));
    if (now === 5e9) expect(bounds.at(-1)!.minWaitUs).toBe(31_000);
  }
  expect(bounds.at(-1)).toEqual(LIMITS);
});
