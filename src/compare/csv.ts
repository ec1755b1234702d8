/** Results as CSV (RFC 4180): one line a run, the plain numbers. */
import type { Quantiles } from '../sim/metrics/distribution.ts';
import type { CompareResult } from './job.ts';

const COLUMNS: readonly (readonly [string, (result: CompareResult) => string | number])[] = [
  ['scheduler', ({ scheduler }) => scheduler],
  ['scenario', ({ scenario }) => scenario],
  ['seed', ({ seed }) => seed],
  [
    'parameters',
    ({ parameters }) =>
      Object.entries(parameters)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
  ],
  ['goodput_bps', ({ metrics }) => metrics.goodput],
  ['efficiency', ({ metrics }) => metrics.efficiency],
  ['delay_p50_ms', ({ metrics }) => timeOf(metrics.delay, 'p50')],
  ['delay_p99_ms', ({ metrics }) => timeOf(metrics.delay, 'p99')],
  ['reordered_before', ({ metrics }) => metrics.reorderedBefore],
  ['reordered_after', ({ metrics }) => metrics.reorderedAfter],
  ['loss', ({ metrics }) => metrics.lossRatio],
  ['fairness', ({ metrics }) => metrics.fairness],
  ['retransmits', ({ metrics }) => metrics.retransmits],
  ['timeouts', ({ metrics }) => metrics.timeouts],
  ['completion_p50_ms', ({ metrics }) => timeOf(metrics.completion, 'p50')],
];

/** Empty where nothing was measured. */
function timeOf(times: Quantiles, quantile: 'p50' | 'p99'): number | string {
  return times.count ? times[quantile] : '';
}

export function toCsv(results: readonly CompareResult[]): string {
  const rows = results.map((result) => COLUMNS.map(([, value]) => quote(value(result))).join(','));
  return [COLUMNS.map(([name]) => name).join(','), ...rows, ''].join('\r\n');
}

function quote(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
