/** Links in virtual time; the model behind them is tested with the emulator. */
import { expect, it } from 'vitest';
import { LINK_DEFAULTS, LOST, Link as LinkModel } from '../../src/emulator/model/link.ts';
import { EventLoop } from '../../src/sim/event-loop.ts';
import { Link, type LinkSpec, WORDS, linkName, linkSeed } from '../../src/sim/link.ts';

function testLink(spec: Partial<LinkSpec> = {}) {
  const loop = new EventLoop();
  const arrivals: { tag: number; time: number }[] = [];
  const full = { ...LINK_DEFAULTS, rate: 8e6, delay: 10_000, limit: 3000, ...spec };
  const link = new Link(full, 1, 'test');
  const words = new Int32Array(WORDS);
  const farEnd = loop.register((now) => {
    for (let count = link.arrivedBy(now, 3); count; count--) {
      link.take(words, 0);
      arrivals.push({ tag: words[WORDS - 1]!, time: now });
    }
    loop.at(farEnd, link.nextArrival);
  });
  link.connect(new Float64Array(1), 0, () => loop.at(farEnd, link.nextArrival));
  const send = (tag: number, length = 1000): void =>
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
  for (const tag of [1, 2, 3, 4]) send(tag);
  expect(link.queued(0)).toBe(3000);
  expect(link.probeArrival(0, 0)).toBe(13e6);
  loop.run(Infinity);
  expect(arrivals).toEqual([
    { tag: 1, time: 11e6 },
    { tag: 2, time: 12e6 },
    { tag: 3, time: 13e6 },
  ]);
  expect(link.counters).toMatchObject({ offered: 4, delivered: 3, queueDrops: 1 });
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

it('what has left the transmitter when it goes down arrives, however late jitter and reordering make it', () => {
  const { loop, link, arrivals, send } = testLink({
    limit: 1e9,
    jitter: 50_000,
    reorder: 0.5,
    duplicate: 0.5,
  });
  for (let tag = 0; tag < 100; tag++) send(tag);
  // A packet takes a millisecond.
  loop.run(40e6);
  link.setUp(loop.now, false);
  expect(link.queued(loop.now)).toBe(0);
  loop.run(Infinity);
  expect(new Set(arrivals.map(({ tag }) => tag))).toEqual(
    new Set(Array.from({ length: 40 }, (_, tag) => tag)),
  );
  const { offered, doubled, delivered, downDrops } = link.counters;
  expect(delivered + downDrops).toBe(offered + doubled);
  expect(link.sentOctets(loop.now)).toBe(40_000);
});

it('a trace goes on while its link is down', () => {
  const trace = { times: [10_000, 20_000, 50_000], period: 50_000 };
  const { loop, link, arrivals, send } = testLink({ rate: null, trace, delay: 0 });
  loop.run(15e6);
  link.setUp(loop.now, false);
  loop.run(25e6);
  link.setUp(loop.now, true);
  send(1);
  loop.run(Infinity);
  expect(arrivals).toEqual([{ tag: 1, time: 50e6 }]);
});

it('delivers overtaken packets and second copies at their time', () => {
  const { loop, link, arrivals, send } = testLink({ limit: 1e9, reorder: 0.1, duplicate: 0.1, jitter: 500 });
  for (let tag = 0; tag < 500; tag++) send(tag);
  loop.run(Infinity);
  const tags = arrivals.map(({ tag }) => tag);
  expect([...new Set(tags)].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  expect(tags.some((tag, i) => i > 0 && tag < tags[i - 1]!)).toBe(true);
  expect(link.counters.doubled).toBeGreaterThan(20);
  expect(link.counters.delivered).toBe(500 + link.counters.doubled);
  expect(arrivals.every(({ time }, i) => i === 0 || time >= arrivals[i - 1]!.time)).toBe(true);
});

it('tells what has arrived and was not taken yet', () => {
  const link = new Link({ ...LINK_DEFAULTS, rate: 8e6, delay: 10_000, limit: 1e9 }, 1, 'test');
  const words = new Int32Array(WORDS);
  for (const length of [1000, 500]) link.send(0, words, 0, length);
  expect(link.nextArrival).toBe(11e6);
  expect([10.9e6, 11e6, 11.5e6].map((now) => link.arrivedBy(now, 9))).toEqual([0, 1, 2]);
  expect([10.9e6, 11e6, 11.5e6].map((now) => link.arrived(now))).toEqual([
    { packets: 0, octets: 0 },
    { packets: 1, octets: 1000 },
    { packets: 2, octets: 1500 },
  ]);
  expect(link.arrivedBy(12e6, 1)).toBe(1);
  expect(link.take(words, 0)).toBe(1000);
  expect([link.inFlight, link.nextArrival, link.arrived(12e6).octets]).toEqual([1, 11.5e6, 1500]);
});

it('loses the packets that an emulated link loses with the same seed', () => {
  const spec = { ...LINK_DEFAULTS, loss: { model: 'random', probability: 0.2 } } as const;
  const link = new Link(spec, 7, linkName('downlink', 1));
  const model = new LinkModel(spec, linkSeed(7, 'downlink', 1));
  const lost: number[] = [];
  const expected: number[] = [];
  for (let i = 0; i < 200; i++) {
    const before = link.counters.lost;
    link.send(i * 1e6, new Int32Array(WORDS), 0, 1000);
    if (link.counters.lost > before) lost.push(i);
    if (model.offer(1000, i * 1e3) === LOST) expected.push(i);
  }
  expect(lost).toEqual(expected);
  expect(lost.length).toBeGreaterThan(20);
});
