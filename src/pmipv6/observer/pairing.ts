/**
 * Finds the request that an acknowledgement answers: between the same two ends the other way round, with the same sequence
 * number (RFC 5213 §6.9.1.2). Bounded: the oldest request goes when there are too many.
 */
import { type Endpoint, endpointKey } from '../endpoint.ts';

interface Waiting<T> {
  readonly request: T;
  readonly until: number;
}

export class Pairing<T> {
  readonly #waiting = new Map<string, Waiting<T>>();
  readonly #timeout: number;
  readonly #most: number;

  /** `timeout` in milliseconds. */
  constructor(timeout: number, most: number) {
    this.#timeout = timeout;
    this.#most = most;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Notes a request; one with the same ends and number, such as a retransmission, takes the place of the former. */
  note(from: Endpoint, to: Endpoint, sequence: number, request: T, elapsed: number): void {
    const key = keyOf(from, to, sequence);
    this.#waiting.delete(key);
    // In the order in which they came, so the first ones are those that are over.
    for (const [oldest, { until }] of this.#waiting) {
      if (until > elapsed && this.#waiting.size < this.#most) break;
      this.#waiting.delete(oldest);
    }
    this.#waiting.set(key, { request, until: elapsed + this.#timeout });
  }

  /** The request that a message from `from` to `to` answers; it is answered then, and a second answer finds nothing. */
  take(from: Endpoint, to: Endpoint, sequence: number, elapsed: number): T | undefined {
    const key = keyOf(to, from, sequence);
    const found = this.#waiting.get(key);
    if (!found) return undefined;
    this.#waiting.delete(key);
    return found.until > elapsed ? found.request : undefined;
  }
}

function keyOf(from: Endpoint, to: Endpoint, sequence: number): string {
  return `${endpointKey(from)} ${endpointKey(to)} ${sequence}`;
}
