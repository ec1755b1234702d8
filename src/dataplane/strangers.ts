/**
 * Senders over RFC 5844 UDP that no path expects, as the workers note them (WORKER_STRANGER): a MAG whose port a NAT has given or changed
 * is found by its GRE key, or by the session of its inner packets.
 */
import * as L from '../../assembly/layout.ts';
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

/** Takes the notes of a worker, so that it can leave others. */
export function takeStrangers(memory: DataplaneMemory, worker: number): Stranger[] {
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
