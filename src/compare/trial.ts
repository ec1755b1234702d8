/** A user's scheduler may trap, or never come back: it is tried on a short piece of a scenario before a sweep is left to it. */
import type { Piscina } from 'piscina';
import { TunloomError } from '../errors.ts';
import type { Job } from './job.ts';
import { withDuration } from './plan.ts';

/** Of virtual time; and of real time within which that must be over, which takes milliseconds on a machine that has nothing else to do. */
const TRIAL_SECONDS = 0.2;
const PATIENCE_SECONDS = 60;

/** One job for each scheduler that is not built in. */
export function trials(jobs: readonly Job[]): Job[] {
  const own = jobs.filter(({ file }) => file !== null);
  return [...Map.groupBy(own, ({ file }) => file).values()].map(([first]) => first!);
}

/** Throws BAD_SCHEDULER where `job` traps, or is not over after `patience` seconds; its thread is ended. */
export async function tryOut(pool: Piscina, job: Job, patience = PATIENCE_SECONDS): Promise<void> {
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

/** What ended a run with a user's scheduler was most likely that. */
export function explainFailure(job: Job): (error: unknown) => never {
  return (error) => {
    if (job.file === null) throw error;
    const where = `${job.scenario}, seed ${job.seed}`;
    throw new TunloomError(
      'BAD_SCHEDULER',
      `${job.file}: pick ended the run (${where}): ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  };
}
