/** Link models against what they promise. */
import { expect, it } from 'vitest';
import { EventLoop } from '../../src/sim/event-loop.ts';
import { Link, type LinkSpec, WORDS } from '../../src/sim/link/link.ts';
import { LossProcess, expectedLoss } from '../../src/sim/link/loss.ts';
import { TraceClock, parseTrace } from '../../src/sim/link/trace.ts';
import { Random } from '../../src/sim/random.ts';

const SPEC: LinkSpec = {
  rate: 8e6,
  delay: 10e6,
  jitter: 0,
  reorder: false,
  loss: { model: 'none' },
  queue: 3000,
};

function testLink(spec: Partial<LinkSpec> = {}) {
  const loop = new EventLoop();
  const arrivals: { tag: number; time: number }[] = [];
  const link = new Link(loop, { ...SPEC, ...spec }, 1, 'test', (words, at) => {
    arrivals.push({ tag: words[at]!, time: loop.now });
  });
  const send = (tag: number, length = 1000): boolean =>
    link.send(
      loop.now,
      Int32Array.from({ length: WORDS }, () => tag),
      0,
      length,
    );
  return { loop, link, arrivals, send };
}

it('sends at its rate and drops the tail of its queue', () => {
  const { loop, link, arrivals, send } = testLink();
  expect([1, 2, 3, 4].map((tag) => send(tag))).toEqual([true, true, true, false]);
  loop.run(Infinity);
  expect(arrivals).toEqual([
    { tag: 1, time: 11e6 },
    { tag: 2, time: 12e6 },
    { tag: 3, time: 13e6 },
  ]);
  expect(link.counters).toMatchObject({ offered: 4, delivered: 3, queueDrops: 1 });
});

it('goes on at a new rate with what is queued', () => {
  const { loop, link, arrivals, send } = testLink();
  for (const tag of [1, 2, 3]) send(tag);
  loop.run(1e6);
  link.change(loop.now, { rate: 16e6 });
  loop.run(Infinity);
  expect(arrivals.map(({ time }) => time)).toEqual([11e6, 11.5e6, 12e6]);
});

it('drops what waits when it goes down, not what is on its way', () => {
  const { loop, link, arrivals, send } = testLink();
  for (const tag of [1, 2, 3]) send(tag);
  loop.run(1e6);
  link.setUp(loop.now, false);
  send(4);
  loop.run(20e6);
  link.setUp(loop.now, true);
  send(5);
  loop.run(Infinity);
  expect(arrivals).toEqual([
    { tag: 1, time: 11e6 },
    { tag: 5, time: 31e6 },
  ]);
  expect(link.counters).toMatchObject({ offered: 5, delivered: 2, downDrops: 3 });
});

it.each([false, true])('jitter lets packets overtake only if told so (%s)', (reorder) => {
  const { loop, arrivals, send } = testLink({ jitter: 5e6, reorder, queue: 1e9 });
  for (let tag = 0; tag < 500; tag++) send(tag);
  loop.run(Infinity);
  const tags = arrivals.map(({ tag }) => tag);
  expect(tags.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  expect(tags.some((tag, i) => i > 0 && tag < tags[i - 1]!)).toBe(reorder);
  expect(arrivals.every(({ time }, i) => i === 0 || time >= arrivals[i - 1]!.time)).toBe(true);
});

it.each([
  { model: 'random', probability: 0.02 } as const,
  { model: 'gilbert-elliott', toBad: 0.01, toGood: 0.2, lossBad: 0.5, lossGood: 0.001 } as const,
])('$model loses as many as expected', (spec) => {
  const process = new LossProcess(new Random(7, 'loss'), spec);
  const count = 200_000;
  let lost = 0;
  for (let i = 0; i < count; i++) if (process.isLost()) lost++;
  expect(lost / count).toBeCloseTo(expectedLoss(spec), 2);
});

it('a trace sends 1500 octets an opportunity and wastes those that find nothing', () => {
  const clock = new TraceClock(parseTrace('1\n2\n2\n10\n', 'trace'));
  expect(clock.send(0, 1500)).toBe(1e6);
  expect(clock.send(1e6, 1500)).toBe(2e6);
  expect(clock.send(1e6, 3000)).toBe(10e6);
  // Round two: opportunities at 11, 12, 12, 20; the packet comes after the first.
  expect(clock.send(11.5e6, 100)).toBe(12e6);
  expect(() => parseTrace('1\nx\n', 'cell.trace')).toThrow('cell.trace:2: "x" is not a millisecond');
});
