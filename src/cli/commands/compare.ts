/** `tunloom compare`: scheduling algorithms against each other on modelled links. */
import { Command } from 'commander';

export interface CompareOptions {
  readonly scheduler: readonly string[];
  readonly seeds?: string;
  readonly set: readonly string[];
  readonly link: readonly string[];
  readonly duration?: string;
  readonly oracle?: boolean;
  readonly results?: string;
  readonly shard?: string;
  readonly merge?: readonly string[];
  readonly threads?: string;
  readonly csv?: string;
  readonly html?: string;
  readonly svg?: string;
  readonly real?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

/** Without --real and with it: real time passes. */
export const DEFAULT_SEEDS = 10;
export const REAL_SEEDS = 3;
export const DEFAULT_SCENARIOS = ['symmetric', 'lte-wifi', 'dsl-lte'];

export function compareCommand(): Command {
  return new Command('compare')
    .description('scheduling algorithms against each other, simulated on the real hot path')
    .argument('[scenarios...]', `names (--list) or YAML files; by default ${DEFAULT_SCENARIOS.join(', ')}`)
    .option(
      '--scheduler <name|file.ts>',
      'repeatable; a .ts file is your own (docs/schedulers.md)',
      collect,
      [],
    )
    .option('--seeds <n>', `runs of each cell, ${DEFAULT_SEEDS} by default, ${REAL_SEEDS} with --real`)
    .option('--set <name=n,n>', 'sweep a parameter; repeatable', collect, [])
    .option(
      '--link <path.key=v,v>',
      "run each scenario with each of these values in a path's link; repeatable",
      collect,
      [],
    )
    .option('--duration <seconds>', 'instead of what the scenario says')
    .option('--oracle', 'schedulers know the true state of the links instead of probing it')
    .option('--results <file>', 'append each run to this file; runs in it are not repeated')
    .option('--shard <i/n>', 'only every n-th run, from the i-th on; needs --results')
    .option('--merge <files...>', 'no runs: report what these result files hold')
    .option('--threads <n>', 'worker threads; all cores by default')
    .option('--csv <file>', 'write the plain numbers as CSV')
    .option('--html <file>', 'write a report with charts')
    .option('--svg <folder>', 'write each chart as a file of its own')
    .option(
      '--real',
      'links, traffic and events of the scenarios in the simulator and in the lab with real TCP, side by side (root)',
    )
    .option('--list', 'print the scenarios of the library')
    .option('--json', 'print JSON')
    .action(async (scenarios: string[], options: CompareOptions) => {
      const { runCompare } = await import('../actions/compare.ts');
      await runCompare(scenarios, options);
    });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
