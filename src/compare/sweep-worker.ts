/** A sweep's worker thread (piscina): one cell a task. */
import { compileHotPath } from '../dataplane/wasm.ts';
import { Simulation } from '../sim/simulation.ts';
import { inlineMore } from './inlining.ts';
import { type CompareResult, type Job, applyParameters } from './job.ts';

inlineMore();
const builtIn = await compileHotPath();

export default function runJob(job: Job): CompareResult {
  const { spec, distribution } = applyParameters(job);
  const { scheduler, scenario, seed, parameters, digests } = job;
  const metrics = new Simulation(job.module ?? builtIn, { spec, seed, distribution }).run();
  return { scheduler, scenario, seed, parameters, digests, metrics };
}
