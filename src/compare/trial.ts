/** A user's scheduler may trap, or never come back: it is tried on a short piece of a scenario before a sweep is left to it. */
import { Piscina } from 'piscina';
import { TunloomError } from '../errors.ts';
import type { Job } from './job.ts';
import { withDuration } from './plan.ts';

/** Of virtual time; and of real time within which that must be over, which takes milliseconds on a machine that has nothing else to do. */
const TRIAL_SECONDS = 0.2;
const PATIENCE_SECONDS = 60;

/** The module of threads that run jobs. */
export const SWEEP_WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './sweep-worker.ts' : './sweep-worker.js',
  import.meta.url,
).href;

/** Tries each scheduler that is not built in. Throws BAD_SCHEDULER where one traps, or has not come back after `patience` seconds. */
export async function tryOwnSchedulers(jobs: readonly Job[], patience = PATIENCE_SECONDS): Promise<void> {
  const own = jobs.filter(({ file }) => file !== null);
  if (!own.length) return;
  const pool = new Piscina({ filename: SWEEP_WORKER, maxThreads: 1 });
  try {
    for (const [first] of Map.groupBy(own, ({ file }) => file).values()) await tryOut(pool, first!, patience);
  } finally {
    await pool.destroy();
  }
}

async function tryOut(pool: Piscina, job: Job, patience: number): Promise<void> {
  const seconds = Math.min(TRIAL_SECONDS, job.spec.duration / 1e9);
  const spec = { ...withDuration(job.spec, seconds), events: [] };
  const signal = AbortSignal.timeout(patience * 1000);
  try {
    await pool.run({ ...job, spec }, { signal });
  } catch (error) {
    if (!signal.aborted) explainFailure(job)(error);
    throw new TunloomError(
      'BAD_SCHEDULER',
      `${job.file}: pick has not come back for ${patience} s: a loop that does not end?`,
      { cause: error },
    );
  }
}

/** Which run it was; what ended one with a user's scheduler was most likely that. */
export function explainFailure(job: Job): (error: unknown) => never {
  return (error) => {
    const where = `${job.scenario}, seed ${job.seed}`;
    if (job.file === null) {
      const why = (error as Error).message;
      throw new TunloomError('RUN_FAILED', `${job.scheduler} (${where}): ${why}`, { cause: error });
    }
    throw new TunloomError(
      'BAD_SCHEDULER',
      `${job.file}: pick ended the run (${where}): ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  };
}
