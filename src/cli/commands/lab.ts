/** `tunloom lab`: a whole deployment on this machine, traffic through it, a report. Exit status 0 only if all is well. */
import { Command, Option } from 'commander';
import { runLab } from '../../lab/lab.ts';
import { planPaths } from '../../lab/plan.ts';
import { formatReport } from '../../lab/report.ts';
import { ENCAPSULATIONS } from '../../dataplane/session-spec.ts';
import { TunloomError } from '../../errors.ts';
import { print } from '../output.ts';

interface Options {
  path: string[];
  encapsulation: string;
  family: string;
  weights: string;
  duration: string;
  workers: string;
  memory?: boolean;
  offload: boolean;
  keep?: boolean;
  json?: boolean;
}

export function labCommand(): Command {
  return new Command('lab')
    .description('MAG and LMA in network namespaces, several paths, real traffic, a report')
    .option(
      '--path <name,weight=N,...>',
      'a path; repeatable (weight=, encapsulation=, family=)',
      collect,
      [],
    )
    .addOption(
      new Option('--encapsulation <name>', 'of all paths').choices(ENCAPSULATIONS).default('udp-gre'),
    )
    .addOption(new Option('--family <4|6>', 'outer address family').choices(['4', '6']).default('4'))
    .option('--weights <n:m:...>', 'one weight a path', '3:2')
    .option('--duration <seconds>', 'of each TCP transfer', '3')
    .option('--workers <n>', 'worker threads at each end', '1')
    .option('--memory', 'in-memory ports instead of TUN devices and sockets')
    .option('--no-offload', 'one packet a system call: no TSO, UDP_SEGMENT, UDP_GRO')
    .option('--keep', 'leave it running afterwards, until interrupted')
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const result = await runLab(
        {
          paths: planPaths({
            paths: options.path,
            weights: options.weights,
            encapsulation: options.encapsulation,
            family: options.family,
          }),
          duration: positive(options.duration, '--duration', 3600),
          workers: Math.floor(positive(options.workers, '--workers', 16)),
          memory: options.memory ?? false,
          ...(options.offload ? {} : { offload: { tun: false, segment: false, merge: false } }),
        },
        {
          keep: options.keep ?? false,
          progress: process.stderr.isTTY
            ? (step) => process.stderr.write(`\r\u001b[K${step ? `... ${step}` : ''}`)
            : () => {},
          announce: (line) => process.stderr.write(`${line}\n`),
          report: (result) => print(options.json ?? false, result, () => formatReport(result)),
        },
      );
      process.exitCode = result.problems.length ? 1 : 0;
    });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function positive(text: string, option: string, limit: number): number {
  const value = Number(text);
  if (!(value > 0 && value <= limit))
    throw new TunloomError('BAD_OPTION', `${option} ${text}: a number up to ${limit}`);
  return value;
}
