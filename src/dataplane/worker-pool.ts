/** The worker threads (piscina): starts one endless task each, wakes them, restarts one that crashed or does not come back. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import * as L from '../../assembly/layout.ts';
import { atExit } from '../at-exit.ts';
import type { DeviceHandle } from './device/device.ts';
import type { DataplaneMemory } from './memory.ts';
import type { DataplaneEvent, WorkerStatus } from './status.ts';
import type { HotPath } from './wasm.ts';
import type { EndpointHandle, WorkerTask } from './worker-task.ts';

/** What the pool needs to know of how workers are woken. */
export interface WakeUp {
  readonly fd: number;
  readonly bell: SharedArrayBuffer;
  signal(): void;
}

interface Worker {
  readonly index: number;
  state: WorkerStatus['state'];
  restarts: number;
  mail: MessagePort | null;
  heartbeat: number;
  missed: number;
  /** Ends the thread wherever it is, in an endless loop too. */
  abort: AbortController;
  done: Promise<void>;
}

/** A worker that does not answer wake-ups for this many checks is reported, and after as many again replaced. */
const MISSED_CHECKS = 5;
const RESTART_CHECKS = 10;
const RESTART_DELAY_MS = 100;
/** Workers that have not stopped by themselves by then are ended. */
const STOP_MS = 2000;

export class WorkerPool {
  readonly #memory: DataplaneMemory;
  readonly #wasm: HotPath;
  readonly #module: WebAssembly.Module;
  readonly #tun: readonly DeviceHandle[];
  readonly #wake: readonly WakeUp[];
  readonly #busyPollUs: number;
  readonly #handles: (worker: number) => readonly EndpointHandle[];
  readonly #emit: (event: DataplaneEvent) => void;
  readonly #pool: Piscina;
  readonly #workers: Worker[];
  /** Workers asleep in poll(2) would keep process.exit() waiting. */
  readonly #forgetExit = atExit(() => this.#tellStop());
  #stopping = false;

  constructor(options: {
    memory: DataplaneMemory;
    wasm: HotPath;
    module: WebAssembly.Module;
    tun: readonly DeviceHandle[];
    wake: readonly WakeUp[];
    busyPollUs: number;
    handles: (worker: number) => readonly EndpointHandle[];
    emit: (event: DataplaneEvent) => void;
  }) {
    this.#memory = options.memory;
    this.#wasm = options.wasm;
    this.#module = options.module;
    this.#tun = options.tun;
    this.#wake = options.wake;
    this.#busyPollUs = options.busyPollUs;
    this.#handles = options.handles;
    this.#emit = options.emit;
    const count = options.memory.sizes.workers;
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    this.#pool = new Piscina({
      filename: new URL(file, import.meta.url).href,
      minThreads: count,
      maxThreads: count,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
    });
    // A thread that dies rejects its task; the pool replaces it. Nothing more is to be done here.
    this.#pool.on('error', () => {});
    this.#workers = Array.from({ length: count }, (_, index) => ({
      index,
      state: 'stopped' as const,
      restarts: 0,
      mail: null,
      heartbeat: 0,
      missed: 0,
      abort: new AbortController(),
      done: Promise.resolve(),
    }));
  }

  start(): void {
    for (const worker of this.#workers) {
      this.#wasm.initialiseWorker(worker.index, this.#memory.timers[worker.index]!);
      worker.done = this.#run(worker);
    }
  }

  /** Whether the worker's loop may be inside a batch. */
  isRunning(index: number): boolean {
    const worker = this.#workers[index];
    return worker !== undefined && hasThread(worker);
  }

  /** Wakes every worker, so that it reads its mail and passes a batch end. */
  wakeAll(): void {
    for (const wake of this.#wake) wake.signal();
  }

  /** Tells a running worker about endpoints; a worker that is not running gets them when it starts. */
  announce(index: number, handles: readonly EndpointHandle[]): void {
    const worker = this.#workers[index];
    if (!worker?.mail) return;
    for (const handle of handles) worker.mail.postMessage(handle);
    this.#wake[index]!.signal();
  }

  status(index: number): Pick<WorkerStatus, 'id' | 'state' | 'restarts'> {
    const { state, restarts } = this.#workers[index]!;
    return { id: index, state, restarts };
  }

  /** To be called about once a second: notices loops that stand still, and ends them if they go on standing. */
  checkHealth(): void {
    for (const worker of this.#workers) {
      if (!hasThread(worker)) continue;
      const at = (this.#memory.workerRegion(worker.index) + L.WORKER_HEARTBEAT) / 4;
      const heartbeat = Atomics.load(this.#memory.u32, at);
      if (heartbeat !== worker.heartbeat) {
        worker.heartbeat = heartbeat;
        worker.missed = 0;
        worker.state = 'running';
      } else if (++worker.missed === MISSED_CHECKS) {
        worker.state = 'unresponsive';
        this.#emit({ event: 'workerUnresponsive', worker: worker.index });
      } else if (worker.missed === RESTART_CHECKS) {
        worker.abort.abort();
      }
      this.#wake[worker.index]!.signal();
    }
  }

  async stop(): Promise<void> {
    this.#forgetExit();
    this.#tellStop();
    const impatience = setTimeout(() => {
      for (const worker of this.#workers) worker.abort.abort();
    }, STOP_MS);
    await Promise.all(this.#workers.map((worker) => worker.done));
    clearTimeout(impatience);
    await this.#pool.destroy();
  }

  #tellStop(): void {
    this.#stopping = true;
    this.#memory.setControl(L.CONTROL_STOP, 1);
    this.wakeAll();
  }

  async #run(worker: Worker): Promise<void> {
    while (!this.#stopping) {
      const { port1, port2 } = new MessageChannel();
      worker.mail = port1;
      worker.state = 'starting';
      worker.missed = 0;
      worker.abort = new AbortController();
      const task: WorkerTask = {
        index: worker.index,
        module: this.#module,
        memory: this.#memory.memory,
        tun: this.#tun[worker.index]!,
        endpoints: this.#handles(worker.index),
        wakeFd: this.#wake[worker.index]!.fd,
        bell: this.#wake[worker.index]!.bell,
        busyPollUs: this.#busyPollUs,
        mail: port2,
      };
      try {
        await this.#pool.run(task, { transferList: [port2], signal: worker.abort.signal });
        worker.state = 'stopped';
      } catch (error) {
        worker.state = 'failed';
        const aborted = worker.abort.signal.aborted;
        this.#emit({
          event: 'workerFailed',
          worker: worker.index,
          error: aborted ? 'it did not come back from a batch' : describe(error),
        });
      }
      port1.close();
      worker.mail = null;
      if (this.#stopping || worker.state === 'stopped') return;
      await new Promise((resolve) => {
        setTimeout(resolve, RESTART_DELAY_MS);
      });
      this.#wasm.recoverWorker(worker.index, this.#memory.timers[worker.index]!);
      worker.restarts++;
      this.#emit({ event: 'workerRestarted', worker: worker.index });
    }
  }
}

function hasThread(worker: Worker): boolean {
  return worker.state !== 'stopped' && worker.state !== 'failed';
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
