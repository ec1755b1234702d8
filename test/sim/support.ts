/** Specs for tests of the simulator. */
import { compileHotPath } from '../../src/dataplane/wasm.ts';
import type { DistributionSpec } from '../../src/dataplane/distribution-spec.ts';
import { LINK_DEFAULTS, type LinkSpec } from '../../src/emulator/model/link.ts';
import { Simulation } from '../../src/sim/simulation.ts';
import type { SimResult } from '../../src/sim/result.ts';
import type { SimSpec, TrafficSpec } from '../../src/sim/spec.ts';

const module = await compileHotPath();

/** `rate` in Mbit/s, `delay` in ms. */
export function testLink(rate: number, delay: number, more: Partial<LinkSpec> = {}): LinkSpec {
  return {
    ...LINK_DEFAULTS,
    rate: rate * 1e6,
    delay: delay * 1e3,
    limit: Math.max(30_000, (rate * 1e6 * 0.05) / 8),
    ...more,
  };
}

export type TestTraffic = Partial<TrafficSpec> & Pick<TrafficSpec, 'model'> & Record<string, unknown>;

export function testSpec(
  links: readonly LinkSpec[],
  traffic: readonly TestTraffic[],
  more: Partial<SimSpec> = {},
): SimSpec {
  const duration = more.duration ?? 2e9;
  return {
    name: 'test',
    duration,
    paths: links.map((link, i) => ({
      bid: i + 1,
      name: `bid${i + 1}`,
      weight: 1,
      uplink: link,
      downlink: link,
    })),
    traffic: traffic.map(
      (source, i) =>
        ({
          name: `flow${i}`,
          direction: 'downlink',
          start: 0,
          stop: duration,
          flows: 1,
          tos: 0,
          ...source,
        }) as TrafficSpec,
    ),
    events: [],
    resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
    detection: 0.5e9,
    probeInterval: 0.1e9,
    oracle: false,
    batch: 20_000,
    ...more,
  };
}

export function simulate(spec: SimSpec, distribution: Partial<DistributionSpec> = {}, seed = 1): SimResult {
  return new Simulation(module, { spec, seed, distribution }).run();
}
