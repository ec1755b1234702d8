/**
 * `node bench/simulator.ts`: simulated packets a second on one core, so how large a sweep may be. A packet is an inner packet that goes through
 * the real encapsulation, a link and the real decapsulation with its resequencer (acknowledgements are packets as well); setting
 * the run up and its evaluation are included. The best of several runs, because the first ones are not compiled yet and other work
 * only slows down. --json prints JSON.
 */
import { inlineMore } from '../src/compare/inlining.ts';
import { LINK_DEFAULTS } from '../src/emulator/model/link.ts';
import { compileHotPath } from '../src/dataplane/wasm.ts';
import { Simulation } from '../src/sim/simulation.ts';
import type { SimSpec, TrafficSpec } from '../src/sim/spec.ts';

const RUNS = 7;
// As `tunloom compare` does.
inlineMore();
const module = await compileHotPath();

function specOf(rate: number, traffic: Partial<TrafficSpec>, duration: number): SimSpec {
  const link = { ...LINK_DEFAULTS, rate, delay: 5000, limit: Math.max(65536, rate / 160) };
  const base = { name: 'bench', direction: 'downlink', start: 0, stop: duration, flows: 1, tos: 0 };
  return {
    name: 'bench',
    duration,
    paths: [1, 2].map((bid) => ({ bid, name: `bid${bid}`, weight: 1, uplink: link, downlink: link })),
    traffic: [{ ...base, ...traffic } as TrafficSpec],
    events: [],
    resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
    detection: 0.5e9,
    probeInterval: 0.1e9,
    oracle: false,
    batch: 20_000,
  };
}

const cases: [string, SimSpec][] = [
  [
    'constant, 2 x 10 Gbit/s, 1400 octets',
    specOf(10e9, { model: 'constant', rate: 15e9, packet: 1400 }, 0.5e9),
  ],
  [
    'constant, 2 x 100 Mbit/s, 1400 octets',
    specOf(100e6, { model: 'constant', rate: 150e6, packet: 1400 }, 20e9),
  ],
  ['TCP CUBIC, 2 x 100 Mbit/s', specOf(100e6, { model: 'tcp', congestion: 'cubic', octets: null }, 10e9)],
];

const results = cases.map(([name, spec]) => {
  let packetsASecond = 0;
  let packets = 0;
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now();
    const { conservation } = new Simulation(module, { spec, seed: 1, distribution: {} }).run();
    packets = conservation.sent;
    packetsASecond = Math.max(packetsASecond, (packets / (performance.now() - started)) * 1000);
  }
  return { name, packets, packetsASecond };
});

if (process.argv.includes('--json')) {
  process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
} else {
  for (const { name, packets, packetsASecond } of results)
    process.stdout.write(
      `${name.padEnd(42)} ${packets} packets, ${(packetsASecond / 1e6).toFixed(2)} million a second\n`,
    );
}
