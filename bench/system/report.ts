/** The result for people: a table in the terminal, and the Markdown of docs/performance.md. */
import Table from 'cli-table3';
import { METRICS, type Metric, type MetricKey } from './metric.ts';
import type { BenchResult, ScenarioResult } from './results.ts';
import { BARE } from './scenario.ts';
import type { TargetResult } from './targets.ts';

const TABLES = ['throughput', 'cost'] as const;

/** Everything as text for a terminal. */
export function formatTerminal(result: BenchResult): string {
  const tables = TABLES.flatMap((name) => {
    const metrics = measured(result, name);
    if (!metrics.length) return [];
    const head = ['', ...metrics.map(({ title, unit }) => `${title}\n${unit}`)];
    const rows = result.scenarios.map((scenario) => [
      scenario.name,
      ...metrics.map((metric) => cell(scenario, metric)),
    ]);
    return [drawTable(head, rows), ''];
  });
  const targets = drawTable(TARGET_HEAD, result.targets.map(targetRow));
  return [heading(result), '', ...tables, targets, '', ...remarks(result)].join('\n');
}

/** The tables of docs/performance.md: written by the bench, so that no figure is copied by hand. */
export function formatMarkdown(result: BenchResult): string {
  const tables = TABLES.flatMap((name) => {
    const metrics = measured(result, name);
    if (!metrics.length) return [];
    const head = ['', ...metrics.map(({ title, unit }) => `${title}, ${unit}`)];
    const rows = result.scenarios.map((scenario) => [
      scenario.name,
      ...metrics.map((metric) => cell(scenario, metric)),
    ]);
    return [...markdownTable(head, rows), ''];
  });
  return [
    heading(result),
    '',
    ...tables,
    ...markdownTable(TARGET_HEAD, result.targets.map(targetRow)),
    '',
    ...remarks(result).map((remark) => `- ${remark}`),
    '',
  ].join('\n');
}

const TARGET_HEAD = ['target', 'wanted', 'measured', 'met', 'against'];

function targetRow({ what, target, value, met, against }: TargetResult): string[] {
  return [what, target, number(value), verdict(met), against ?? ''];
}

function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, column) => (column ? 'right' : 'left')),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [head, head.map((_, column) => (column ? '---:' : '---')), ...rows].map(line);
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function heading({ machine, runs, seconds }: BenchResult): string {
  return (
    `${machine.cores} cores (${machine.cpu}), Linux ${machine.kernel}, Node ${machine.node}; ` +
    `medians of ${runs}, TCP for ${seconds} s; in parentheses: ratio to bare veth in this run, or difference from it.`
  );
}

/** Metrics that at least one scenario has. */
function measured(result: BenchResult, table: Metric['table']): Metric[] {
  return METRICS.filter(
    (metric) => metric.table === table && result.scenarios.some(({ figures }) => figures[metric.key]),
  );
}

function cell({ figures, errors, name }: ScenarioResult, metric: Metric): string {
  const figure = figures[metric.key as MetricKey];
  if (!figure) return errors.length ? 'failed' : '-';
  const value = figure.median.toFixed(metric.digits);
  if (figure.toBare === null || name === BARE) return value;
  if (metric.compare === 'ratio') return `${value} (${figure.toBare.toFixed(2)})`;
  return `${value} (${figure.toBare < 0 ? '' : '+'}${figure.toBare.toFixed(metric.digits)})`;
}

function remarks({ scenarios, absent }: BenchResult): string[] {
  const lines = scenarios
    .filter(({ kind }) => kind === 'peer')
    .map(({ name, settings, paths }) => `${name} ${settings}; ${paths} path${paths > 1 ? 's' : ''}.`);
  if (absent.length) lines.push(`Not installed: ${absent.join(', ')}.`);
  for (const { name, notes, errors } of scenarios) {
    for (const note of notes) lines.push(`${name}: ${note}.`);
    for (const error of errors) lines.push(`${name} failed: ${error}.`);
  }
  return lines;
}

function number(value: number | null): string {
  if (value === null) return '-';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function verdict(met: boolean | null): string {
  if (met === null) return 'not measured';
  return met ? 'yes' : 'NO';
}
