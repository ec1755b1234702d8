/** Sources that do not listen: constant bit rate, Poisson, on-off, and recorded timing and sizes. */
import type { Actor } from '../event-loop.ts';
import type { Random } from '../random.ts';
import type { TrafficSpec } from '../spec.ts';
import type { Flow, FlowPort, FlowResult } from './flow.ts';

/** IPv4 and UDP headers: what of a datagram is no goodput. */
export const DATAGRAM_HEADERS = 28;

type DatagramSpec = Extract<TrafficSpec, { model: 'constant' | 'poisson' | 'on-off' | 'recorded' }>;

export class DatagramFlow implements Flow, Actor {
  readonly #spec: DatagramSpec;
  readonly #port: FlowPort;
  readonly #random: Random;
  readonly #number: number;
  /** Next entry of a recording. */
  #next = 0;
  /** on-off: when the present burst ends. */
  #burstEnd = 0;
  #due: number;
  #octets = 0;

  constructor(spec: DatagramSpec, port: FlowPort, random: Random) {
    this.#spec = spec;
    this.#port = port;
    this.#random = random;
    this.#number = port.loop.register(this);
    this.#due = spec.start;
    if (spec.model === 'recorded') this.#due += spec.times[0] ?? Infinity;
    // Flows of one source do not start in step, nor do seeds.
    else this.#due += this.#random.fraction() * this.#gap();
    if (spec.model === 'on-off') this.#burstEnd = this.#due + this.#random.exponential(spec.on);
    port.loop.at(this.#number, Math.round(this.#due));
  }

  run(now: number): void {
    const spec = this.#spec;
    if (now >= spec.stop) return;
    this.#port.send(true, spec.model === 'recorded' ? spec.sizes[this.#next]! : spec.packet, 0);
    this.#due = this.#following();
    this.#port.loop.at(this.#number, Math.round(this.#due));
  }

  receive(_forward: boolean, at: number): void {
    this.#octets += this.#port.sizes[at]! - DATAGRAM_HEADERS;
  }

  result(): FlowResult {
    return { octets: this.#octets, retransmits: 0, timeouts: 0, completions: [], windows: [] };
  }

  #following(): number {
    const spec = this.#spec;
    if (spec.model === 'recorded') return spec.start + (spec.times[++this.#next] ?? Infinity);
    if (spec.model === 'poisson') return this.#due + this.#random.exponential(this.#gap());
    const next = this.#due + this.#gap();
    if (spec.model !== 'on-off' || next < this.#burstEnd) return next;
    const start = this.#burstEnd + this.#random.exponential(spec.off);
    this.#burstEnd = start + this.#random.exponential(spec.on);
    return start;
  }

  /** Nanoseconds between two packets, on the average. */
  #gap(): number {
    const spec = this.#spec;
    return spec.model === 'recorded' ? 0 : (spec.packet * 8e9) / spec.rate;
  }
}
