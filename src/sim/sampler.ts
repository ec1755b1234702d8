/** Time series: goodput, shares, queues and resequencer depth in equal steps. */
import type { Simulation } from './simulation.ts';
import type { Direction } from './spec.ts';

const STEPS = 100;

/** One value a step; by path where it says so. */
export interface TimeSeries {
  /** Seconds of a step. */
  readonly step: number;
  /** Bits a second of inner packets that came out. */
  readonly throughput: number[];
  readonly shares: number[][];
  /** Octets that waited at the end of the step. */
  readonly queues: number[][];
  readonly held: number[];
}

export class Sampler {
  readonly series: Readonly<Record<Direction, TimeSeries>>;
  readonly #simulation: Simulation;
  readonly #step: number;
  readonly #number: number;
  #steps = 0;
  /** Delivered octets and packets by path at the end of the last step. */
  readonly #octets = { uplink: 0, downlink: 0 };
  readonly #before: Record<Direction, number[]>;

  constructor(simulation: Simulation, duration: number) {
    this.#simulation = simulation;
    this.#step = Math.max(1, Math.round(duration / STEPS));
    const paths = simulation.sides.uplink.links.length;
    const empty = (): TimeSeries => ({
      step: this.#step / 1e9,
      throughput: [],
      shares: Array.from({ length: paths }, () => []),
      queues: Array.from({ length: paths }, () => []),
      held: [],
    });
    this.series = { uplink: empty(), downlink: empty() };
    this.#before = { uplink: Array(paths).fill(0), downlink: Array(paths).fill(0) };
    this.#number = simulation.loop.register((now) => this.#run(now));
    simulation.loop.at(this.#number, this.#step);
  }

  #run(now: number): void {
    for (const direction of ['uplink', 'downlink'] as const) {
      const { links, shares, deliveredOctets } = this.#simulation.sides[direction];
      const series = this.series[direction];
      series.throughput.push(((deliveredOctets - this.#octets[direction]) * 8e9) / this.#step);
      this.#octets[direction] = deliveredOctets;
      const counts = shares.counts.map((count, i) => count - this.#before[direction][i]!);
      this.#before[direction] = [...shares.counts];
      const total = counts.reduce((sum, count) => sum + count, 0);
      links.forEach((link, i) => {
        series.shares[i]!.push(total ? counts[i]! / total : 0);
        series.queues[i]!.push(link.queued(now));
      });
      series.held.push(direction === 'uplink' ? this.#simulation.lma.held : this.#simulation.mag.held);
    }
    if (++this.#steps < STEPS) this.#simulation.loop.at(this.#number, now + this.#step);
  }
}
