/** The charts of one scenario: goodput over all seeds; delays, densities and courses of the run with the first seed. */
import type { Density } from '../../sim/metrics/density.ts';
import type { DirectionResult, SimResult } from '../../sim/result.ts';
import type { Ranking, Standing } from '../ranking.ts';
import { type Series, barChart, lineChart } from './charts.ts';

export interface NamedChart {
  readonly name: string;
  readonly svg: string;
}

export function scenarioCharts({ standings }: Ranking): NamedChart[] {
  const lines = (pick: (metrics: SimResult) => Series['points']): Series[] =>
    standings.map((standing) => ({ name: titleOf(standing), points: pick(first(standing)) }));
  const charts: [string, string][] = [
    [
      'goodput',
      barChart(
        standings.map((standing) => ({
          name: titleOf(standing),
          value: standing.goodput.mean,
          half: standing.goodput.half,
        })),
        { title: 'Goodput, mean and 95 % interval over seeds', x: '', y: 'Mbit/s' },
      ),
    ],
    [
      'delay',
      lineChart(
        lines((metrics) => {
          const { delayCurve } = busier(metrics);
          return delayCurve.map((delay, i) => [delay, (100 * i) / (delayCurve.length - 1)]);
        }),
        { title: 'One-way delay after the resequencer', x: 'ms', y: '% of packets' },
      ),
    ],
    [
      'throughput',
      lineChart(
        lines((metrics) => course(metrics, ({ series }) => series.throughput.map((rate) => rate / 1e6))),
        { title: 'Inner packets delivered', x: 's', y: 'Mbit/s' },
      ),
    ],
    [
      'held',
      lineChart(
        lines((metrics) => course(metrics, ({ series }) => series.held)),
        { title: 'Depth of the resequencer', x: 's', y: 'packets' },
      ),
    ],
    [
      'share',
      lineChart(
        lines((metrics) => course(metrics, ({ series }) => series.shares[0]!.map((share) => 100 * share))),
        { title: 'Share of the first path', x: 's', y: '% of packets' },
      ),
    ],
    [
      'queue',
      lineChart(
        lines((metrics) =>
          course(metrics, ({ series }) =>
            series.held.map((_, i) => series.queues.reduce((sum, queue) => sum + queue[i]!, 0) / 1000),
          ),
        ),
        { title: 'Queues of all paths', x: 's', y: 'kB' },
      ),
    ],
    [
      'displacement',
      lineChart(
        lines((metrics) => density(mostSent(metrics).densityBefore)),
        { title: 'Reorder density before the resequencer (RFC 5236)', x: 'displacement', y: '% of packets' },
      ),
    ],
    [
      'occupancy',
      lineChart(
        lines((metrics) => density(mostSent(metrics).bufferDensityBefore)),
        {
          title: 'Buffer-occupancy density before the resequencer (RFC 5236)',
          x: 'packets',
          y: '% of arrivals',
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

/** The direction in which more was delivered. */
function busier({ directions: { uplink, downlink } }: SimResult): DirectionResult {
  const total = ({ series }: DirectionResult): number =>
    series.throughput.reduce((sum, rate) => sum + rate, 0);
  return total(uplink) > total(downlink) ? uplink : downlink;
}

function mostSent({ flows }: SimResult): SimResult['flows'][number]['stream'] {
  return flows.reduce((most, flow) => (flow.stream.sent > most.stream.sent ? flow : most)).stream;
}

function course(
  metrics: SimResult,
  pick: (direction: DirectionResult) => readonly number[],
): [number, number][] {
  const direction = busier(metrics);
  return pick(direction).map((value, i) => [(i + 1) * direction.series.step, value]);
}

function density(values: readonly Density[]): [number, number][] {
  return values.map(({ value, share }) => [value, 100 * share]);
}
