/**
 * Which paths send padded probes (src/paths/mtu-search.ts): of all those between two addresses one, which is enough to find out what size
 * arrives. Only probes with a GRE key can be padded, and only packets that must not be fragmented have a size to find.
 */
import { keyOf, learnsMtu } from '../dataplane/path-mtus.ts';
import { isKeyed } from '../dataplane/path-template.ts';
import type { PathSpec, SessionSpec } from '../dataplane/session-spec.ts';
import type { MtuKnowledge } from './mtu-knowledge.ts';

interface PaddedPath extends Pick<PathSpec, 'local' | 'remote' | 'bid'> {
  readonly session: string;
}

export class PaddedPaths {
  readonly #mtus: MtuKnowledge;
  /** By ends. */
  #paths = new Map<string, PaddedPath>();

  constructor(mtus: MtuKnowledge) {
    this.#mtus = mtus;
  }

  /** The sessions that there are from now on. */
  choose(specs: readonly SessionSpec[], canProbe: (session: string, bid: number) => boolean): void {
    const before = this.#paths;
    this.#paths = new Map();
    for (const { name: session, paths } of specs) {
      for (const path of paths) {
        const { bid, local, remote } = path;
        const ends = keyOf(path);
        if (this.#paths.has(ends) || !isKeyed(path) || !learnsMtu(path) || !canProbe(session, bid)) continue;
        this.#paths.set(ends, { session, bid, local, remote });
      }
    }
    // What another path has found is to be found anew.
    for (const [ends, path] of before) {
      const now = this.#paths.get(ends);
      if (now?.session !== path.session || now.bid !== path.bid) this.#mtus.found(path, null);
    }
  }

  /** Octets of the largest packet that the path may send, if it sends padded probes. */
  mostOf(session: string, path: PathSpec): number | undefined {
    const padded = this.#paths.get(keyOf(path));
    return padded?.session === session && padded.bid === path.bid ? this.#mtus.most(path) : undefined;
  }

  /** Packets of up to `mtu` octets arrive; null: all that may be sent. Gives that in words. */
  found(path: PathSpec, mtu: number | null): string {
    this.#mtus.found(path, mtu);
    if (mtu === null) return 'large packets arrive again';
    return `packets of more than ${mtu} octets do not arrive, though small ones do, and no ICMP error says why: none are sent any more`;
  }
}
