/** One cell of a sweep: a scheduler on a scenario with a seed, parameters applied; and what is kept of its result. */
import type { DistributionSpec, SchedulerName } from '../dataplane/distribution-spec.ts';
import type { SimResult } from '../sim/result.ts';
import type { SimSpec } from '../sim/spec.ts';

/** What may be swept beside schedulers, scenarios and seeds. */
export const PARAMETERS = [
  'window',
  'minWaitUs',
  'maxWaitUs',
  'queueUs',
  'gapUs',
  'burstUs',
  'peerWindow',
] as const;
export type ParameterName = (typeof PARAMETERS)[number];
export type Parameters = Readonly<Partial<Record<ParameterName, number>>>;

export interface Job {
  /** Name for people and results; a user's file has its own. */
  readonly scheduler: string;
  readonly distribution: { readonly scheduler: SchedulerName } & Partial<DistributionSpec>;
  /** Compiled hot path of a user's scheduler; null: the built-in one. */
  readonly module: WebAssembly.Module | null;
  /** Its source; null: the built-in one. */
  readonly file: string | null;
  readonly scenario: string;
  readonly spec: SimSpec;
  readonly seed: number;
  readonly parameters: Parameters;
}

/** An entry of `results[]`. */
export interface CompareResult {
  readonly scheduler: string;
  readonly scenario: string;
  readonly seed: number;
  readonly parameters: Parameters;
  readonly metrics: SimResult;
}

/** Names a cell; the same text in every run, so that finished ones are recognised. */
export function jobKey(job: Pick<Job, 'scheduler' | 'scenario' | 'seed' | 'parameters'>): string {
  const parameters = Object.entries(job.parameters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  return [job.scenario, job.scheduler, job.seed, ...parameters].join(' ');
}

/** Applies the parameters: those of the resequencer to the spec, the rest to the scheduler. */
export function applyParameters(job: Job): Pick<Job, 'spec' | 'distribution'> {
  const { window, minWaitUs, maxWaitUs, ...distribution } = job.parameters;
  const resequencer = {
    ...job.spec.resequencer,
    ...(window === undefined ? {} : { window }),
    ...(minWaitUs === undefined ? {} : { minWaitUs }),
    ...(maxWaitUs === undefined ? {} : { maxWaitUs }),
  };
  return { spec: { ...job.spec, resequencer }, distribution: { ...job.distribution, ...distribution } };
}
