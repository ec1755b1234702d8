/** From what the command line says to the cells of a sweep. */
import path from 'node:path';
import { SCHEDULERS, type SchedulerName } from '../dataplane/distribution-spec.ts';
import { compileScheduler } from '../dataplane/scheduler-compiler.ts';
import { TunloomError } from '../errors.ts';
import { type Job, PARAMETERS, type ParameterName, type Parameters } from './job.ts';
import { scenarioFile } from './library.ts';
import { loadScenario } from './scenario.ts';

export interface PlanOptions {
  readonly scenarios: readonly string[];
  /** Names of built-in schedulers, and files of users' own. */
  readonly schedulers: readonly string[];
  /** Seeds 1 .. this. */
  readonly seeds: number;
  /** Such as `window=256,1024`. */
  readonly settings: readonly string[];
  readonly oracle: boolean;
  /** Seconds in the place of the scenarios' own; null: theirs. */
  readonly duration: number | null;
}

interface PlannedScheduler {
  readonly name: string;
  readonly scheduler: SchedulerName;
  readonly module: WebAssembly.Module | null;
  readonly file: string | null;
}

/** Scenario by scenario, scheduler by scheduler, seed by seed. Throws BAD_ARGUMENT, BAD_CONFIG, BAD_SCHEDULER. */
export async function planJobs(options: PlanOptions): Promise<Job[]> {
  const scenarios = options.scenarios.map((name) => loadScenario(scenarioFile(name)));
  const schedulers: PlannedScheduler[] = [];
  for (const name of options.schedulers) schedulers.push(await planScheduler(name));
  const combinations = combine(options.settings);
  const seeds = Array.from({ length: options.seeds }, (_, i) => i + 1);
  return scenarios.flatMap(({ name, spec }) =>
    schedulers.flatMap((scheduler) =>
      combinations.flatMap((parameters) =>
        seeds.map((seed): Job => {
          const duration = options.duration === null ? spec.duration : options.duration * 1e9;
          const traffic = spec.traffic.map((source) => ({
            ...source,
            stop: source.stop === spec.duration ? duration : Math.min(source.stop, duration),
          }));
          return {
            scheduler: scheduler.name,
            distribution: { scheduler: scheduler.scheduler },
            module: scheduler.module,
            file: scheduler.file,
            scenario: name,
            spec: { ...spec, duration, traffic, oracle: options.oracle },
            seed,
            parameters,
          };
        }),
      ),
    ),
  );
}

async function planScheduler(name: string): Promise<PlannedScheduler> {
  const builtIn = SCHEDULERS.find((other) => other === name);
  if (builtIn && builtIn !== 'custom') return { name, scheduler: builtIn, module: null, file: null };
  if (!name.endsWith('.ts')) {
    const names = SCHEDULERS.filter((other) => other !== 'custom').join(', ');
    throw new TunloomError(
      'BAD_ARGUMENT',
      `there is no scheduler "${name}"; there are ${names}, or name a .ts file`,
    );
  }
  return {
    name: path.basename(name, '.ts'),
    scheduler: 'custom',
    module: await compileScheduler(name),
    file: name,
  };
}

function combine(settings: readonly string[]): Parameters[] {
  let combinations: Parameters[] = [{}];
  for (const setting of settings) {
    const [name = '', list = ''] = setting.split('=');
    const values = list.split(',').map(Number);
    if (!PARAMETERS.includes(name as ParameterName) || !list || values.some((value) => !(value > 0))) {
      throw new TunloomError(
        'BAD_ARGUMENT',
        `--set ${setting}: expected NAME=N,N... with one of ${PARAMETERS.join(', ')} and numbers above 0`,
      );
    }
    combinations = combinations.flatMap((before) => values.map((value) => ({ ...before, [name]: value })));
  }
  return combinations;
}
