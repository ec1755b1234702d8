/**
 * The public API of the simulator: scenarios, and runs of them on the hot path in virtual time. Needs no privileges.
 *
 *     const scenario = loadScenario('dsl-lte');
 *     const { goodput, delay } = await simulate(scenario, { scheduler: 'edpf', seed: 1 });
 *
 * docs/library.md has a whole example, docs/compare.md describes scenarios and results.
 */
import { scenarioFile } from './compare/library.ts';
import { type Scenario, loadScenario as loadScenarioFile } from './compare/scenario.ts';
import { type DistributionSpec, SCHEDULERS, type SchedulerName } from './dataplane/distribution-spec.ts';
import { compileScheduler } from './dataplane/scheduler-compiler.ts';
import { compileHotPath } from './dataplane/wasm.ts';
import { TunloomError } from './errors.ts';
import type { SimResult } from './sim/result.ts';
import { Simulation } from './sim/simulation.ts';

export { type Scenario, parseScenario } from './compare/scenario.ts';
export type { DistributionSpec, SchedulerName } from './dataplane/distribution-spec.ts';
export { TunloomError } from './errors.ts';
export type * from './sim/result.ts';
export type * from './sim/spec.ts';

export interface SimulateOptions {
  /** A built-in one, `weighted` if left out, or the AssemblyScript file of your own, whose name ends in `.ts`. */
  readonly scheduler?: Exclude<SchedulerName, 'custom'> | `${string}.ts`;
  /** What differs from the scheduler's defaults. */
  readonly distribution?: Partial<Omit<DistributionSpec, 'scheduler'>>;
  /** The same seed gives the same result to the bit; 1 if left out. */
  readonly seed?: number;
}

/** A scenario of the library by its name, or a file, whose name ends in `.yaml`. Throws BAD_CONFIG, BAD_ARGUMENT. */
export function loadScenario(name: string): Scenario {
  return loadScenarioFile(scenarioFile(name));
}

/**
 * Runs a scenario once, in this thread, which has nothing else to do meanwhile. Throws BAD_SCHEDULER, BAD_ARGUMENT; a scheduler of your own
 * that traps ends it with a WebAssembly.RuntimeError.
 */
export async function simulate(scenario: Scenario, options: SimulateOptions = {}): Promise<SimResult> {
  const { scheduler = 'weighted', distribution = {}, seed = 1 } = options;
  const builtIn = SCHEDULERS.find((name) => name === scheduler);
  if (!builtIn && !scheduler.endsWith('.ts')) {
    throw new TunloomError('BAD_ARGUMENT', `there is no scheduler "${scheduler}"`);
  }
  const module = builtIn ? await compileHotPath() : await compileScheduler(scheduler);
  const { spec } = scenario;
  return new Simulation(module, {
    spec,
    seed,
    distribution: { ...distribution, scheduler: builtIn ?? 'custom' },
  }).run();
}
