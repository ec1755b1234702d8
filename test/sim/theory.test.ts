/** Whole runs over a single path against what theory says of them: TCP under random loss, queues, rates, jitter. */
import { expect, it } from 'vitest';
import type { LinkSpec } from '../../src/emulator/model/link.ts';
import type { SimResult } from '../../src/sim/result.ts';
import type { CongestionControlName } from '../../src/sim/spec.ts';
import { simulate, testLink, testSpec } from './support.ts';

/** Payload and inner octets of a full segment. */
const PAYLOAD = 1416;
const SEGMENT = 1468;
/** GRE over IPv4. */
const OVERHEAD = 32;
/** Nanoseconds for which both ends of a direction collect packets, together. */
const BATCHES = 40_000;

/** A download over one path that loses a share of its packets and has room for everything. */
function download(
  congestion: CongestionControlName,
  loss: number,
  rttMs: number,
  seconds: number,
  rate: number,
  seed = 1,
): SimResult {
  const roomy: Partial<LinkSpec> = { limit: 1 << 24 };
  const lossy: Partial<LinkSpec> = { ...roomy, loss: { model: 'random', probability: loss } };
  const spec = testSpec([testLink(rate, rttMs / 2, lossy)], [{ model: 'tcp', congestion, octets: null }], {
    duration: seconds * 1e9,
  });
  const uplink = testLink(rate, rttMs / 2, roomy);
  return simulate({ ...spec, paths: spec.paths.map((path) => ({ ...path, uplink })) }, {}, seed);
}

/** Mean window in segments after the first quarter of the run, which slow start leaves its mark on. */
function meanWindow(result: SimResult, rttMs: number): number {
  const { throughput } = result.directions.downlink.series;
  const settled = throughput.slice(throughput.length / 4);
  const rate = settled.reduce((sum, value) => sum + value, 0) / settled.length;
  return (rate * rttMs) / 1e3 / (SEGMENT * 8);
}

it.each([0.002, 0.004, 0.01])('Reno under random loss of %d: window 1.31 / sqrt(p)', (loss) => {
  // Ott, Kemperman and Mathis 1996: 1.31, not the 1.22 of periodic loss. A window of few segments loses more than one of them, and time-outs.
  const window = meanWindow(download('reno', loss, 40, 200, 1000), 40);
  expect(window / (1.31 / Math.sqrt(loss))).toBeGreaterThan(0.88);
  expect(window / (1.31 / Math.sqrt(loss))).toBeLessThan(1.06);
});

it('CUBIC under random loss: the response function of RFC 9438 §5.1, or Reno where that is faster', () => {
  // With periodic loss 1.054 (rtt/p)^0.75; random loss makes the mean window larger (Poojary and Sharma 2016).
  const long = meanWindow(download('cubic', 0.001, 200, 400, 1000), 200) / (0.2 / 0.001) ** 0.75;
  expect(long).toBeGreaterThan(1.054);
  expect(long).toBeLessThan(1.3);
  const short = meanWindow(download('cubic', 0.002, 40, 200, 1000), 40);
  const reno = meanWindow(download('reno', 0.002, 40, 200, 1000), 40);
  expect(short / reno).toBeGreaterThan(0.9);
  expect(short / reno).toBeLessThan(1.15);
});

it('BBR is near the line rate where CUBIC is stopped by loss', () => {
  const line = (50e6 * PAYLOAD) / (SEGMENT + OVERHEAD);
  expect(download('bbr', 0.01, 40, 20, 50).goodput / line).toBeGreaterThan(0.93);
  expect(download('cubic', 0.01, 40, 20, 50).goodput / line).toBeLessThan(0.12);
});

it.each([0.5, 0.8])('Poisson arrivals wait as in an M/D/1 queue of load %d', (load) => {
  const [packet, rate, delay] = [1000, 10, 10];
  const service = ((packet + OVERHEAD) * 8e9) / (rate * 1e6);
  const offered = (load * rate * 1e6 * packet) / (packet + OVERHEAD);
  const spec = testSpec(
    [testLink(rate, delay, { limit: 1 << 24 })],
    [{ model: 'poisson', rate: offered, packet }],
    {
      duration: 400e9,
    },
  );
  const mean = simulate(spec).directions.downlink.delayBefore.mean * 1e6;
  const waits = mean - delay * 1e6 - service - BATCHES;
  // Pollaczek and Khinchine.
  expect(waits / ((load * service) / (2 * (1 - load)))).toBeCloseTo(1, 1);
});

it('overflow fills the first path to its rate and the bursts that it allows, to the packet', () => {
  const [packet, burstUs, seconds] = [1000, 20_000, 20];
  const spec = testSpec([testLink(10, 10), testLink(10, 10)], [{ model: 'poisson', rate: 15e6, packet }], {
    duration: seconds * 1e9,
  });
  const { paths } = simulate(spec, { scheduler: 'overflow', burstUs }).directions.downlink;
  // Two buckets (RFC 2697) are full at the beginning.
  const due = (10e6 * (seconds + (2 * burstUs) / 1e6)) / 8 / (packet + OVERHEAD);
  expect(Math.abs(paths[0]!.packets - due)).toBeLessThan(5);
  expect(paths[0]!.queueDrops).toBe(0);
});

it('a full link sends exactly its rate, and what is more than that is dropped', () => {
  const spec = testSpec([testLink(10, 10)], [{ model: 'constant', rate: 12e6, packet: 1000 }], {
    duration: 10e9,
  });
  const { directions, flows, conservation } = simulate(spec);
  const outer = 1000 + OVERHEAD;
  // In packets; the first has to come, the last is under way.
  const sent = (directions.downlink.paths[0]!.utilisation * 10e6 * 10) / 8 / outer;
  expect(sent).toBeGreaterThan((10e6 * 10) / 8 / outer - 2);
  expect(flows[0]!.stream.sent).toBe(15_000);
  expect(conservation.queueDrops + conservation.delivered).toBe(15_000);
  // Delay of a full queue: what it holds at the rate of the link.
  const queue = (Math.floor(testLink(10, 10).limit / outer) * outer * 8e3) / 10e6;
  expect(directions.downlink.delayBefore.max).toBeLessThanOrEqual(10 + queue + BATCHES / 1e6);
  expect(directions.downlink.delayBefore.p50).toBeGreaterThan(10 + queue * 0.97);
});

it.each(['reno', 'cubic'] as const)(
  '%s: a path that stands still for a second costs next to nothing (F-RTO, Eifel)',
  (congestion) => {
    const late = { bid: 1, change: 'link', uplink: {} } as const;
    // Room for all that the receiver takes: nothing is lost, so no recovery is going on.
    const link = testLink(200, 20, { limit: 1 << 23 });
    const spec = testSpec([link], [{ model: 'tcp', congestion, octets: null }], {
      duration: 6e9,
      events: [
        { ...late, at: 3e9, downlink: { delay: 1e6 } },
        { ...late, at: 3.2e9, downlink: { delay: 20e3 } },
      ],
    });
    const { timeouts, retransmits, goodput } = simulate(spec);
    expect(timeouts).toBe(1);
    expect(retransmits).toBeLessThan(5);
    expect(goodput).toBeGreaterThan(0.75 * simulate({ ...spec, events: [] }).goodput);
  },
);
