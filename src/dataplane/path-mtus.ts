/**
 * MTUs of outer paths as the network has shown them: a path takes no more than the smaller of what is configured and what was learned
 * (RFC 2473 §6.7, RFC 4459 §3.2). Learned by src/node/path-mtu.ts.
 */
import type { PathSpec } from './session-spec.ts';

type Ends = Pick<PathSpec, 'local' | 'remote'>;

export class PathMtus {
  readonly #learned = new Map<string, number>();

  /** Octets that an outer packet of the path may have. */
  of(path: PathSpec): number {
    return Math.min(path.mtu, this.#learned.get(keyOf(path)) ?? path.mtu);
  }

  learned(ends: Ends): number | null {
    return this.#learned.get(keyOf(ends)) ?? null;
  }

  /** Null: nothing is known any more. */
  set(ends: Ends, mtu: number | null): void {
    if (mtu === null) this.#learned.delete(keyOf(ends));
    else this.#learned.set(keyOf(ends), mtu);
  }
}

/** Whether packets of the path must not be cut on their way, so that their size is ours to find. */
export function learnsMtu({ local, dontFragment }: PathSpec): boolean {
  return local.includes(':') || dontFragment !== 'clear';
}

function keyOf({ local, remote }: Ends): string {
  return `${local} ${remote}`;
}
