/** Probes that came, as the workers note them (WORKER_PROBES in assembly/layout.ts); the control thread takes them. */
import * as L from '../../assembly/layout.ts';
import type { DataplaneMemory } from './memory.ts';

export interface ProbeNote {
  /** Number of the path record. */
  readonly path: number;
  /** Microseconds of CLOCK_MONOTONIC when the worker read it. */
  readonly readUs: number;
  /** Microseconds of CLOCK_REALTIME when the kernel received it, 0: not known. */
  readonly stampUs: number;
  /** Data that the path had received by then, as far as the device shows it. */
  readonly packets: number;
  readonly octets: number;
  /** PROBE_LENGTH octets. */
  readonly message: Uint8Array;
}

/** Takes all notes of a worker. */
export function takeProbes(memory: DataplaneMemory, worker: number): ProbeNote[] {
  const ring = memory.workerRegion(worker) + L.WORKER_PROBES;
  const written = Atomics.load(memory.u32, (ring + L.PROBES_WRITTEN) / 4);
  const notes: ProbeNote[] = [];
  let taken = memory.u32[(ring + L.PROBES_TAKEN) / 4]!;
  for (; taken !== written; taken = (taken + 1) >>> 0) {
    const at = ring + L.PROBES_FIRST + (taken & (L.PROBES - 1)) * L.PROBE_STRIDE;
    notes.push({
      path: memory.u32[(at + L.PROBE_PATH) / 4]!,
      readUs: memory.counter(at + L.PROBE_READ),
      stampUs: memory.counter(at + L.PROBE_STAMP),
      packets: memory.counter(at + L.PROBE_PACKETS),
      octets: memory.counter(at + L.PROBE_OCTETS),
      message: memory.bytes.slice(at + L.PROBE_MESSAGE, at + L.PROBE_MESSAGE + L.PROBE_LENGTH),
    });
  }
  Atomics.store(memory.u32, (ring + L.PROBES_TAKEN) / 4, taken);
  return notes;
}
