/** Simulated packets a second on one core: how large may a sweep be? The best of several runs, because other work only slows down. */
import { LINK_DEFAULTS } from '../src/emulator/model/link.ts';
import { compileHotPath } from '../src/dataplane/wasm.ts';
import { Simulation } from '../src/sim/simulation.ts';
import type { SimSpec, TrafficSpec } from '../src/sim/spec.ts';

const RUNS = 5;
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

for (const [name, spec] of cases) {
  let best = 0;
  let packets = 0;
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now();
    const { conservation } = new Simulation(module, { spec, seed: 1, distribution: {} }).run();
    packets = conservation.sent;
    best = Math.max(best, packets / (performance.now() - started));
  }
  process.stdout.write(
    `${name.padEnd(42)} ${packets} packets, ${(best / 1000).toFixed(2)} million a second\n`,
  );
}
