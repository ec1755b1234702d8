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
  return { bounds, follower: new WaitFollower(paths, LIMITS, 500 * MS, (next) => bounds.push(next)) };
}

it('a probe finds the queue, and what was sent since is behind it', () => {
  const loop = new EventLoop();
  const link = new Link(SPEC, 1, 'there');
  const reports: { at: number; estimates: PathEstimates }[] = [];
  const send = (octets: number): void => link.send(loop.now, new Int32Array(WORDS), 0, octets);
  const { follower } = testFollower();
  const back = { link: new Link(SPEC, 1, 'back'), follower };
  void new PathEstimator(loop, { link, follower }, back, 0, 1, 100 * MS, false, (estimates) =>
    reports.push({ at: loop.now, estimates }),
  );
  const later = loop.register(() => send(1000));
  loop.at(later, 1 * MS);
  send(5000);
  loop.run(99 * MS);
  expect(reports).toHaveLength(1);
  const [{ at, estimates }] = reports as [(typeof reports)[number]];
  // 5 ms of queue, there and back.
  expect(at).toBe(25 * MS);
  expect(estimates).toMatchObject({ delayUs: 10_000, rate: 8e6 });
  // The module's clock starts at one second.
  expect(estimates.freeAtUs).toBe(1_000_000 + 5000 + 1000);
});

it('no probe goes over a link that is down, nor after the end', () => {
  const loop = new EventLoop();
  const link = new Link(SPEC, 1, 'there');
  let reports = 0;
  const { follower } = testFollower();
  const estimator = new PathEstimator(
    loop,
    { link, follower },
    { link, follower },
    0,
    1,
    100 * MS,
    false,
    () => {
      reports++;
    },
  );
  loop.run(250 * MS);
  expect(reports).toBe(3);
  link.setUp(loop.now, false);
  loop.run(450 * MS);
  expect(reports).toBe(3);
  link.setUp(loop.now, true);
  estimator.stop();
  loop.run(Infinity);
  expect(reports).toBe(3);
});

it('the resequencer waits as long as paths differ, shorter again by and by, and not for a silent path', () => {
  const { bounds, follower } = testFollower(2);
  const probe = (slow: number | null, from: number, to: number): void => {
    for (let now = from; now < to; now += 100 * MS) {
      follower.add(0, 10 * MS, now);
      if (slow !== null) follower.add(1, slow, now);
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
