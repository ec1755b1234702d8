/**
 * What is known of path MTUs between two addresses, from two sources: what the network says (src/node/path-mtu.ts), and what padded probes found where
 * it says nothing (src/paths/mtu-search.ts). The smaller one counts.
 */
import { keyOf } from '../dataplane/path-mtus.ts';
import type { PathSpec } from '../dataplane/session-spec.ts';

type Ends = Pick<PathSpec, 'local' | 'remote'>;

export class MtuKnowledge {
  readonly #learned: (ends: Ends, mtu: number | null) => void;
  /** By ends; what is not there is not less than configured. */
  readonly #said = new Map<string, number>();
  readonly #found = new Map<string, number>();

  /** `learned` hears what counts. */
  constructor(learned: (ends: Ends, mtu: number | null) => void) {
    this.#learned = learned;
  }

  /** The network says so; null: it takes what is configured. */
  said(ends: Ends, mtu: number | null): void {
    this.#set(this.#said, ends, mtu);
  }

  /** Padded probes found that; null: they arrive as large as can be. */
  found(ends: Ends, mtu: number | null): void {
    this.#set(this.#found, ends, mtu);
  }

  /** Octets of the largest packet that may be sent, as far as the network says. */
  most(path: Ends & Pick<PathSpec, 'mtu'>): number {
    return Math.min(path.mtu, this.#said.get(keyOf(path)) ?? path.mtu);
  }

  #set(source: Map<string, number>, ends: Ends, mtu: number | null): void {
    const key = keyOf(ends);
    if (mtu === null) source.delete(key);
    else source.set(key, mtu);
    const known = [this.#said.get(key), this.#found.get(key)].filter((value) => value !== undefined);
    this.#learned(ends, known.length ? Math.min(...known) : null);
  }
}
