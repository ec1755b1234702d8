/**
 * Links whose rate is a recording, as mahimahi has them (Netravali et al., USENIX ATC 2015): each line is the millisecond of an
 * opportunity to send 1500 octets; the recording starts again after its last line. An opportunity that finds the queue empty
 * is lost; what a packet leaves of one, the next packet may use if it was waiting.
 */
import { TunloomError } from '../../errors.ts';

/** Octets of one opportunity. */
export const OPPORTUNITY = 1500;

/** Milliseconds of the opportunities in order. Throws BAD_TRACE, naming the line. */
export function parseTrace(text: string, file: string): number[] {
  const times: number[] = [];
  text.split('\n').forEach((line, i) => {
    const word = line.trim();
    if (!word || word.startsWith('#')) return;
    const time = Number(word);
    if (!Number.isInteger(time) || time < (times.at(-1) ?? 0)) {
      throw new TunloomError(
        'BAD_TRACE',
        `${file}:${i + 1}: "${word}" is not a millisecond at or after the one before`,
      );
    }
    times.push(time);
  });
  if (!times.length || times.at(-1) === 0) {
    throw new TunloomError('BAD_TRACE', `${file}: a trace needs at least one line above 0`);
  }
  return times;
}

/** Octets a second in the long run. */
export function traceRate(times: readonly number[]): number {
  return (times.length * OPPORTUNITY * 1000) / times.at(-1)!;
}

export class TraceClock {
  readonly #times: readonly number[];
  #next = 0;
  #round = 0;
  /** Octets left of the opportunity at `#last` nanoseconds. */
  #left = 0;
  #last = -1;

  constructor(times: readonly number[]) {
    this.#times = times;
  }

  /** When a packet of `octets` that is at the head of the queue from `ready` nanoseconds on has been sent. */
  send(ready: number, octets: number): number {
    if (this.#last < ready) this.#left = 0;
    let missing = octets;
    while (missing > this.#left) {
      missing -= this.#left;
      do this.#advance();
      while (this.#last < ready);
      this.#left = OPPORTUNITY;
    }
    this.#left -= missing;
    return this.#last;
  }

  #advance(): void {
    if (this.#next === this.#times.length) {
      this.#next = 0;
      this.#round++;
    }
    this.#last = (this.#round * this.#times.at(-1)! + this.#times[this.#next++]!) * 1e6;
  }
}
