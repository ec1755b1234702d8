/** When a source that does not listen sends what: constant bit rate, Poisson, on-off, recorded. The simulator and real traffic draw the same. */
import type { Random } from '../random.ts';
import type { TrafficSpec } from '../spec.ts';

export type DatagramSpec = Extract<TrafficSpec, { model: 'constant' | 'poisson' | 'on-off' | 'recorded' }>;

export class DepartureTimes {
  readonly #spec: DatagramSpec;
  readonly #random: Random;
  /** Next entry of a recording. */
  #next = 0;
  /** on-off: when the present burst ends. */
  #burstEnd = 0;
  #due: number;

  constructor(spec: DatagramSpec, random: Random) {
    this.#spec = spec;
    this.#random = random;
    this.#due = spec.start;
    if (spec.model === 'recorded') this.#due += spec.times[0] ?? Infinity;
    // Flows of one source do not start in step, nor do seeds.
    else this.#due += random.fraction() * this.#gap();
    if (spec.model === 'on-off') this.#burstEnd = this.#due + random.exponential(spec.on);
  }

  /** Nanoseconds; Infinity after the last packet of a recording. */
  get due(): number {
    return this.#due;
  }

  /** Inner octets of the packet that is due. */
  get size(): number {
    const spec = this.#spec;
    return spec.model === 'recorded' ? spec.sizes[this.#next]! : spec.packet;
  }

  /** On to the next packet. */
  advance(): void {
    this.#due = this.#following();
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
