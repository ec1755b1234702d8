/** From what the command line says to the cells of a sweep. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SCHEDULERS, type SchedulerName } from '../dataplane/distribution-spec.ts';
import { compileScheduler } from '../dataplane/scheduler-compiler.ts';
import { TunloomError } from '../errors.ts';
import {
  type Job,
  PARAMETERS,
  type ParameterName,
  type Parameters,
  applyParameters,
  digestOf,
  jobKey,
} from './job.ts';
import type { SimSpec } from '../sim/spec.ts';
import { scenarioFile } from './library.ts';
import { linkVariants } from './link-variants.ts';
import { loadScenario } from './scenario.ts';

export interface PlanOptions {
  readonly scenarios: readonly string[];
  /** Names of built-in schedulers, and files of users' own. */
  readonly schedulers: readonly string[];
  /** Seeds 1 .. this. */
  readonly seeds: number;
  /** Such as `window=256,1024`. */
  readonly settings: readonly string[];
  /** Such as `lte.delay=10ms,20ms`. */
  readonly links?: readonly string[];
  readonly oracle: boolean;
  /** Seconds in the place of the scenarios' own; null: theirs. */
  readonly duration: number | null;
}

interface PlannedScheduler {
  readonly name: string;
  readonly scheduler: SchedulerName;
  readonly module: WebAssembly.Module | null;
  readonly file: string | null;
  readonly digest: string;
}

/** Scenario by scenario, scheduler by scheduler, seed by seed. Throws BAD_ARGUMENT, BAD_CONFIG, BAD_SCHEDULER. */
export async function planJobs(options: PlanOptions): Promise<Job[]> {
  const variants = linkVariants(options.links ?? []);
  const scenarios = options.scenarios.flatMap((name) =>
    variants.map((changes) => loadScenario(scenarioFile(name), changes)),
  );
  const schedulers: PlannedScheduler[] = [];
  for (const name of options.schedulers) schedulers.push(await planScheduler(name));
  const combinations = combine(options.settings);
  const seeds = Array.from({ length: options.seeds }, (_, i) => i + 1);
  const jobs = scenarios.flatMap(({ name, spec: asWritten }) => {
    const spec = { ...withDuration(asWritten, options.duration), oracle: options.oracle };
    const digest = digestOf(spec);
    return schedulers.flatMap((scheduler) =>
      combinations.flatMap((parameters) =>
        seeds.map((seed): Job => ({
          scheduler: scheduler.name,
          distribution: { scheduler: scheduler.scheduler },
          module: scheduler.module,
          file: scheduler.file,
          scenario: name,
          spec,
          seed,
          parameters,
          digests: { scheduler: scheduler.digest, scenario: digest },
        })),
      ),
    );
  });
  refuseTwins(jobs);
  refuseImpossible(jobs);
  return jobs;
}

/** `seconds`: null leaves it as it is written. */
export function withDuration(spec: SimSpec, seconds: number | null): SimSpec {
  if (seconds === null) return spec;
  const duration = Math.round(seconds * 1e9);
  const traffic = spec.traffic.map((source) => ({
    ...source,
    stop: source.stop === spec.duration ? duration : Math.min(source.stop, duration),
  }));
  return { ...spec, duration, traffic };
}

/** Results are told apart by name. */
function refuseTwins(jobs: readonly Job[]): void {
  const names = new Set<string>();
  for (const job of jobs) {
    const name = jobKey(job);
    if (names.has(name)) {
      throw new TunloomError(
        'BAD_ARGUMENT',
        `compare: scenario "${job.scenario}" with ${job.scheduler} would be run twice; results are told apart by name`,
      );
    }
    names.add(name);
  }
}

function refuseImpossible(jobs: readonly Job[]): void {
  for (const job of jobs) {
    const { minWaitUs, maxWaitUs } = applyParameters(job).spec.resequencer;
    if (minWaitUs > maxWaitUs) {
      const waits = `minWaitUs (${minWaitUs}) is more than maxWaitUs (${maxWaitUs})`;
      throw new TunloomError('BAD_ARGUMENT', `compare: ${job.scenario}: ${waits}`);
    }
  }
}

async function planScheduler(name: string): Promise<PlannedScheduler> {
  const builtIn = SCHEDULERS.find((other) => other === name);
  if (builtIn && builtIn !== 'custom')
    return { name, scheduler: builtIn, module: null, file: null, digest: builtIn };
  if (!name.endsWith('.ts')) {
    const names = SCHEDULERS.filter((other) => other !== 'custom').join(', ');
    throw new TunloomError(
      'BAD_ARGUMENT',
      `there is no scheduler "${name}"; there are ${names}, or name a .ts file`,
    );
  }
  const ownName = path.basename(name, '.ts');
  if (SCHEDULERS.some((other) => other === ownName)) {
    throw new TunloomError(
      'BAD_ARGUMENT',
      `${name}: "${ownName}" is a scheduler of tunloom's; give the file another name`,
    );
  }
  const module = await compileScheduler(name);
  const digest = digestOf(readFileSync(name, 'utf8'));
  return { name: ownName, scheduler: 'custom', module, file: name, digest };
}

function isParameter(name: string): name is ParameterName {
  return Object.hasOwn(PARAMETERS, name);
}

function combine(settings: readonly string[]): Parameters[] {
  let combinations: Parameters[] = [{}];
  for (const setting of settings) {
    const [name = '', list = ''] = setting.split('=');
    const refuse = (why: string): never => {
      throw new TunloomError('BAD_ARGUMENT', `--set ${setting}: ${why}`);
    };
    if (!isParameter(name))
      return refuse(`expected NAME=N,N... with one of ${Object.keys(PARAMETERS).join(', ')}`);
    const values = list.split(',').map((text) => {
      const checked = PARAMETERS[name].safeParse(text ? Number(text) : text);
      return checked.success ? checked.data : refuse(checked.error.issues[0]!.message);
    });
    if (name in combinations[0]!) refuse(`${name} is set already; give all values at once: ${name}=N,N`);
    combinations = combinations.flatMap((before) => values.map((value) => ({ ...before, [name]: value })));
  }
  return combinations;
}
