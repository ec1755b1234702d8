/**
 * Senders over RFC 5844 UDP that no path expects, as the workers note them (WORKER_STRANGER): a MAG whose port a NAT has given or changed
 * is found by its GRE key, or by the session of its inner packets.
 */
import { setTimeout as pause } from 'node:timers/promises';
import * as L from '../../assembly/layout.ts';
import { untilChanged } from '../until-changed.ts';
import type { DataplaneMemory } from './memory.ts';

export interface Stranger {
  readonly keyed: boolean;
  /** GRE key, or the number of a session. */
  readonly selector: number;
  /** Number of the local end that it was received at. */
  readonly local: number;
  /** 0: not known. */
  readonly bid: number;
  /** 16 octets. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** Where workers tell of notes, as an index of words. */
const STRANGE = (L.CONTROL + L.CONTROL_STRANGE) / 4;
/** Who sends much from a wrong port does not keep the control thread busy. */
const PAUSE_MS = 50;

/** Calls `found` for whoever the workers note from now on, until the returned function is called. */
export function watchStrangers(memory: DataplaneMemory, found: (stranger: Stranger) => void): () => void {
  let watching = true;
  const watch = async (): Promise<void> => {
    while (watching) {
      const seen = Atomics.load(memory.i32, STRANGE);
      for (let worker = 0; worker < memory.sizes.workers; worker++) {
        for (const stranger of takeStrangers(memory, worker)) found(stranger);
      }
      await untilChanged(memory.i32, STRANGE, seen);
      if (watching) await pause(PAUSE_MS, undefined, { ref: false });
    }
  };
  void watch();
  return () => {
    watching = false;
    // Lets go of the memory.
    Atomics.notify(memory.i32, STRANGE);
  };
}

/** Takes the notes of a worker, so that it can leave others. */
function takeStrangers(memory: DataplaneMemory, worker: number): Stranger[] {
  const first = memory.workerRegion(worker) + L.WORKER_STRANGER;
  const found: Stranger[] = [];
  for (let at = first; at < first + L.STRANGERS * L.STRANGER_STRIDE; at += L.STRANGER_STRIDE) {
    if (!Atomics.load(memory.u32, at / 4)) continue;
    found.push(readStranger(memory, at));
    Atomics.store(memory.u32, at / 4, 0);
  }
  return found;
}

function readStranger(memory: DataplaneMemory, at: number): Stranger {
  const word = (field: number): number => memory.u32[(at + field) / 4]!;
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setBigUint64(0, memory.u64[(at + L.STRANGER_HIGH) / 8]!);
  view.setBigUint64(8, memory.u64[(at + L.STRANGER_LOW) / 8]!);
  return {
    keyed: word(L.STRANGER_KEYED) !== 0,
    selector: word(L.STRANGER_SELECTOR),
    local: word(L.STRANGER_LOCAL),
    bid: word(L.STRANGER_BID),
    address,
    port: word(L.STRANGER_PORT),
  };
}
