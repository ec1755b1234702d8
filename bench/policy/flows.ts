/** Flows of numbered, stamped UDP datagrams between two namespaces (flow-worker.ts). */
import { Worker } from 'node:worker_threads';
import type { TransferEnds } from '../../src/lab/measurement.ts';
import type { FlowReport, FlowTask } from './flow-worker.ts';

/** Whose turn it is: not always the same flow after the same other one, lest flows and paths keep in step. */
export function flowOf(number: number, flows: number): number {
  return (number + Math.floor(number / flows)) % flows;
}

/** Sends, and tells what came. Rejects if a socket cannot be had, or if nothing comes at all. */
export async function runFlows(
  { from, to, source, destination }: TransferEnds,
  flows: Pick<FlowTask, 'flows' | 'perSecond' | 'seconds' | 'size'>,
): Promise<FlowReport> {
  const sink = startWorker({ ...flows, role: 'sink', namespace: to, address: destination });
  await sink.ready;
  // Its report is only ever that it failed.
  const { report: failure } = startWorker({
    ...flows,
    role: 'source',
    namespace: from,
    address: source,
    destination,
  });
  return await Promise.race([sink.report, failure]);
}

function startWorker(task: FlowTask): { ready: Promise<void>; report: Promise<FlowReport> } {
  const worker = new Worker(new URL('./flow-worker.ts', import.meta.url), { workerData: task });
  const ready = Promise.withResolvers<void>();
  const report = Promise.withResolvers<FlowReport>();
  ready.promise.catch(() => {});
  report.promise.catch(() => {});
  worker.on('message', (message: FlowReport | 'ready') => {
    if (message === 'ready') ready.resolve();
    else report.resolve(message);
  });
  worker.on('error', (error) => {
    ready.reject(error);
    report.reject(error);
  });
  return { ready: ready.promise, report: report.promise };
}
