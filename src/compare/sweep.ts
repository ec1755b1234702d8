/** Runs the cells of a sweep over all cores; what a result file holds already is not run again. */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { TunloomError } from '../errors.ts';
import {
  type CompareResult,
  type Job,
  PARAMETERS,
  type ParameterName,
  type Parameters,
  type RunName,
  jobKey,
} from './job.ts';
import { SWEEP_WORKER, explainFailure, tryOwnSchedulers } from './trial.ts';

export interface SweepOptions {
  /** One line of JSON a finished cell; null: kept in memory only. */
  readonly file: string | null;
  readonly threads?: number;
  /** After every cell: how many are done, of how many, seconds so far. */
  readonly progress: (done: number, total: number, seconds: number) => void;
}

/** Cells of shard `index` of `count` (from 1): every count-th, so that shards cost about the same. */
export function shardOf(jobs: readonly Job[], index: number, count: number): Job[] {
  return jobs.filter((_, i) => i % count === index - 1);
}

/** Results in the order of the jobs. */
export async function runSweep(jobs: readonly Job[], options: SweepOptions): Promise<CompareResult[]> {
  const known = new Map<string, CompareResult>();
  if (options.file !== null && existsSync(options.file)) {
    for (const result of readResults(options.file)) known.set(jobKey(result), result);
    refuseMixture([...known.values(), ...jobs], options.file);
    dropCutLine(options.file);
  }
  const missing = jobs.filter((job) => !known.has(jobKey(job)));
  const started = performance.now();
  let done = 0;
  if (missing.length) {
    await tryOwnSchedulers(missing);
    const threads = Math.min(options.threads ?? availableParallelism(), missing.length);
    const pool = new Piscina({
      filename: SWEEP_WORKER,
      minThreads: threads,
      maxThreads: threads,
    });
    try {
      await Promise.all(
        missing.map(async (job) => {
          const result = (await pool.run(job).catch(explainFailure(job))) as CompareResult;
          known.set(jobKey(job), result);
          if (options.file !== null) appendFileSync(options.file, `${JSON.stringify(result)}\n`);
          options.progress(++done, missing.length, (performance.now() - started) / 1000);
        }),
      );
    } finally {
      await pool.destroy();
    }
  }
  return jobs.map((job) => known.get(jobKey(job))!);
}

/** What several result files hold, each run once. */
export function readAll(files: readonly string[]): CompareResult[] {
  const runs = new Map(files.flatMap(readResults).map((result) => [jobKey(result), result]));
  const results = [...runs.values()];
  refuseMixture(results, files.join(', '));
  return results;
}

/** By scenario, scheduler, parameters and seed, so that reports are the same from one run, a resumed one, and merged shards. */
export function inOrder(results: readonly CompareResult[]): CompareResult[] {
  return results.toSorted(
    (a, b) =>
      compareText(a.scenario, b.scenario) ||
      compareText(a.scheduler, b.scheduler) ||
      compareParameters(a.parameters, b.parameters) ||
      a.seed - b.seed,
  );
}

function compareParameters(a: Parameters, b: Parameters): number {
  for (const name of Object.keys(PARAMETERS) as ParameterName[]) {
    const difference = (a[name] ?? -1) - (b[name] ?? -1);
    if (difference) return difference;
  }
  return 0;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A scenario that was changed, or run for another time, must not be compared with what it was under the same name. */
function refuseMixture(runs: readonly RunName[], file: string): void {
  const digests = new Map<string, string>();
  for (const run of runs) {
    for (const what of ['scenario', 'scheduler'] as const) {
      const name = `${what} ${run[what]}`;
      const digest = run.digests[what];
      if ((digests.get(name) ?? digest) !== digest) {
        throw new TunloomError(
          'BAD_RESULTS',
          `${file}: the ${name} was another one in some runs (file, --duration or --oracle changed); use a new file`,
        );
      }
      digests.set(name, digest);
    }
  }
}

/** What is appended must not continue a line that was never finished. */
function dropCutLine(file: string): void {
  const text = readFileSync(file);
  const end = text.lastIndexOf('\n') + 1;
  if (end < text.length) truncateSync(file, end);
}

/** Reads a result file: one object a line; a last line that was cut off when a run was stopped is left out. */
export function readResults(file: string): CompareResult[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new TunloomError('BAD_RESULTS', `${file}: ${(error as Error).message}`, { cause: error });
  }
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    if (!line.trim()) return [];
    try {
      const value = JSON.parse(line) as CompareResult;
      if (typeof value.digests?.scenario !== 'string' || typeof value.metrics?.goodput !== 'number')
        throw new Error('no result');
      return [value];
    } catch (error) {
      if (i === lines.length - 1) return [];
      throw new TunloomError('BAD_RESULTS', `${file}:${i + 1}: not a result of tunloom compare`, {
        cause: error,
      });
    }
  });
}
