/**
 * Tells the operator whose messages are refused for their authentication: nothing else says that a key or a clock is wrong, as the peer
 * gets no answer. Each peer and reason is told once in a while, and a flood of invented addresses is told a few times a minute.
 */

const AGAIN_MS = 600_000;
const MINUTE_MS = 60_000;
const LINES_A_MINUTE = 10;

export class Refusals {
  readonly #tell: (peer: string, why: string) => void;
  /** When each was told, oldest first; no more than fit into AGAIN_MS. */
  readonly #told = new Map<string, number>();

  constructor(tell: (peer: string, why: string) => void) {
    this.#tell = tell;
  }

  /** `utc`: milliseconds. */
  note(peer: string, why: string, utc: number): void {
    // A clock that was set back must not keep them for ever.
    const isOver = (at: number): boolean => at <= utc - AGAIN_MS || at > utc;
    for (const [key, at] of this.#told) {
      if (!isOver(at)) break;
      this.#told.delete(key);
    }
    const key = `${peer} ${why}`;
    if (this.#told.has(key)) return;
    const recent = [...this.#told.values()].slice(-LINES_A_MINUTE);
    if (recent.length === LINES_A_MINUTE && recent[0]! > utc - MINUTE_MS) return;
    this.#told.set(key, utc);
    this.#tell(peer, why);
  }
}
