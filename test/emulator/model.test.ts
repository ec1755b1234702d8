/** The link model under a clock of the test's own: rates, queues, order, losses, traces, and what cannot happen. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Departures } from '../../src/emulator/departures.ts';
import { LINK_DEFAULTS, LOST, Link, type LinkSpec, QUEUE_FULL } from '../../src/emulator/model/link.ts';
import { parseLinks } from '../../src/emulator/model/link-text.ts';
import { Loss, type LossSpec, meanLoss } from '../../src/emulator/model/loss.ts';
import { Random } from '../../src/emulator/model/random.ts';
import { parseTrace, traceRate } from '../../src/emulator/model/trace.ts';

const link = (spec: Partial<LinkSpec>, seed = 1): Link => new Link({ ...LINK_DEFAULTS, ...spec }, seed);

describe('rate and queue', () => {
  const offers = fc.array(fc.record({ octets: fc.integer({ min: 40, max: 1500 }), after: fc.nat(3000) }), {
    minLength: 1,
    maxLength: 200,
  });

  test('never faster than its rate, never more waiting than its limit, always in order, nothing unaccounted for', () => {
    fc.assert(
      fc.property(
        offers,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1500, max: 20_000 }),
        (some, mbit, limit) => {
          const rate = mbit * 1e6;
          const one = link({ rate, delay: 10_000, limit });
          let now = 0;
          let carried = 0;
          let busySince = 0;
          let freeAt = 0;
          let last = 0;
          let refused = 0;
          for (const { octets, after } of some) {
            now += after;
            if (now >= freeAt) {
              busySince = now;
              carried = 0;
            }
            const waiting = Math.max(0, freeAt - now) * (rate / 8e6);
            const arrival = one.offer(octets, now);
            if (arrival === QUEUE_FULL) {
              refused++;
              // Its own octets count: only what is wholly sent has left the queue.
              expect(waiting + octets + 1500).toBeGreaterThan(limit);
              continue;
            }
            carried += octets;
            // A transmitter that was idle at busySince has sent all of it since.
            freeAt = busySince + (carried * 8e6) / rate;
            expect(arrival).toBeCloseTo(freeAt + 10_000, 3);
            expect(arrival).toBeGreaterThanOrEqual(last);
            expect(one.backlog(now)).toBeLessThanOrEqual(limit);
            last = arrival;
          }
          expect(one.counters).toMatchObject({ offered: some.length, lost: 0, queueFull: refused });
          expect(one.backlog(now + 60e6)).toBe(0);
        },
      ),
    );
  });

  test('jitter delays and never hastens; packets keep their order unless reordering is asked for', () => {
    const ordered = link({ delay: 1000, jitter: 2000 });
    const arrivals = Array.from({ length: 1000 }, (_, i) => ordered.offer(100, i * 100));
    arrivals.forEach((arrival, i) => expect(arrival).toBeGreaterThanOrEqual(i * 100 + 1000));
    expect([...arrivals].sort((a, b) => a - b)).toEqual(arrivals);

    const overtaken = link({ delay: 1000, reorder: 0.1, reorderBy: 5000 });
    const times = Array.from({ length: 1000 }, (_, i) => overtaken.offer(100, i * 100));
    expect(times.filter((time, i) => time === i * 100 + 6000).length).toBe(overtaken.counters.overtaken);
    expect(overtaken.counters.overtaken).toBeGreaterThan(50);
  });

  test('jitter of packets that are far apart is half-normal', () => {
    const scale = 2000;
    const sparse = link({ delay: 1000, jitter: scale });
    const n = 50_000;
    const extra = Array.from({ length: n }, (_, i) => sparse.offer(100, i * 1e5) - i * 1e5 - 1000);
    const mean = extra.reduce((sum, value) => sum + value, 0) / n;
    const square = extra.reduce((sum, value) => sum + value * value, 0) / n;
    expect(mean / (scale * Math.sqrt(2 / Math.PI))).toBeCloseTo(1, 1);
    expect(square / scale ** 2).toBeCloseTo(1, 1);
    // Of a normal distribution, 68.3 % lie within one deviation and 95.4 % within two.
    expect(extra.filter((value) => value < scale).length / n).toBeCloseTo(0.683, 2);
    expect(extra.filter((value) => value < 2 * scale).length / n).toBeCloseTo(0.954, 2);
  });

  test('a change holds for what comes after it; what waits goes before, at the old rate', () => {
    const one = link({ rate: 8e6, limit: 1 << 20 });
    for (let i = 0; i < 10; i++) one.offer(1000, 0);
    one.change({ ...LINK_DEFAULTS, rate: 80e6, delay: 500, limit: 1 << 20 }, 0);
    expect(one.offer(1000, 0)).toBeCloseTo(10_000 + 100 + 500, 3);
  });
});

describe('loss', () => {
  const specs: LossSpec[] = [
    { model: 'random', probability: 0.01 },
    { model: 'gilbert-elliott', toBad: 0.01, toGood: 0.2, lossGood: 0, lossBad: 1 },
    { model: 'gilbert-elliott', toBad: 0.05, toGood: 0.5, lossGood: 0.001, lossBad: 0.5 },
  ];

  test.each(specs)('$model: the mean over 200,000 packets is that of the model', (spec) => {
    const loss = new Loss(spec, new Random(7));
    const n = 200_000;
    let lost = 0;
    let bursts = 0;
    let before = false;
    for (let i = 0; i < n; i++) {
      const gone = loss.takes();
      if (gone) lost++;
      if (gone && !before) bursts++;
      before = gone;
    }
    expect(lost / n).toBeGreaterThan(meanLoss(spec) * 0.9);
    expect(lost / n).toBeLessThan(meanLoss(spec) * 1.1);
    // Bursts of Gilbert's model last 1 / toGood packets.
    if (spec.model === 'gilbert-elliott' && spec.lossBad === 1) {
      expect(lost / bursts).toBeGreaterThan(4.5);
      expect(lost / bursts).toBeLessThan(5.5);
    }
  });

  test('bursts of Gilbert are geometrically distributed, and so are the gaps between them', () => {
    const [toBad, toGood] = [0.02, 0.25];
    const loss = new Loss(
      { model: 'gilbert-elliott', toBad, toGood, lossGood: 0, lossBad: 1 },
      new Random(5),
    );
    const runs = { lost: [] as number[], kept: [] as number[] };
    let now = false;
    let length = 0;
    for (let i = 0; i < 400_000; i++) {
      const lost = loss.takes();
      if (lost !== now && length) runs[now ? 'lost' : 'kept'].push(length);
      length = lost === now ? length + 1 : 1;
      now = lost;
    }
    for (const [lengths, leave] of [
      [runs.lost, toGood],
      [runs.kept, toBad],
    ] as const) {
      for (const longer of [1, 2, 5, 20]) {
        const share = lengths.filter((run) => run > longer).length / lengths.length;
        expect(Math.abs(share - (1 - leave) ** longer)).toBeLessThan(0.012);
      }
    }
  });

  test('the same seed gives the same fate, another seed another one', () => {
    const fates = (seed: number): number[] => {
      const one = link({ delay: 10, jitter: 5, loss: specs[1]!, duplicate: 0.1 }, seed);
      return Array.from({ length: 500 }, (_, i) => one.offer(100, i * 10));
    };
    expect(fates(3)).toEqual(fates(3));
    expect(fates(3)).not.toEqual(fates(4));
  });

  test('lost packets have cost their time at the transmitter', () => {
    const one = link({ rate: 8e6, loss: { model: 'random', probability: 1 } });
    expect(one.offer(1000, 0)).toBe(LOST);
    expect(one.backlog(500)).toBe(1000);
  });
});

describe('trace', () => {
  test('each opportunity carries 1504 octets, small packets share one, and the trace repeats', () => {
    const trace = parseTrace('10\n20\n20\n30\n', 'x');
    expect(traceRate(trace)).toBeCloseTo((4 * 1504 * 8) / 0.03, 3);
    const one = link({ trace, limit: 1 << 20 });
    expect([1504, 700, 700, 700, 1504].map((octets) => one.offer(octets, 0))).toEqual([
      10_000, 20_000, 20_000, 20_000, 30_000,
    ]);
    // Idle until after the second lap's first opportunity: 40 ms.
    expect(one.offer(100, 41_000)).toBe(50_000);
    expect(one.offer(1504, 3_000_001)).toBe(3_010_000);
  });

  test('delivers as the loop of mahimahi does, opportunity by opportunity', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 12 });
    const packets = fc.array(fc.record({ octets: fc.integer({ min: 1, max: 1504 }), after: fc.nat(9000) }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(gaps, packets, (steps, some) => {
        let at = 0;
        const lines = [...steps, 1].map((step) => (at += step));
        const one = link({ trace: parseTrace(lines.join('\n'), 'x'), limit: 1 << 24 });
        // Never at the time of an opportunity: there mahimahi is late, and we are not.
        let now = 0;
        const queue = some.map(({ octets, after }) => {
          now += after;
          return { octets, time: now + (now % 1000 ? 0 : 1) };
        });
        const times = queue.map(({ octets, time }) => one.offer(octets, time));
        // link_queue.cc: each opportunity serves what waits, the packet in transit first; what is left of it is lost.
        const expected: number[] = [];
        let head = 0;
        let rest = queue[0]?.octets ?? 0;
        for (let lap = 0; head < queue.length; lap++) {
          for (const line of lines) {
            const opportunity = (lap * lines.at(-1)! + line) * 1000;
            let left = 1504;
            while (left && head < queue.length && queue[head]!.time < opportunity) {
              const served = Math.min(left, rest);
              left -= served;
              rest -= served;
              if (rest) continue;
              expected.push(opportunity);
              rest = queue[++head]?.octets ?? 0;
            }
          }
        }
        expect(times).toEqual(expected);
      }),
    );
  });

  test.each([
    ['', 'x: no delivery after millisecond 0'],
    ['0\n', 'x: no delivery after millisecond 0'],
    ['5\nabc\n', 'x:2: "abc" is not a number of milliseconds'],
    ['5\n4\n', 'x:2: 4 is earlier than the line before'],
  ])('%j is refused', (text, message) => {
    expect(() => parseTrace(text, 'x')).toThrow(message);
  });
});

describe('links as text', () => {
  const parse = (text: string) =>
    parseLinks(
      text.split(',').map((setting) => setting.split('=') as never),
      () => '10\n',
    );

  test('values of both directions, and of each', () => {
    const { uplink, downlink } = parse('rate=10mbit/50mbit,delay=30ms,jitter=500us,loss=0.1%/2%');
    expect(uplink).toMatchObject({ rate: 10e6, delay: 30_000, jitter: 500, limit: 125_000 });
    expect(downlink).toMatchObject({ rate: 50e6, delay: 30_000, limit: 625_000 });
    expect(uplink.loss).toEqual({ model: 'random', probability: 0.001 });
    expect(downlink.loss).toEqual({ model: 'random', probability: 0.02 });
    expect(parse('burst-loss=1%:20%').uplink.loss).toEqual({
      model: 'gilbert-elliott',
      toBad: 0.01,
      toGood: 0.2,
      lossBad: 1,
      lossGood: 0,
    });
    expect(parse('trace=a/b.trace,queue=64k').downlink).toMatchObject({
      trace: { period: 10_000 },
      limit: 65_536,
    });
  });

  test.each([
    'rate=5',
    'rate=0mbit',
    'delay=-3ms',
    'delay=11s',
    'loss=101%',
    'queue=1k',
    'burst-loss=1%',
    'burst-loss=1%:0%',
  ])('%s is refused by name', (text) => {
    expect(() => parse(text)).toThrow(text.split('=')[0]);
  });
});

test('departures come out by time, equal times in order of entry (against sorting)', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 300 }), (times) => {
      const heap = new Departures(4);
      times.forEach((time, i) => heap.push(time, i, i + 1));
      const out: number[] = [];
      while (heap.size) {
        expect(heap.next).toBe(times[heap.slot]);
        expect(heap.length).toBe(heap.slot + 1);
        out.push(heap.slot);
        heap.pop();
      }
      expect(heap.next).toBe(Infinity);
      expect(out).toEqual(times.map((_, i) => i).sort((a, b) => times[a]! - times[b]! || a - b));
    }),
  );
});
