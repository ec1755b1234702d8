/**
 * Learns path MTUs: asks the kernel about each pair of outer addresses in turn, and tells the data plane where the network takes less
 * than is configured, or as much as before again. No packet is sent for it: the tunnels' own packets, which must not be fragmented, are
 * the probes. The kernel reads the ICMP errors that come back; those that it does not read for us come from TooBigListener and are
 * kept here for as long as the kernel would.
 */
import { canonicalAddress } from '../ip.ts';
import { learnsMtu } from '../dataplane/path-mtus.ts';
import type { PathSpec, SessionSpec } from '../dataplane/session-spec.ts';

const ROUND_MS = 1000;
/** Pairs asked about in a round: with more of them a change is noticed later. */
const PAIRS_A_ROUND = 200;
/** A pair that the kernel has no route for is asked about so much later again: each question counts in its Ip6OutNoRoutes. */
const ROUTELESS_US = 10e6;
/** RFC 8201 §5.3: larger ones may be tried again after 10 minutes. */
const MEMORY_US = 600e6;

interface Pair extends Pick<PathSpec, 'local' | 'remote' | 'interface'> {
  readonly configured: number;
}

export interface PathMtuOptions {
  readonly sessions: () => readonly SessionSpec[];
  /** Microseconds, monotonic. */
  readonly now: () => number;
  /** Errors that came since the last call. */
  readonly errors: () => readonly { local: string; remote: string; mtu: number }[];
  /** What the kernel says; null: nothing. */
  readonly ask: (pair: Pick<PathSpec, 'local' | 'remote' | 'interface'>) => number | null;
  /** Null: nothing less than the configured MTU is known. */
  readonly learned: (pair: Pick<PathSpec, 'local' | 'remote'>, mtu: number | null) => void;
}

export class PathMtuMonitor {
  readonly #options: PathMtuOptions;
  readonly #timer: NodeJS.Timeout;
  /** What errors said, by pair of addresses. */
  readonly #errors = new Map<string, { readonly mtu: number; readonly until: number }>();
  /** When pairs without a route are asked about again. */
  readonly #routeless = new Map<string, number>();
  #pairs: readonly Pair[] = [];
  #next = 0;

  constructor(options: PathMtuOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.round(), ROUND_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Asks about the next pairs. */
  round(): void {
    const now = this.#options.now();
    if (this.#next >= this.#pairs.length) {
      this.#renewPairs();
      for (const [key, { until }] of this.#errors) if (until <= now) this.#errors.delete(key);
    }
    for (const error of this.#options.errors()) {
      // Nobody makes us remember anything about addresses that are not ours.
      if (this.#pairs.some((pair) => keyOf(pair) === keyOf(error)))
        this.#errors.set(keyOf(error), { mtu: error.mtu, until: now + MEMORY_US });
    }
    const pairs = this.#pairs.slice(this.#next, this.#next + PAIRS_A_ROUND);
    this.#next += PAIRS_A_ROUND;
    for (const pair of pairs) {
      if ((this.#routeless.get(keyOf(pair)) ?? 0) > now) continue;
      const asked = this.#options.ask(pair);
      // No route: what was known stays.
      if (asked === null) {
        this.#routeless.set(keyOf(pair), now + ROUTELESS_US);
        continue;
      }
      this.#routeless.delete(keyOf(pair));
      const error = this.#errors.get(keyOf(pair));
      const mtu = Math.min(asked, error && error.until > now ? error.mtu : asked);
      this.#options.learned(pair, mtu < pair.configured ? mtu : null);
    }
  }

  /** What was learned of pairs that no path has any more is forgotten. */
  #renewPairs(): void {
    const before = this.#pairs;
    this.#pairs = pairsOf(this.#options.sessions());
    this.#next = 0;
    const present = new Set(this.#pairs.map(keyOf));
    for (const pair of before) if (!present.has(keyOf(pair))) this.#options.learned(pair, null);
    for (const key of this.#routeless.keys()) if (!present.has(key)) this.#routeless.delete(key);
  }
}

/** Each pair of addresses once; of several configured MTUs the largest. */
function pairsOf(sessions: readonly SessionSpec[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const { paths } of sessions) {
    for (const path of paths) {
      if (!learnsMtu(path)) continue;
      const key = keyOf(path);
      const configured = Math.max(path.mtu, pairs.get(key)?.configured ?? 0);
      const { local, remote } = path;
      pairs.set(key, { local, remote, interface: path.interface, configured });
    }
  }
  return [...pairs.values()];
}

/** In the one form of an address: those of a configuration may be written in others. */
function keyOf({ local, remote }: { local: string; remote: string }): string {
  return [local, remote].map(canonicalAddress).join(' ');
}
