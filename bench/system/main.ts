/**
 * `npm run bench:system`: what tunloom carries, beside bare veth (the limit) and other tunnels, in one run. Decides whether the
 * throughput targets are met. Runs go through all scenarios in turn, so that a slow minute of the machine hits all alike.
 * Needs root, iperf3 and ip(8). Files are written after every run: an interrupted bench leaves what it has.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { CommanderError } from 'commander';
import { hasIperf3 } from '../../src/lab/iperf3.ts';
import { otherLoad } from './cpu-time.ts';
import { replaceSections } from './marked-section.ts';
import { measure } from './measurement.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { formatMarkdown, formatTerminal } from './report.ts';
import { type BenchResult, Collection } from './results.ts';
import { hasPerf, profileScenario } from './profile.ts';
import { type Scenario, planScenarios } from './scenario.ts';
import { drawChart } from './svg.ts';

try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // commander has said what is wrong.
  process.exitCode = error.exitCode;
}

async function main(options: BenchOptions): Promise<number> {
  const missing = whatIsMissing(options);
  if (missing) {
    process.stderr.write(`bench:system: ${missing}\n`);
    return 1;
  }
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interruption.abort(new Error(`interrupted by ${signal}`)));
  }
  const { scenarios, absent } = planScenarios(options);
  const collection = new Collection();
  const guesses = new Map<string, number>();
  const { signal } = interruption;
  /** Does something for each scenario; one scenario's trouble is no reason to lose the others. */
  const forEach = async (some: readonly Scenario[], round: string, action: ScenarioAction): Promise<void> => {
    for (const [index, scenario] of some.entries()) {
      if (signal.aborted) break;
      const where = `${round}, ${index + 1}/${some.length} ${scenario.name}`;
      try {
        await action(scenario, (step) => tell(`${where}: ${step}`));
      } catch (error) {
        if (signal.aborted) break;
        const text = error instanceof Error ? error.message : String(error);
        collection.fail(scenario.name, text);
        tell(`${where}: FAILED, ${text}\n`);
      }
    }
    tell('');
  };
  const { only, seconds } = options;
  for (let run = 1; run <= options.runs && !signal.aborted; run++) {
    tell('looking at other load');
    collection.addOtherLoad(await otherLoad(signal).catch(() => 0));
    await forEach(scenarios, `run ${run}/${options.runs}`, async (scenario, progress) => {
      collection.add(scenario.name, await measure(scenario, { only, seconds, signal, guesses, progress }));
    });
    writeFiles(options, collection.result(scenarios, absent, { ...options, runs: run }));
  }
  if (options.perf) {
    const profiled = scenarios.filter(({ kind }) => kind === 'tunloom');
    await forEach(profiled, 'profile', async (scenario, progress) => {
      progress('perf');
      collection.addProfiles(await profileScenario(scenario, signal));
    });
    writeFiles(options, collection.result(scenarios, absent, options));
  }
  const result = collection.result(scenarios, absent, options);
  process.stdout.write(`${formatTerminal(result)}\n`);
  if (signal.aborted) process.stderr.write(`bench:system: ${(signal.reason as Error).message}\n`);
  return signal.aborted || result.scenarios.some(({ errors }) => errors.length) ? 1 : 0;
}

type ScenarioAction = (scenario: Scenario, progress: (step: string) => void) => Promise<void>;

function whatIsMissing(options: BenchOptions): string | null {
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces and TUN devices';
  if (!hasIperf3()) return 'needs iperf3(1)';
  if (options.perf && !hasPerf()) return '--perf needs perf(1)';
  return null;
}

function writeFiles(options: BenchOptions, result: BenchResult): void {
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (options.markdown !== undefined) {
    const document = existsSync(options.markdown) ? readFileSync(options.markdown, 'utf8') : '';
    const chart = options.svg === undefined ? null : relative(dirname(options.markdown), options.svg);
    writeFileSync(options.markdown, replaceSections(document, formatMarkdown(result, chart)));
  }
  if (options.svg !== undefined) writeFileSync(options.svg, drawChart(result));
}

/** A line that the next one overwrites on a terminal; one after the other in a file. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text) process.stderr.write(`${text.trimEnd()}\n`);
}
