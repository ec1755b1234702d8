/** The target table with what was measured, for people and for docs/policy.md. */
import type { Figures, Row } from './rows.ts';

export interface RowResult {
  readonly row: Row;
  /** Empty: not about TCP. */
  readonly congestion: string;
  readonly medians: Figures;
  /** Of every run. */
  readonly runs: readonly Figures[];
}

export function formatMarkdown(results: readonly RowResult[]): string {
  const lines = results.map(({ row, congestion, medians, runs }) => {
    const measured = Object.entries(medians).map(([name, value]) => {
      const all = runs.map((figures) => format(figures[name]!));
      const unit = name === '%' ? ' %' : ` ${name}`;
      return `${format(value)}${unit}${all.length > 1 ? ` (${all.join(', ')})` : ''}`;
    });
    const verdict = row.reached(medians) ? 'reached' : '**missed**';
    return `| ${[row.title, congestion || '-', row.target, measured.join('; '), verdict].join(' | ')} |`;
  });
  return [
    '| scenario | TCP | target | median (all runs) | |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}

export function formatLine({ row, congestion, medians }: RowResult): string {
  const figures = Object.entries(medians).map(([name, value]) => `${name} ${format(value)}`);
  return `${row.key.padEnd(12)} ${congestion.padEnd(6)} ${figures.join('  ')}  (${row.target})`;
}

function format(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'failed' : 'never';
  return Math.abs(value) < 10 ? value.toFixed(2).replace(/\.?0+$/, '') : value.toFixed(value < 100 ? 1 : 0);
}
