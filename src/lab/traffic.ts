/** Runs traffic tasks (traffic-worker.ts) in threads of their own and collects what they report. */
import { Worker } from 'node:worker_threads';
import { TunloomError } from '../errors.ts';
import type { TrafficTask } from './traffic-worker.ts';

type Message = { ready?: true; done?: unknown; failed?: string };

/** A task that runs; `result` settles when it is done. */
export interface Traffic<Result> {
  /** Resolves when a server listens or a client sends. */
  readonly ready: Promise<void>;
  readonly result: Promise<Result>;
  /** Asks a sink for its report once nothing has come for so long; a source of datagrams has sent enough. */
  finish(quietMs?: number): void;
  stop(): Promise<void>;
}

const running = new Set<Worker>();

/** Ends every task that still runs: a lab that is interrupted has nobody who waits for them, and their connections hang. */
export async function stopAllTraffic(): Promise<void> {
  await Promise.all([...running].map((worker) => worker.terminate()));
}

/** Starts a task. Both promises reject with LAB_TRAFFIC if it fails. */
export function startTraffic<Result>(task: TrafficTask): Traffic<Result> {
  const file = import.meta.url.endsWith('.ts') ? './traffic-worker.ts' : './traffic-worker.js';
  const worker = new Worker(new URL(file, import.meta.url), { workerData: task });
  running.add(worker);
  const ready = Promise.withResolvers<void>();
  const result = Promise.withResolvers<Result>();
  const fail = (reason: string): void => {
    const error = new TunloomError('LAB_TRAFFIC', `${task.kind} in ${task.namespace}: ${reason}`);
    ready.reject(error);
    result.reject(error);
  };
  ready.promise.catch(() => {});
  result.promise.catch(() => {});
  worker.on('message', (message: Message) => {
    if (message.ready) ready.resolve();
    if (message.failed !== undefined) fail(message.failed);
    if ('done' in message) {
      result.resolve(message.done as Result);
      void worker.terminate();
    }
  });
  worker.on('error', (error) => fail(String(error)));
  worker.on('exit', () => {
    running.delete(worker);
    fail('ended without a report');
  });
  return {
    ready: ready.promise,
    result: result.promise,
    finish: (quietMs = 0) => worker.postMessage(quietMs),
    stop: async () => {
      await worker.terminate();
    },
  };
}
