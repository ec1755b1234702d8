/**
 * `npm run bench:system`: what tunloom carries, beside bare veth (the limit) and other tunnels, in one run. Decides whether the
 * throughput targets are met. Runs go through all scenarios in turn, so that a slow minute of the machine hits all alike.
 * Needs root, iperf3 and ip(8). Files are written after every run: an interrupted bench leaves what it has.
 */
import { writeFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { hasIperf3 } from '../../src/lab/iperf3.ts';
import { measure } from './measurement.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { formatMarkdown, formatTerminal } from './report.ts';
import { type BenchResult, Collection } from './results.ts';
import { planScenarios } from './scenario.ts';
import { drawChart } from './svg.ts';

try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // commander has said what is wrong.
  process.exitCode = error.exitCode;
}

async function main(options: BenchOptions): Promise<number> {
  const missing = whatIsMissing();
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
  for (let run = 1; run <= options.runs && !signal.aborted; run++) {
    for (const [index, scenario] of scenarios.entries()) {
      if (signal.aborted) break;
      const where = `run ${run}/${options.runs}, ${index + 1}/${scenarios.length} ${scenario.name}`;
      try {
        const sample = await measure(scenario, {
          only: options.only,
          seconds: options.seconds,
          signal,
          guesses,
          progress: (step) => tell(`${where}: ${step}`),
        });
        collection.add(scenario.name, sample);
      } catch (error) {
        if (signal.aborted) break;
        // One scenario's trouble is no reason to lose the others.
        const text = error instanceof Error ? error.message : String(error);
        collection.fail(scenario.name, text);
        tell(`${where}: FAILED, ${text}\n`);
      }
    }
    tell('');
    writeFiles(options, collection.result(scenarios, absent, { ...options, runs: run }));
  }
  const result = collection.result(scenarios, absent, options);
  process.stdout.write(`${formatTerminal(result)}\n`);
  if (signal.aborted) process.stderr.write(`bench:system: ${(signal.reason as Error).message}\n`);
  return signal.aborted || result.scenarios.some(({ errors }) => errors.length) ? 1 : 0;
}

function whatIsMissing(): string | null {
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces and TUN devices';
  if (!hasIperf3()) return 'needs iperf3(1)';
  return null;
}

function writeFiles(options: BenchOptions, result: BenchResult): void {
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (options.markdown !== undefined) writeFileSync(options.markdown, formatMarkdown(result));
  if (options.svg !== undefined) writeFileSync(options.svg, drawChart(result));
}

/** A line that the next one overwrites on a terminal; one after the other in a file. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text) process.stderr.write(`${text.trimEnd()}\n`);
}
