/** What `tunloom compare` does; the command line reads it when it is wanted. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { toCsv } from '../../compare/csv.ts';
import type { CompareResult, Job } from '../../compare/job.ts';
import { libraryNames, scenarioFile } from '../../compare/library.ts';
import { planJobs } from '../../compare/plan.ts';
import { type Ranking, fewestSeeds, rank, verdictText } from '../../compare/ranking.ts';
import { compareReal } from '../../compare/real.ts';
import { standalone } from '../../compare/report/charts.ts';
import { renderPage } from '../../compare/report/page.ts';
import { colourNumbers, scenarioCharts } from '../../compare/report/scenario-charts.ts';
import { loadScenario } from '../../compare/scenario.ts';
import { inOrder, readAll, runSweep, shardOf } from '../../compare/sweep.ts';
import { TunloomError } from '../../errors.ts';
import { type CompareOptions, DEFAULT_SCENARIOS, DEFAULT_SEEDS, REAL_SEEDS } from '../commands/compare.ts';
import { formatDuration, formatTable, print } from '../output.ts';
import { formatComparisons } from './real-comparison-table.ts';

const DEFAULT_SCHEDULERS = [
  'weighted',
  'deficit',
  'flow-hash',
  'flowlet',
  'lowest-delay',
  'edpf',
  'blest',
  'ecf',
];
const REAL_SCHEDULERS = ['weighted', 'lowest-delay', 'edpf'];

export async function runCompare(scenarios: string[], options: CompareOptions): Promise<void> {
  if (options.list) return listScenarios(options.json ?? false);
  if (options.real) return runReal(scenarios, options);
  const results = inOrder(options.merge ? readAll(options.merge) : await run(scenarios, options));
  if (!results.length) throw new TunloomError('BAD_ARGUMENT', 'compare: there are no results to report');
  const rankings = rank(results);
  if (options.csv) writeFile(options.csv, toCsv(results));
  if (options.html) writeFile(options.html, renderPage(rankings));
  if (options.svg) writeCharts(options.svg, rankings);
  for (const warning of refusedPicks(results)) process.stderr.write(`${warning}\n`);
  print(options.json ?? false, { results, rankings: rankings.map(withoutRuns) }, () =>
    rankings.map(formatRanking).join('\n\n'),
  );
}

/** For JSON, which has the runs already. */
function withoutRuns({ scenario, standings }: Ranking): unknown {
  return { scenario, standings: standings.map((standing) => ({ ...standing, results: undefined })) };
}

async function runReal(scenarios: string[], options: CompareOptions): Promise<void> {
  for (const name of ['oracle', 'results', 'shard', 'merge', 'threads', 'csv', 'html', 'svg'] as const) {
    if (options[name] !== undefined)
      throw new TunloomError('BAD_ARGUMENT', `compare: --real does not go with --${name}`);
  }
  const jobs = await plan(scenarios, options, REAL_SCHEDULERS, REAL_SEEDS);
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort(new TunloomError('INTERRUPTED', 'interrupted'));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const showStep = (step: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${step && `... ${step}`}`);
  };
  const comparisons = await compareReal(jobs, showStep, interrupt.signal);
  print(options.json ?? false, { comparisons }, () => formatComparisons(comparisons));
}

function plan(
  scenarios: string[],
  options: CompareOptions,
  schedulers = DEFAULT_SCHEDULERS,
  seeds = DEFAULT_SEEDS,
): Promise<Job[]> {
  return planJobs({
    scenarios: scenarios.length ? scenarios : DEFAULT_SCENARIOS,
    schedulers: options.scheduler.length ? options.scheduler : schedulers,
    seeds: options.seeds === undefined ? seeds : whole(options.seeds, '--seeds', 1000),
    settings: options.set,
    links: options.link,
    oracle: options.oracle ?? false,
    duration: options.duration === undefined ? null : positive(options.duration, '--duration', 3600),
  });
}

async function run(scenarios: string[], options: CompareOptions): Promise<CompareResult[]> {
  const jobs = await plan(scenarios, options);
  const shard = /^([1-9]\d*)\/([1-9]\d*)$/.exec(options.shard ?? '1/1');
  const [index, count] = [Number(shard?.[1]), Number(shard?.[2])];
  if (!shard || index > count)
    throw new TunloomError('BAD_ARGUMENT', `--shard ${options.shard}: expected i/n, 1/4 to 4/4`);
  if (options.shard && !options.results)
    throw new TunloomError('BAD_ARGUMENT', '--shard needs --results FILE');
  const results = await runSweep(shardOf(jobs, index, count), {
    file: options.results ?? null,
    ...(options.threads === undefined ? {} : { threads: whole(options.threads, '--threads', 256) }),
    progress: process.stderr.isTTY ? showProgress : () => {},
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  return results;
}

function showProgress(done: number, total: number, seconds: number): void {
  const width = 30;
  const filled = Math.round((done / total) * width);
  const left = formatDuration((seconds / done) * (total - done));
  process.stderr.write(
    `\r\u001b[K[${'='.repeat(filled)}${' '.repeat(width - filled)}] ${done}/${total}, ${left} left`,
  );
}

function formatRanking({ scenario, standings }: Ranking): string {
  const seeds = standings[0]!.results.length;
  const needed = fewestSeeds(Math.max(1, standings.length - 1));
  const lack = seeds < needed ? `, too few to tell differences: that takes ${needed}` : '';
  const title = `${scenario} (${seeds} seed${seeds === 1 ? '' : 's'}${lack})`;
  const head = [
    'scheduler',
    'Mbit/s',
    '+-',
    'efficiency',
    'delay p50',
    'p99 ms',
    'reordered before',
    'after %',
    'loss %',
    'rtx',
    'done ms',
    'against the best',
  ];
  const rows = standings.map((standing) => [
    [
      standing.scheduler,
      ...Object.entries(standing.parameters).map(([name, value]) => `${name}=${value}`),
    ].join(' '),
    standing.goodput.mean.toFixed(2),
    fixed(standing.goodput.half, 2),
    standing.efficiency.toFixed(3),
    fixed(standing.delay50, 1),
    fixed(standing.delay99, 1),
    standing.reorderedBefore.toFixed(2),
    standing.reorderedAfter.toFixed(3),
    standing.loss.toFixed(3),
    standing.retransmits.toFixed(0),
    fixed(standing.completion50, 0),
    verdictText(standing),
  ]);
  return `${title}\n${formatTable(head, rows)}`;
}

/** A line for each scheduler that named paths which there are not. */
function refusedPicks(results: readonly CompareResult[]): string[] {
  const counts = new Map<string, number>();
  for (const { scheduler, metrics } of results)
    counts.set(scheduler, (counts.get(scheduler) ?? 0) + metrics.picksRefused);
  return [...counts].flatMap(([scheduler, count]) =>
    count
      ? [
          `tunloom: ${scheduler}: ${count} picks named no path (0 up to pathCount less one): these packets went to the first`,
        ]
      : [],
  );
}

function fixed(value: number | null, digits: number): string {
  return value?.toFixed(digits) ?? '-';
}

function listScenarios(json: boolean): void {
  const all = libraryNames().map((name) => ({
    name,
    description: loadScenario(scenarioFile(name)).description,
  }));
  print(json, all, () =>
    formatTable(
      ['scenario', 'what it is'],
      all.map(({ name, description }) => [name, description]),
    ),
  );
}

function writeCharts(folder: string, rankings: readonly Ranking[]): void {
  const colours = colourNumbers(rankings);
  for (const ranking of rankings) {
    for (const { name, svg } of scenarioCharts(ranking, colours)) {
      writeFile(
        path.join(folder, `${ranking.scenario.replaceAll(/[^\w.-]/g, '_')}-${name}.svg`),
        standalone(svg),
      );
    }
  }
}

function writeFile(file: string, text: string): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  } catch (error) {
    throw new TunloomError('BAD_ARGUMENT', `${file}: ${(error as Error).message}`, { cause: error });
  }
}

function positive(text: string, option: string, limit: number): number {
  const value = Number(text);
  if (!(value > 0 && value <= limit))
    throw new TunloomError('BAD_ARGUMENT', `${option} ${text}: a number above 0, up to ${limit}`);
  return value;
}

function whole(text: string, option: string, limit: number): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= limit))
    throw new TunloomError('BAD_ARGUMENT', `${option} ${text}: a whole number, 1 to ${limit}`);
  return value;
}
