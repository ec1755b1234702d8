/**
 * The same links once simulated and once real: the lab (network namespaces, emulated links, TUN devices, the kernel's TCP) against
 * the simulator, one bulk transfer in each direction. Events and traffic of the scenario are left out, its links and weights count.
 */
import { readFileSync } from 'node:fs';
import type { SchedulerName } from '../dataplane/distribution-spec.ts';
import { compileHotPath } from '../dataplane/wasm.ts';
import { TunloomError } from '../errors.ts';
import { runLab } from '../lab/lab.ts';
import type { LabOptions } from '../lab/plan.ts';
import {
  CONGESTION_CONTROLS,
  type CongestionControlName,
  DIRECTIONS,
  type Direction,
  type SimSpec,
} from '../sim/spec.ts';
import { Simulation } from '../sim/simulation.ts';
import type { Job } from './job.ts';

export interface RealComparison {
  readonly scenario: string;
  readonly scheduler: string;
  readonly direction: Direction;
  readonly congestion: CongestionControlName;
  /** Bits a second of TCP payload. */
  readonly simulated: number;
  readonly real: number;
  /** Simulated over real, minus 1. */
  readonly difference: number;
}

/** Runs the first seed of every scenario and scheduler in `jobs`. Throws BAD_ARGUMENT for a user's scheduler, NO_LAB without root. */
export async function compareReal(
  jobs: readonly Job[],
  seconds: number,
  progress: (step: string) => void,
): Promise<RealComparison[]> {
  const congestion = kernelCongestionControl();
  const module = await compileHotPath();
  const cells = jobs.filter(({ seed, parameters }) => seed === 1 && !Object.keys(parameters).length);
  const comparisons: RealComparison[] = [];
  for (const { scenario, scheduler, distribution, module: own, spec } of cells) {
    if (own)
      throw new TunloomError('BAD_ARGUMENT', `--real: the lab cannot run ${scheduler}, which is your own`);
    progress(`${scenario}, ${scheduler}`);
    const real = await runReal(spec, distribution.scheduler, seconds);
    for (const direction of DIRECTIONS) {
      const bulk = bulkOf(spec, direction, congestion, seconds);
      const { goodput: simulated } = new Simulation(module, { spec: bulk, seed: 1, distribution }).run();
      const difference = simulated / real[direction] - 1;
      comparisons.push({
        scenario,
        scheduler,
        direction,
        congestion,
        simulated,
        real: real[direction],
        difference,
      });
    }
  }
  progress('');
  return comparisons;
}

async function runReal(
  spec: SimSpec,
  scheduler: SchedulerName,
  duration: number,
): Promise<Record<Direction, number>> {
  const options: LabOptions = {
    paths: spec.paths.map(({ name, weight, uplink, downlink }) => ({
      name,
      weight,
      encapsulation: 'gre',
      family: 4,
      link: { uplink, downlink },
    })),
    duration,
    workers: 1,
    memory: false,
    static: true,
    scheduler,
    seed: 1,
  };
  const ignore = (): void => {};
  let refused = '';
  const result = await runLab(options, {
    keep: false,
    progress: ignore,
    announce: (line) => {
      refused = line;
    },
    begin: ignore,
    message: ignore,
    configured: ignore,
    report: ignore,
  });
  if (result.mode !== 'namespaces')
    throw new TunloomError('NO_LAB', `--real needs root and network namespaces: ${refused}`);
  return { uplink: result.tcp.uplink.bitsPerSecond, downlink: result.tcp.downlink.bitsPerSecond };
}

/** The lab's session has the resequencer's defaults, so the simulated one has too. */
function bulkOf(
  spec: SimSpec,
  direction: Direction,
  congestion: CongestionControlName,
  seconds: number,
): SimSpec {
  const duration = seconds * 1e9;
  const base = { name: 'bulk', direction, start: 0, stop: duration, flows: 1, tos: 0 };
  return {
    ...spec,
    duration,
    events: [],
    latency: undefined,
    resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
    traffic: [{ ...base, model: 'tcp', congestion, octets: null }],
  };
}

function kernelCongestionControl(): CongestionControlName {
  const name = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  const known = CONGESTION_CONTROLS.find((other) => other === name);
  if (!known)
    throw new TunloomError('NO_LAB', `--real: the kernel uses ${name}, which the simulator does not model`);
  return known;
}
