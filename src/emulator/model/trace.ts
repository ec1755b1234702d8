/**
 * Packet-delivery traces in the format of mahimahi (Netravali et al., USENIX ATC 2015): a line a millisecond number, each an
 * opportunity to deliver 1504 octets; the trace repeats after its last line.
 */
import { TunloomError } from '../../errors.ts';

/** Octets of one opportunity. */
export const OPPORTUNITY = 1504;

export interface Trace {
  /** Microseconds from the start, ascending; several may be equal. */
  readonly times: readonly number[];
  /** Microseconds after which it repeats. */
  readonly period: number;
}

/** Throws BAD_TRACE naming file and line. */
export function parseTrace(text: string, file: string): Trace {
  const times: number[] = [];
  text.split('\n').forEach((line, index) => {
    const trimmed = line.trim();
    if (!trimmed) return;
    const fault = (what: string): never => {
      throw new TunloomError('BAD_TRACE', `${file}:${index + 1}: ${what}`);
    };
    if (!/^\d{1,12}$/.test(trimmed)) fault(`"${trimmed.slice(0, 40)}" is not a number of milliseconds`);
    const time = Number(trimmed) * 1000;
    if (times.length && time < times.at(-1)!) fault(`${trimmed} is earlier than the line before`);
    times.push(time);
  });
  const period = times.at(-1) ?? 0;
  if (period === 0) throw new TunloomError('BAD_TRACE', `${file}: no delivery after millisecond 0`);
  return { times, period };
}

/** Mean rate in bit/s. */
export function traceRate({ times, period }: Trace): number {
  return (times.length * OPPORTUNITY * 8 * 1e6) / period;
}

/** Delivers octets at the opportunities of a trace; what is left of one when the queue is empty is lost with it. */
export class TraceServer {
  private readonly trace: Trace;
  private readonly origin: number;
  private index = 0;
  private lap = 0;
  private left = OPPORTUNITY;

  /** `origin`: the time, microseconds, at which the trace starts. */
  constructor(trace: Trace, origin: number) {
    this.trace = trace;
    this.origin = origin;
  }

  /** When the last of `octets` that come at `now` are delivered; calls come in order of time. */
  serve(octets: number, now: number): number {
    this.skipTo(now);
    let wanted = octets;
    while (wanted > this.left) {
      wanted -= this.left;
      this.advance();
    }
    this.left -= wanted;
    return this.time;
  }

  private get time(): number {
    return this.origin + this.lap * this.trace.period + this.trace.times[this.index]!;
  }

  private advance(): void {
    this.left = OPPORTUNITY;
    if (++this.index === this.trace.times.length) {
      this.index = 0;
      this.lap++;
    }
  }

  private skipTo(now: number): void {
    const lap = Math.floor((now - this.origin) / this.trace.period);
    if (lap > this.lap + 1) {
      this.lap = lap - 1;
      this.index = 0;
      this.left = OPPORTUNITY;
    }
    while (this.time < now) this.advance();
  }
}
