/**
 * `npm run bench:policy`: the target table of distribution, adaptive weights and failover on emulated links (docs/policy.md). Decides which
 * scheduler and which settings are recommended, and whether the targets are met. Needs root and iperf3.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { SCHEDULERS, type SchedulerName } from '../../src/dataplane/distribution-spec.ts';
import { hasIperf3 } from '../../src/lab/iperf3.ts';
import { median } from '../../src/lab/measurement.ts';
import { replaceSection } from '../system/marked-section.ts';
import { type RowResult, formatLine, formatMarkdown } from './report.ts';
import { type Figures, ROWS, type Row } from './rows.ts';

interface Options {
  readonly only?: readonly Row[];
  readonly runs: number;
  readonly congestion?: readonly string[];
  readonly scheduler?: SchedulerName;
  readonly equalDelay?: boolean;
  readonly markdown?: string;
  readonly json: boolean;
}

const options = new Command('bench:policy')
  .description(
    'Measures the target table of distribution and failover on emulated links. Needs root and iperf3.',
  )
  .option('--only <rows>', `some of ${ROWS.map(({ key }) => key).join(', ')}`, rowsOf)
  .option('--runs <number>', 'of each row; medians count', Number, 3)
  .option('--congestion <names>', 'other congestion controls than the rows name', (text) => text.split(','))
  .option('--scheduler <name>', 'another scheduler than the rows name', schedulerOf)
  .option('--equal-delay', 'all paths as long as the longest for what the LMA gets, whatever the rows say')
  .option('--no-equal-delay', 'paths as long as they are')
  .option('--markdown <file>', 'write the table into its section of a document such as docs/policy.md')
  .option('--json', 'every figure', false)
  .parse()
  .opts<Options>();

if (process.getuid?.() !== 0 || !hasIperf3()) {
  process.stderr.write('bench:policy: needs root and iperf3(1)\n');
  process.exit(1);
}

const results: RowResult[] = [];
for (const row of options.only ?? ROWS) {
  for (const congestion of row.congestion.length ? (options.congestion ?? row.congestion) : ['']) {
    const runs: Figures[] = [];
    const { scheduler, equalDelay } = options;
    const setting = {
      ...row.setting,
      ...(scheduler && { scheduler }),
      ...(equalDelay !== undefined && { equalDelay: equalDelay ? (['lma'] as const) : [] }),
    };
    for (let run = 0; run < Math.min(options.runs, row.runs ?? Infinity); run++) {
      runs.push(await row.run(setting, congestion));
    }
    const names = Object.keys(runs[0]!);
    const medians = Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]!))]));
    results.push({ row, congestion, medians, runs });
    if (!options.json) process.stdout.write(`${formatLine(results.at(-1)!)}\n`);
  }
}
if (options.json) {
  const plain = results.map(({ row, ...rest }) => ({
    row: row.key,
    reached: row.reached(rest.medians),
    ...rest,
  }));
  process.stdout.write(`${JSON.stringify(plain, null, 2)}\n`);
}
if (options.markdown !== undefined) {
  const document = existsSync(options.markdown) ? readFileSync(options.markdown, 'utf8') : '';
  const table = formatMarkdown(results);
  writeFileSync(options.markdown, replaceSection(document, 'targets', table, 'bench:policy') ?? `${table}\n`);
}

function rowsOf(text: string): Row[] {
  return text.split(',').map((key) => {
    const row = ROWS.find((row) => row.key === key);
    if (!row) throw new InvalidArgumentError(`no row ${key}`);
    return row;
  });
}

function schedulerOf(text: string): SchedulerName {
  const found = SCHEDULERS.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`one of ${SCHEDULERS.join(', ')}`);
  return found;
}
