/** The result for people: a table in the terminal, and the Markdown of docs/performance.md. */
import Table from 'cli-table3';
import { METRICS, type Metric, type MetricKey } from './metric.ts';
import type { BenchResult, ScenarioResult } from './results.ts';
import type { Profile } from './profile.ts';
import { GROUPS, STAGE_NAMES } from './profile-groups.ts';
import { BARE } from './scenario.ts';
import type { TargetResult } from './targets.ts';

const TABLES = ['throughput', 'cost'] as const;

/** Everything as text for a terminal. */
export function formatTerminal(result: BenchResult): string {
  const sections = format(result, ({ head, rows }) => {
    const table = new Table({
      head: [...head],
      style: { head: [], border: [], compact: true },
      colAligns: head.map((_, column) => (column ? 'right' : 'left')),
    });
    for (const row of rows) table.push([...row]);
    return table.toString();
  });
  return [...sections.values()].join('\n\n');
}

/** Sections of docs/performance.md: `measurements`, which shows `chart` if there is one, and, with --perf, `profile`. */
export function formatMarkdown(result: BenchResult, chart: string | null): Map<string, string> {
  const sections = format(result, ({ head, rows }) => {
    const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
    const rule = head.map((_, column) => (column ? '---:' : '---'));
    return [head.map((title) => title.replace('\n', ', ')), rule, ...rows].map(line).join('\n');
  });
  const measurements = sections.get('measurements');
  if (measurements !== undefined && chart !== null) {
    sections.set('measurements', `![TCP, UDP and CPU time of all scenarios](${chart})\n\n${measurements}`);
  }
  return sections;
}

interface Cells {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function format(result: BenchResult, draw: (cells: Cells) => string): Map<string, string> {
  const sections = new Map<string, string>();
  const measurements = TABLES.map((name) => figures(result, name)).filter(({ head }) => head.length > 1);
  if (measurements.length) {
    const targets = { head: TARGET_HEAD, rows: result.targets.map(targetRow) };
    const list = remarks(result).map((remark) => `- ${remark}`);
    const parts = [heading(result), ...measurements.map(draw), draw(targets), list.join('\n')];
    sections.set('measurements', parts.join('\n\n'));
  }
  if (result.profiles.length) sections.set('profile', formatProfiles(result.profiles, draw).join('\n\n'));
  return sections;
}

function figures(result: BenchResult, table: Metric['table']): Cells {
  const metrics = METRICS.filter(
    (metric) => metric.table === table && result.scenarios.some(({ figures }) => figures[metric.key]),
  );
  return {
    head: ['', ...metrics.map(({ title, unit }) => `${title}\n${unit}`)],
    rows: result.scenarios.map((scenario) => [
      scenario.name,
      ...metrics.map((metric) => cell(scenario, metric)),
    ]),
  };
}

/** Of each load, with a column for each scenario: groups, stages, system calls, functions. */
function formatProfiles(profiles: readonly Profile[], draw: (cells: Cells) => string): string[] {
  const loads = [...new Set(profiles.map(({ load }) => load))];
  return loads.flatMap((load) =>
    formatLoad(
      load,
      profiles.filter((profile) => profile.load === load),
      draw,
    ),
  );
}

function formatLoad(load: string, profiles: readonly Profile[], draw: (cells: Cells) => string): string[] {
  const head = ['', ...profiles.map(({ scenario }) => scenario.replace('tunloom ', ''))];
  const row = (name: string, digits: number, value: (profile: Profile) => number | undefined): string[] => [
    name,
    ...profiles.map((profile) => value(profile)?.toFixed(digits) ?? '-'),
  ];
  const totals = [
    row('packets a second', 0, ({ packetsPerSecond }) => packetsPerSecond),
    row('all', 0, ({ nanosecondsPerPacket }) => nanosecondsPerPacket),
    ...GROUPS.map((name) => row(name, 0, ({ groups }) => groups[name] ?? 0)),
  ];
  const stages = STAGE_NAMES.map((name) => row(name, 0, ({ stages }) => stages[name] ?? 0));
  const calls = [...new Set(profiles.flatMap(({ systemCalls }) => Object.keys(systemCalls)))];
  const symbols = functionsByTime(profiles);
  return [
    `${load}: nanoseconds of CPU a packet, both ends together, by what it is spent on, then by stage`,
    draw({ head, rows: totals }),
    draw({ head, rows: stages }),
    'system calls and context switches of both ends a packet',
    draw({ head, rows: calls.map((call) => row(call, 3, ({ systemCalls }) => systemCalls[call])) }),
    'functions with most time of their own, nanoseconds a packet; - where not among the first of a column',
    draw({
      head,
      rows: symbols.map((symbol) =>
        row(
          `\`${symbol}\``,
          0,
          ({ functions }) => functions.find((entry) => entry.symbol === symbol)?.nanoseconds,
        ),
      ),
    }),
  ];
}

/** Symbols of all profiles, those with the largest figure first. */
function functionsByTime(profiles: readonly Profile[]): string[] {
  const most = new Map<string, number>();
  for (const { symbol, nanoseconds } of profiles.flatMap(({ functions }) => functions)) {
    most.set(symbol, Math.max(nanoseconds, most.get(symbol) ?? 0));
  }
  return [...most].sort(([, a], [, b]) => b - a).map(([symbol]) => symbol);
}

const TARGET_HEAD = ['target', 'wanted', 'measured', 'met', 'against'];

function targetRow({ what, target, value, met, against }: TargetResult): string[] {
  return [what, target, number(value), verdict(met), against ?? ''];
}

function heading({ machine, runs, seconds }: BenchResult): string {
  return (
    `${machine.cores} cores (${machine.cpu}), Linux ${machine.kernel}, Node ${machine.node}; ` +
    `other load ${(machine.otherLoad * 100).toFixed(0)} % of the cores; medians of ${runs}, TCP for ${seconds} s; in parentheses: ratio to bare veth in this run, or difference from it.`
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
