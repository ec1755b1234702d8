/** The same scenarios simulated and real, side by side: links, traffic and events in the simulator and in the lab, seed by seed. */
import { accessSync, constants } from 'node:fs';
import { compileHotPath } from '../dataplane/wasm.ts';
import { TunloomError } from '../errors.ts';
import type { SimResult } from '../sim/result.ts';
import type { Quantiles } from '../sim/metrics/distribution.ts';
import { DIRECTIONS, type Direction, type SimSpec, type TrafficSpec } from '../sim/spec.ts';
import { Simulation } from '../sim/simulation.ts';
import { type Job, applyParameters } from './job.ts';
import { type ScenarioRun, runScenario } from '../lab/scenario/scenario-run.ts';
import { flowsOf } from '../lab/scenario/traffic-task.ts';
import { ratioInterval } from './statistics.ts';
import { tryOwnSchedulers } from './trial.ts';

/** A figure in both worlds; medians over the seeds. */
export interface Pair {
  readonly simulated: number;
  readonly real: number;
  /** Simulated over real, minus 1; null if there is nothing to compare with. */
  readonly difference: number | null;
  /** 95 % interval of what the difference is beyond the scatter of runs; null where runs are fewer than four, or zero. */
  readonly interval: readonly [number, number] | null;
  /** The figure of each run, by seed; null where the run has none. */
  readonly runs: Readonly<Record<'simulated' | 'real', readonly (number | null)[]>>;
}

export interface TrafficComparison {
  readonly name: string;
  readonly direction: Direction;
  /** cubic, reno, bbr, or the model of the source. */
  readonly model: string;
  readonly flows: number;
  /** Bits a second that applications got, all flows of the entry together. */
  readonly goodput: Pair;
  /** Of datagrams; null for TCP. */
  readonly lossRatio: Pair | null;
  /** RFC 4737, after the resequencer; null for TCP. */
  readonly reordered: Pair | null;
  /** One-way milliseconds of datagrams, after the resequencer: means over the flows of their quantiles; null for TCP. */
  readonly delay: Readonly<Record<'p50' | 'p99', Pair>> | null;
  /** Median milliseconds of finished transfers; null without any. */
  readonly completion: Pair | null;
}

export interface RealComparison {
  readonly scenario: string;
  readonly scheduler: string;
  readonly parameters: Job['parameters'];
  readonly seeds: number;
  readonly goodput: Pair;
  readonly retransmits: Pair;
  readonly timeouts: Pair;
  readonly traffic: readonly TrafficComparison[];
  /** Share of a direction's packets by path, in the order of the scenario's paths. */
  readonly shares: Readonly<Record<Direction, readonly Pair[]>>;
  /** Packets declared lost by the resequencer of each direction, whatever the cause. */
  readonly declaredLost: Readonly<Record<Direction, Pair>>;
}

/** Runs every job in both worlds. Throws NO_LAB without root or TUN, and what the lab throws. */
export async function compareReal(
  jobs: readonly Job[],
  progress: (step: string) => void,
  signal: AbortSignal,
): Promise<RealComparison[]> {
  if (process.getuid?.() !== 0)
    throw new TunloomError(
      'NO_LAB',
      '--real needs root: network namespaces and TUN devices (without --real, links are simulated)',
    );
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    throw new TunloomError('NO_LAB', '--real needs /dev/net/tun', { cause: error });
  }
  await tryOwnSchedulers(jobs);
  const builtIn = await compileHotPath();
  const cells = Map.groupBy(jobs, ({ scenario, scheduler, parameters }) =>
    JSON.stringify([scenario, scheduler, parameters]),
  );
  const comparisons: RealComparison[] = [];
  let done = 0;
  for (const cell of cells.values()) {
    const runs: Run[] = [];
    for (const job of cell) {
      const { scenario, scheduler, seed } = job;
      progress(`${++done}/${jobs.length}: ${scenario}, ${scheduler}, seed ${seed}`);
      const { spec, distribution } = applyParameters(job);
      const simulated = new Simulation(job.module ?? builtIn, { spec, seed, distribution }).run();
      runs.push({ simulated, real: await runScenario({ spec, distribution, file: job.file, seed }, signal) });
    }
    comparisons.push(compareCell(cell[0]!, runs));
  }
  progress('');
  return comparisons;
}

interface Run {
  readonly simulated: SimResult;
  readonly real: ScenarioRun;
}

function compareCell(job: Job, runs: readonly Run[]): RealComparison {
  const { spec } = job;
  const pair = (simulated: (run: SimResult) => number, real: (run: ScenarioRun) => number): Pair =>
    pairOf(
      runs.map((run) => simulated(run.simulated)),
      runs.map((run) => real(run.real)),
    );
  const seconds = spec.duration / 1e9;
  return {
    scenario: job.scenario,
    scheduler: job.scheduler,
    parameters: job.parameters,
    seeds: runs.length,
    goodput: pair(
      ({ goodput }) => goodput,
      ({ mag, lma }) => (8 * sum([...mag.received, ...lma.received].map(({ octets }) => octets))) / seconds,
    ),
    retransmits: pair(
      ({ retransmits }) => retransmits,
      ({ mag, lma }) => mag.retransmits + lma.retransmits,
    ),
    timeouts: pair(
      ({ timeouts }) => timeouts,
      ({ mag, lma }) => mag.timeouts + lma.timeouts,
    ),
    traffic: spec.traffic.map((entry, i) => compareEntry(spec, entry, i, runs)),
    shares: byDirection((direction) =>
      spec.paths.map((_, path) =>
        pair(
          ({ directions }) => directions[direction].paths[path]!.share,
          ({ shares }) => shares[direction][path]!,
        ),
      ),
    ),
    declaredLost: byDirection((direction) =>
      pair(
        ({ directions }) => lostOf(directions[direction].resequencer),
        ({ resequencers }) => lostOf(resequencers[direction]),
      ),
    ),
  };
}

/** One entry of the scenario's traffic, all its flows. */
function compareEntry(
  spec: SimSpec,
  entry: TrafficSpec,
  index: number,
  runs: readonly Run[],
): TrafficComparison {
  const first = sum(spec.traffic.slice(0, index).map(({ flows }) => flows));
  const numbers = new Set(
    flowsOf(spec.traffic).flatMap(({ flow }) => (flow >= first && flow < first + entry.flows ? [flow] : [])),
  );
  const seconds = (Math.min(entry.stop, spec.duration) - entry.start) / 1e9;
  const simulated = runs.map((run) => run.simulated.flows.filter((_, flow) => numbers.has(flow)));
  const [receiver, sender] =
    entry.direction === 'uplink' ? (['lma', 'mag'] as const) : (['mag', 'lma'] as const);
  const received = runs.map(({ real }) => real[receiver].received.filter(({ flow }) => numbers.has(flow)));
  const sent = runs.map(({ real }) =>
    sum(real[sender].sent.flatMap(({ flow, datagrams }) => (numbers.has(flow) ? [datagrams] : []))),
  );
  const isTcp = entry.model === 'tcp' || entry.model === 'requests';
  const arrived = received.map((flows) => sum(flows.map(({ datagrams }) => datagrams)));
  const completions = {
    simulated: simulated.map((flows) =>
      medianOrNull(flows.flatMap(({ completion }) => (completion.count ? [completion.p50] : []))),
    ),
    real: received.map((flows) => medianOrNull(flows.flatMap((flow) => flow.completions))),
  };
  const meanDelay = (
    flows: readonly { readonly delay: Quantiles }[],
    quantile: 'p50' | 'p99',
  ): number | null => meanOrNull(flows.flatMap(({ delay }) => (delay.count ? [delay[quantile]] : [])));
  const delay = (quantile: 'p50' | 'p99'): Pair =>
    pairOf(
      simulated.map((flows) => meanDelay(flows, quantile)),
      received.map((flows) => meanDelay(flows, quantile)),
    );
  return {
    name: entry.name,
    direction: entry.direction,
    model: entry.model === 'tcp' ? entry.congestion : entry.model,
    flows: entry.flows,
    goodput: pairOf(
      simulated.map((flows) => sum(flows.map(({ goodput }) => goodput))),
      received.map((flows) => (8 * sum(flows.map(({ octets }) => octets))) / seconds),
    ),
    lossRatio: isTcp
      ? null
      : pairOf(
          simulated.map((flows) => mean(flows.map(({ stream }) => stream.lossRatio))),
          arrived.map((count, run) => (sent[run] ? 1 - count / sent[run] : 0)),
        ),
    reordered: isTcp
      ? null
      : pairOf(
          simulated.map((flows) => mean(flows.map(({ stream }) => stream.reorderingAfter.ratio))),
          received.map((flows, run) =>
            arrived[run] ? sum(flows.map(({ reordered }) => reordered)) / arrived[run] : 0,
          ),
        ),
    delay: isTcp ? null : { p50: delay('p50'), p99: delay('p99') },
    completion: completions.real.some((value) => value !== null)
      ? pairOf(completions.simulated, completions.real)
      : null,
  };
}

function lostOf({ lostProven, lostTimeout, lostWindow }: ScenarioRun['resequencers'][Direction]): number {
  return lostProven + lostTimeout + lostWindow;
}

function byDirection<T>(make: (direction: Direction) => T): Record<Direction, T> {
  return Object.fromEntries(DIRECTIONS.map((direction) => [direction, make(direction)])) as Record<
    Direction,
    T
  >;
}

function pairOf(simulated: readonly (number | null)[], real: readonly (number | null)[]): Pair {
  const [known, knownReal] = [simulated, real].map((runs) => runs.filter((run) => run !== null));
  const pair = { simulated: median(known!), real: median(knownReal!) };
  return {
    ...pair,
    difference: pair.real ? pair.simulated / pair.real - 1 : null,
    interval: ratioInterval(known!, knownReal!),
    runs: { simulated, real },
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return values.length ? sum(values) / values.length : 0;
}

function meanOrNull(values: readonly number[]): number | null {
  return values.length ? mean(values) : null;
}

function medianOrNull(values: readonly number[]): number | null {
  return values.length ? median(values) : null;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (!sorted.length) return 0;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
