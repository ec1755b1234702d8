/** Recorded traffic: a capture that dumpcap took, read by us and by tshark, and sent by the simulator as it was recorded. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { scenarioFile } from '../../src/compare/library.ts';
import { loadScenario } from '../../src/compare/scenario.ts';
import { EventLoop } from '../../src/sim/event-loop.ts';
import { Random } from '../../src/sim/random.ts';
import type { SimSpec, TrafficSpec } from '../../src/sim/spec.ts';
import { DatagramFlow } from '../../src/sim/traffic/datagrams.ts';
import { simulate, testLink } from '../sim/support.ts';

type Recorded = Extract<TrafficSpec, { model: 'recorded' }>;

const file = scenarioFile('video-call');
const { spec } = loadScenario(file);
const call = spec.traffic.find((traffic): traffic is Recorded => traffic.model === 'recorded')!;

/** Nanoseconds since the first packet, and the IPv4 total length, of every packet of the capture. */
function byTshark(): { times: number[]; sizes: number[] } {
  const capture = file.replace(/yaml$/, 'pcap');
  const fields = ['frame.time_relative', 'ip.len'].flatMap((field) => ['-e', field]);
  const out = execFileSync('tshark', ['-r', capture, '-T', 'fields', ...fields], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const rows = out
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
  return { times: rows.map(([time]) => time! * 1e9), sizes: rows.map(([, size]) => size!) };
}

it('reads timing and sizes as tshark does, also where the capture has only the headers', () => {
  const { times, sizes } = byTshark();
  expect(call.sizes).toEqual(sizes);
  expect(new Set(sizes).size).toBeGreaterThan(20);
  // Seconds since 1970 in a double are exact to a quarter of a microsecond.
  const error = times.map((time, i) => Math.abs(time - call.times[i]!));
  expect(Math.max(...error)).toBeLessThan(500);
});

it('sends each packet when it was recorded, and with its size', () => {
  const loop = new EventLoop();
  const sent: { time: number; size: number }[] = [];
  const nothing = new Int32Array(0);
  const port = {
    loop,
    options: nothing,
    segments: nothing,
    sizes: nothing,
    sent: new Float64Array(0),
    send: (_: boolean, size: number): number => sent.push({ time: loop.now, size }),
  };
  void new DatagramFlow({ ...call, start: 7e6, stop: 4e9 }, port, new Random(1, 'flow'));
  loop.run(4e9);
  expect(sent).toEqual(call.times.map((time, i) => ({ time: 7e6 + time, size: call.sizes[i]! })));
});

it('comes through the tunnel whole and in order', () => {
  const alone: SimSpec = {
    ...spec,
    traffic: [call],
    paths: spec.paths.map((path, i) => {
      const link = testLink(100, 10 + 20 * i);
      return { ...path, uplink: link, downlink: link };
    }),
  };
  const { flows, conservation } = simulate(alone, { scheduler: 'weighted' });
  expect(flows[0]!.stream).toMatchObject({ sent: call.sizes.length, received: call.sizes.length });
  expect(flows[0]!.stream.reorderingBefore.reordered).toBeGreaterThan(0);
  expect(flows[0]!.stream.reorderingAfter.reordered).toBe(0);
  expect(conservation.delivered).toBe(call.sizes.length);
});
