/** The charts of one scenario: goodput over all seeds; delays, densities and courses of the run with the first seed. */
import type { Density } from '../../sim/metrics/density.ts';
import type { DirectionResult, SimResult } from '../../sim/result.ts';
import { DIRECTIONS, type Direction } from '../../sim/spec.ts';
import type { Ranking, Standing } from '../ranking.ts';
import { type Series, barChart, lineChart } from './charts.ts';

export interface NamedChart {
  readonly name: string;
  readonly svg: string;
}

/** Per cent of the packets below which a density is not drawn. */
const LEAST_DENSITY = 0.01;

/** Number of the colour of each scheduler, by title: the same in every scenario. */
export function colourNumbers(rankings: readonly Ranking[]): ReadonlyMap<string, number> {
  const titles = new Set(rankings.flatMap(({ standings }) => standings.map(titleOf)));
  return new Map([...titles].map((title, i) => [title, i]));
}

export function scenarioCharts({ standings }: Ranking, colours: ReadonlyMap<string, number>): NamedChart[] {
  const named = (standing: Standing): { name: string; colour: number } => {
    const name = titleOf(standing);
    return { name, colour: colours.get(name) ?? 0 };
  };
  const runs = standings.map(first);
  const lines = (pick: (metrics: SimResult) => Series['points']): Series[] =>
    standings.map((standing, i) => ({ ...named(standing), points: pick(runs[i]!) }));
  const direction = busier(runs);
  const course = (pick: (direction: DirectionResult) => readonly number[]): Series[] =>
    lines(({ directions }) => {
      const of = directions[direction];
      return pick(of).map((value, i) => [(i + 1) * of.series.step, value]);
    });
  const flow = largestFlow(runs);
  const stream = (
    pick: (stream: SimResult['flows'][number]['stream']) => readonly Density[],
    from = -Infinity,
  ): Series[] =>
    lines(({ flows }) => withZeros(pick(flows[flow]!.stream)).filter(([value]) => value >= from));
  const ofFlow = `${runs[0]!.flows[flow]!.name}, before the resequencer (RFC 5236)`;
  const path = runs[0]!.directions[direction].paths[0]!;
  const time = 'time, s';
  const charts: [string, string][] = [
    [
      'goodput',
      barChart(
        standings.map((standing) => ({
          ...named(standing),
          value: standing.goodput.mean,
          half: standing.goodput.half,
        })),
        { title: 'Goodput of all flows, mean and 95 % interval over seeds', x: '', y: 'goodput, Mbit/s' },
      ),
    ],
    [
      'delay',
      lineChart(
        lines(({ directions }) => {
          const { delayCurve } = directions[direction];
          return delayCurve.map((delay, i) => [delay, (100 * i) / (delayCurve.length - 1)]);
        }),
        { title: `One-way delay after the resequencer, ${direction}`, x: 'delay, ms', y: '% of packets' },
      ),
    ],
    [
      'throughput',
      lineChart(
        course(({ series }) => series.throughput.map((rate) => rate / 1e6)),
        { title: `Inner packets delivered, ${direction}`, x: time, y: 'throughput, Mbit/s' },
      ),
    ],
    [
      'held',
      lineChart(
        course(({ series }) => series.held),
        { title: `Depth of the resequencer, ${direction}`, x: time, y: 'packets' },
      ),
    ],
    [
      'share',
      lineChart(
        course(({ series }) => series.shares[0]!.map((share) => 100 * share)),
        { title: `Share of path ${path.bid} (${path.name}), ${direction}`, x: time, y: '% of packets' },
      ),
    ],
    [
      'queue',
      lineChart(
        course(({ series }) =>
          series.held.map((_, i) => series.queues.reduce((sum, queue) => sum + queue[i]!, 0) / 1000),
        ),
        { title: `Queues of all paths, ${direction}`, x: time, y: 'octets, kB' },
      ),
    ],
    [
      'displacement',
      lineChart(
        stream(({ densityBefore }) => densityBefore),
        {
          title: `Reorder density of ${ofFlow}`,
          x: 'displacement, packets (late: positive)',
          y: '% of packets',
          logFrom: LEAST_DENSITY,
        },
      ),
    ],
    [
      'occupancy',
      lineChart(
        stream(({ bufferDensityBefore }) => bufferDensityBefore, 0),
        {
          title: `Buffer-occupancy density of ${ofFlow}`,
          x: 'packets in the buffer',
          y: '% of arrivals',
          logFrom: LEAST_DENSITY,
        },
      ),
    ],
  ];
  return charts.map(([name, svg]) => ({ name, svg }));
}

export function titleOf({ scheduler, parameters }: Standing): string {
  return [scheduler, ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`)].join(' ');
}

function first(standing: Standing): SimResult {
  return standing.results.reduce((least, result) => (result.seed < least.seed ? result : least)).metrics;
}

/** The direction in which more was delivered by all together: curves of one chart are of one direction. */
function busier(runs: readonly SimResult[]): Direction {
  const total = (direction: Direction): number =>
    runs
      .flatMap(({ directions }) => directions[direction].series.throughput)
      .reduce((sum, rate) => sum + rate, 0);
  return DIRECTIONS.reduce((most, direction) => (total(direction) > total(most) ? direction : most));
}

/** Number of the flow that sent the most packets, in all runs together. */
function largestFlow(runs: readonly SimResult[]): number {
  const sent = runs[0]!.flows.map((_, i) => runs.reduce((sum, { flows }) => sum + flows[i]!.stream.sent, 0));
  return sent.indexOf(Math.max(...sent));
}

/** In per cent, with the values that did not occur, among them those at both ends, so that no line is drawn across them. */
function withZeros(density: readonly Density[]): [number, number][] {
  const shares = new Map(density.map(({ value, share }) => [value, 100 * share]));
  const least = density[0]?.value ?? 0;
  const most = density.at(-1)?.value ?? 0;
  return Array.from({ length: most - least + 3 }, (_, i) => [least - 1 + i, shares.get(least - 1 + i) ?? 0]);
}
