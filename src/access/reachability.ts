/**
 * Whether a node that has fallen silent is still there: a pure state machine after the model of RFC 4861 §7.3, as a router that does not
 * wait for packets to the node but wants to know. After half of the time a node may be silent it is asked (Neighbour Solicitation, ARP)
 * again and again; any sign of life starts anew. Driven by access-interface.ts.
 */

/** RFC 4861 §10, RETRANS_TIMER: between two questions at least. */
const LEAST_INTERVAL_MS = 1000;
/** MAX_UNICAST_SOLICIT: so often a node is asked at least, however late the timers are. */
const LEAST_PROBES = 3;
/** The second half of the time is cut into so many intervals. */
const INTERVALS = 6;

/** Times in milliseconds of a clock that never jumps. */
export class Reachability {
  readonly #silence: number;
  #heardAt: number;
  #probes = 0;
  #probedAt = -Infinity;

  /** `silence`: how long a node may be silent before it counts as gone. */
  constructor(silence: number, now: number) {
    this.#silence = silence;
    this.#heardAt = now;
  }

  /** The node has shown that it is there. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#probes = 0;
  }

  nextDeadline(): number {
    const interval = this.#interval();
    if (this.#probes === 0) return this.#heardAt + this.#silence / 2;
    const end = this.#heardAt + this.#silence;
    const next = this.#probedAt + interval;
    return this.#probes < LEAST_PROBES
      ? next
      : Math.max(Math.min(next, end), this.#probedAt + LEAST_INTERVAL_MS);
  }

  /** What is to be done: ask the node, or give it up; null: nothing yet. */
  tick(now: number): 'probe' | 'silent' | null {
    if (now < this.nextDeadline()) return null;
    if (this.#probes >= LEAST_PROBES && now >= this.#heardAt + this.#silence) return 'silent';
    this.#probes++;
    this.#probedAt = now;
    return 'probe';
  }

  #interval(): number {
    return Math.max(LEAST_INTERVAL_MS, this.#silence / 2 / INTERVALS);
  }
}
