/** What `tunloom lab` does; the command line reads it when it is wanted. */
import { formatConfigured, formatDeployment } from '../../lab/introduction.ts';
import { runLab } from '../../lab/lab.ts';
import { Ladder } from '../../lab/ladder.ts';
import { type LabOptions, planPaths } from '../../lab/plan.ts';
import { formatReport } from '../../lab/report.ts';
import { SCHEDULERS } from '../../dataplane/distribution-spec.ts';
import { TunloomError } from '../../errors.ts';
import type { LabCommandOptions } from '../commands/lab.ts';
import { print } from '../output.ts';

export async function runLabCommand(options: LabCommandOptions): Promise<void> {
  const json = options.json ?? false;
  const ladder = new Ladder({ width: process.stdout.columns ?? 100, colour: process.stdout.isTTY });
  const write = (text: string): void => {
    if (!json) process.stdout.write(`${text}\n`);
  };
  const paths = planPaths({
    paths: options.path,
    weights: options.weights ?? null,
    encapsulation: options.encapsulation ?? (options.static ? 'udp-gre' : null),
    family: options.family,
  });
  const result = await runLab(
    {
      paths,
      ...schedulerOf(options),
      seed: parseSeed(options.seed),
      duration: parseDuration(options.duration),
      workers: parseWorkers(options.workers),
      memory: options.memory ?? false,
      static: options.static ?? false,
      ...(options.offload
        ? {}
        : {
            offload: {
              tun: false,
              segment: false,
              merge: false,
              link: 'off' as const,
              xdp: 'off' as const,
            },
          }),
    },
    {
      keep: options.keep ?? false,
      progress: process.stderr.isTTY
        ? (step) => process.stderr.write(`\r\u001b[K${step ? `... ${step}` : ''}`)
        : () => {},
      announce: (line) => process.stderr.write(`${line}\n`),
      begin: () => write(`${formatDeployment(paths)}\n${ladder.heading()}`),
      message: (line) => write(ladder.line(line)),
      configured: (host) => write(formatConfigured(host)),
      report: (result) => print(json, result, () => formatReport(result)),
    },
  );
  process.exitCode = result.problems.length ? 1 : 0;
}

/** Who distributes by signaling takes the weights that the signaling brings. */
function schedulerOf(options: LabCommandOptions): Pick<LabOptions, 'scheduler' | 'customScheduler'> {
  const { scheduler } = options;
  if (scheduler === undefined) return {};
  if (!options.static && !options.memory) {
    throw new TunloomError('BAD_OPTION', '--scheduler needs --static');
  }
  if (scheduler.endsWith('.ts')) return { scheduler: 'custom', customScheduler: scheduler };
  const names = SCHEDULERS.filter((name) => name !== 'custom');
  const known = names.find((name) => name === scheduler);
  if (!known) {
    throw new TunloomError(
      'BAD_OPTION',
      `--scheduler ${scheduler}: one of ${names.join(', ')}, or a .ts file of your own`,
    );
  }
  return { scheduler: known };
}

function parseSeed(text: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0xffff_ffff)
    throw new TunloomError('BAD_OPTION', `--seed ${text}: a number from 0 to 4294967295`);
  return Number(text);
}

function parseWorkers(text: string): number {
  if (!/^([1-9]|1[0-6])$/.test(text))
    throw new TunloomError('BAD_OPTION', `--workers ${text}: a whole number from 1 to 16`);
  return Number(text);
}

function parseDuration(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 3600))
    throw new TunloomError('BAD_OPTION', `--duration ${text}: a number up to 3600`);
  return value;
}
