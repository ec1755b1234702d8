/** One cell of a sweep: a scheduler on a scenario with a seed, parameters applied; and what is kept of its result. */
import { createHash } from 'node:crypto';
import { integer, window } from '../config/schema-parts.ts';
import type { DistributionSpec, SchedulerName } from '../dataplane/distribution-spec.ts';
import type { SimResult } from '../sim/result.ts';
import type { SimSpec } from '../sim/spec.ts';

const microseconds = integer(0, 10e6);

/** What may be swept beside schedulers, scenarios and seeds, and its values. */
export const PARAMETERS = {
  window,
  minWaitUs: microseconds,
  maxWaitUs: microseconds,
  queueUs: microseconds,
  gapUs: microseconds,
  burstUs: microseconds,
  peerWindow: integer(64, 65536),
};
export type ParameterName = keyof typeof PARAMETERS;
export type Parameters = Readonly<Partial<Record<ParameterName, number>>>;

/** A run by name, and digests of what the names stood for. */
export interface RunName {
  /** Name for people and results; a user's file has its own. */
  readonly scheduler: string;
  readonly scenario: string;
  readonly seed: number;
  readonly parameters: Parameters;
  readonly digests: { readonly scheduler: string; readonly scenario: string };
}

export interface Job extends RunName {
  readonly distribution: { readonly scheduler: SchedulerName } & Partial<DistributionSpec>;
  /** Compiled hot path of a user's scheduler; null: the built-in one. */
  readonly module: WebAssembly.Module | null;
  /** Its source; null: the built-in one. */
  readonly file: string | null;
  readonly spec: SimSpec;
}

/** An entry of `results[]`. */
export interface CompareResult extends RunName {
  readonly metrics: SimResult;
}

/** Names what is run with several seeds; the same text whatever the order of the parameters. */
export function cellKey({ scenario, scheduler, parameters }: Omit<RunName, 'seed' | 'digests'>): string {
  const sorted = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([scenario, scheduler, ...sorted]);
}

/** Names a run; the same text in every sweep, so that finished ones are recognised. */
export function jobKey(run: Omit<RunName, 'digests'>): string {
  return `${cellKey(run)} ${run.seed}`;
}

/** Tells apart what has the same name. */
export function digestOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);
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
