/** Delays of all delivered packets, and time series: goodput, shares, queues and resequencer depth in equal steps. */
import type { Actor } from './event-loop.ts';
import { Collected } from './metrics/distribution.ts';
import type { Side, Simulation } from './simulation.ts';
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

export class Sampler implements Actor {
  readonly delays: Readonly<Record<Direction, { before: Collected; after: Collected }>> = {
    uplink: { before: new Collected(), after: new Collected() },
    downlink: { before: new Collected(), after: new Collected() },
  };
  readonly series: Readonly<Record<Direction, TimeSeries>>;
  readonly #simulation: Simulation;
  readonly #step: number;
  readonly #number: number;
  #steps = 0;
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
    this.#number = simulation.loop.register(this);
    simulation.loop.at(this.#number, this.#step);
  }

  delivered(side: Side, at: number, now: number): void {
    const { store } = this.#simulation;
    this.#octets[side.direction] += store.sizes[at]!;
    const delays = this.delays[side.direction];
    delays.before.push(store.arrived[at]! - store.sent[at]!);
    delays.after.push(now - store.sent[at]!);
  }

  run(now: number): void {
    for (const direction of ['uplink', 'downlink'] as const) {
      const { links, shares } = this.#simulation.sides[direction];
      const series = this.series[direction];
      series.throughput.push((this.#octets[direction] * 8e9) / this.#step);
      this.#octets[direction] = 0;
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
