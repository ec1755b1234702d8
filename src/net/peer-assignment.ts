/**
 * Which worker reads whose packets. A pair of outer addresses has one worker for as long as it is in use, whatever the protocol, and
 * new pairs go to the worker that has the fewest: two paths of a MAG never share one while another is idle, which a hash cannot
 * promise. Where a local address has more peers than a filter holds, new ones have no worker of their own and are spread by hash.
 */
import { type Listening, treeSize } from './socket-filter.ts';

/** Instructions that a filter may have: 20 KiB of socket option memory hold them after the kernel has translated them. */
const MOST_INSTRUCTIONS = 1200;

interface Assignment {
  readonly address: Uint8Array;
  /** null: spread by hash. */
  readonly worker: number | null;
  uses: number;
}

interface Local {
  /** By octets as text. */
  readonly peers: Map<string, Assignment>;
  unassigned: number;
}

export class PeerAssignment {
  readonly #workers: number;
  /** Pairs that each worker has. */
  readonly #load: number[];
  readonly #locals = new Map<string, Local>();

  constructor(workers: number) {
    this.#workers = workers;
    this.#load = Array.from({ length: workers }, () => 0);
  }

  /** Notes one more use of the pair. True if filters have to change. */
  add(local: string, peer: Uint8Array): boolean {
    let entry = this.#locals.get(local);
    if (!entry) this.#locals.set(local, (entry = { peers: new Map(), unassigned: 0 }));
    const key = peer.join();
    const known = entry.peers.get(key);
    if (known) {
      known.uses++;
      return false;
    }
    const assigned = entry.peers.size - entry.unassigned;
    const fits = treeSize(peer.length === 4 ? 4 : 6, assigned + 1) <= MOST_INSTRUCTIONS;
    const worker = fits ? this.#load.indexOf(Math.min(...this.#load)) : null;
    entry.peers.set(key, { address: peer, worker, uses: 1 });
    if (worker !== null) this.#load[worker]!++;
    // The second one without a worker finds the filters open already.
    return worker !== null || ++entry.unassigned === 1;
  }

  /** Takes one use back. True if filters have to change. */
  remove(local: string, peer: Uint8Array): boolean {
    const entry = this.#locals.get(local);
    const key = peer.join();
    const known = entry?.peers.get(key);
    if (!entry || !known || --known.uses > 0) return false;
    entry.peers.delete(key);
    if (!entry.peers.size) this.#locals.delete(local);
    if (known.worker === null) return --entry.unassigned === 0;
    this.#load[known.worker]!--;
    return true;
  }

  /** What the filters of a local address are made of. */
  listening(local: string, family: 4 | 6): Listening {
    const entry = this.#locals.get(local);
    const peers = [...(entry?.peers.values() ?? [])];
    return {
      family,
      workers: this.#workers,
      peers: peers.flatMap(({ address, worker }) => (worker === null ? [] : [{ address, worker }])),
      open: (entry?.unassigned ?? 0) > 0,
    };
  }
}
