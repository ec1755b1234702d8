/** Reads statistics out of the shared memory without stopping anyone: counters are plain u64 with one writer each. */
import * as L from '../../assembly/layout.ts';
import { DROP_NAMES } from './drop-reasons.ts';
import type { DataplaneMemory } from './memory.ts';
import type { ResequencerStatus } from './status.ts';

export interface PathCounters {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}

export const NO_PATH_COUNTERS: PathCounters = { txPackets: 0, txBytes: 0, rxPackets: 0, rxBytes: 0 };

/** Sums a path's counters over all workers. */
export function readPathCounters(memory: DataplaneMemory, path: number): PathCounters {
  const sum = { ...NO_PATH_COUNTERS };
  for (let worker = 0; worker <= memory.sizes.workers; worker++) {
    const at = pathRow(memory, worker, path);
    sum.txPackets += memory.counter(at + L.PATH_STAT_TX_PACKETS);
    sum.txBytes += memory.counter(at + L.PATH_STAT_TX_BYTES);
    sum.rxPackets += memory.counter(at + L.PATH_STAT_RX_PACKETS);
    sum.rxBytes += memory.counter(at + L.PATH_STAT_RX_BYTES);
  }
  return sum;
}

/** Sets a path's counters to 0; no worker may be using the path. */
export function clearPathCounters(memory: DataplaneMemory, path: number): void {
  for (let worker = 0; worker <= memory.sizes.workers; worker++) {
    const at = pathRow(memory, worker, path);
    memory.bytes.fill(0, at, at + L.PATH_STAT_STRIDE);
  }
}

function pathRow(memory: DataplaneMemory, worker: number, path: number): number {
  return memory.pathStats + (worker * memory.sizes.paths + path) * L.PATH_STAT_STRIDE;
}

/** A worker's device counter (COUNTER_*). */
export function readWorkerCounter(memory: DataplaneMemory, worker: number, counter: number): number {
  return memory.counter(memory.workerRegion(worker) + L.WORKER_COUNTERS + counter);
}

/** A device counter (COUNTER_*) summed over all workers. */
export function sumWorkerCounters(memory: DataplaneMemory, counter: number): number {
  let sum = 0;
  for (let worker = 0; worker < memory.sizes.workers; worker++) {
    sum += readWorkerCounter(memory, worker, counter);
  }
  return sum;
}

/** Drops by reason name, summed over all workers; reasons that never occurred are left out. */
export function readDrops(memory: DataplaneMemory): Record<string, number> {
  const drops: Record<string, number> = {};
  for (let reason = 1; reason < L.DROP_REASON_COUNT; reason++) {
    let sum = 0;
    for (let worker = 0; worker <= memory.sizes.workers; worker++) {
      sum += memory.counter(memory.workerRegion(worker) + L.WORKER_DROPS + reason * 8);
    }
    if (sum) drops[DROP_NAMES[reason] ?? `reason-${reason}`] = sum;
  }
  return drops;
}

/** Resequencer statistics of the session record at `session`. */
export function readResequencer(memory: DataplaneMemory, session: number): ResequencerStatus {
  const stat = (offset: number): number => memory.counter(session + L.SESSION_STATS + offset);
  const histogram = (offset: number, buckets: number): number[] =>
    Array.from({ length: buckets }, (_, i) => memory.counter(session + offset + i * 8));
  return {
    inOrder: stat(L.STAT_IN_ORDER),
    reordered: stat(L.STAT_REORDERED),
    late: stat(L.STAT_LATE),
    duplicates: stat(L.STAT_DUPLICATES),
    lostProven: stat(L.STAT_LOST_PROVEN),
    lostTimeout: stat(L.STAT_LOST_TIMEOUT),
    lostWindow: stat(L.STAT_LOST_WINDOW),
    restarts: stat(L.STAT_RESTARTS),
    held: Atomics.load(memory.i32, (session + L.SESSION_HELD) / 4),
    depthHistogram: histogram(L.SESSION_DEPTH_HISTOGRAM, L.DEPTH_BUCKETS),
    waitHistogram: histogram(L.SESSION_WAIT_HISTOGRAM, L.WAIT_BUCKETS),
  };
}

/** Adds up resequencer statistics. */
export function sumResequencers(all: readonly ResequencerStatus[]): ResequencerStatus {
  const sum = (pick: (status: ResequencerStatus) => number): number =>
    all.reduce((total, status) => total + pick(status), 0);
  const sums = (pick: (status: ResequencerStatus) => readonly number[], buckets: number): number[] =>
    Array.from({ length: buckets }, (_, i) => sum((status) => pick(status)[i]!));
  return {
    inOrder: sum((s) => s.inOrder),
    reordered: sum((s) => s.reordered),
    late: sum((s) => s.late),
    duplicates: sum((s) => s.duplicates),
    lostProven: sum((s) => s.lostProven),
    lostTimeout: sum((s) => s.lostTimeout),
    lostWindow: sum((s) => s.lostWindow),
    restarts: sum((s) => s.restarts),
    held: sum((s) => s.held),
    depthHistogram: sums((s) => s.depthHistogram, L.DEPTH_BUCKETS),
    waitHistogram: sums((s) => s.waitHistogram, L.WAIT_BUCKETS),
  };
}
