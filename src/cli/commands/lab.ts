/** `tunloom lab`: a whole deployment on this machine, traffic through it, a report. Exit status 0 only if all is well. */
import { Command, Option } from 'commander';
import { ENCAPSULATIONS } from '../../dataplane/session-spec.ts';

export interface LabCommandOptions {
  readonly path: readonly string[];
  readonly encapsulation?: string;
  readonly family: string;
  readonly weights?: string;
  readonly duration: string;
  readonly workers: string;
  readonly static?: boolean;
  readonly seed: string;
  readonly scheduler?: string;
  readonly memory?: boolean;
  readonly offload: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
}

export function labCommand(): Command {
  return new Command('lab')
    .description(
      'a mobile node, a MAG and an LMA in network namespaces, several paths, real traffic, a report',
    )
    .option(
      '--path <name,weight=N,...>',
      'a path; repeatable (weight=, encapsulation=, family=; an emulated link: rate=, delay=, jitter=, loss=, ...)',
      collect,
      [],
    )
    .addOption(
      new Option('--encapsulation <name>', 'of all paths (default: udp-gre; gre over IPv6)').choices(
        ENCAPSULATIONS,
      ),
    )
    .addOption(new Option('--family <4|6>', 'outer address family').choices(['4', '6']).default('4'))
    .option('--scheduler <name|file.ts>', 'of the static lab; a .ts file is your own (docs/schedulers.md)')
    .option('--seed <n>', 'of emulated links', '1')
    .option('--weights <n:m:...>', 'one weight a path (default: 3:2; by rate where all links have one)')
    .option('--duration <seconds>', 'of each TCP transfer', '3')
    .option('--workers <n>', 'worker threads at each end', '1')
    .option('--static', 'one session from a plan: no signaling, no hosts of their own')
    .option('--memory', 'in-memory ports instead of TUN devices and sockets')
    .option('--no-offload', 'one packet a system call: no TSO, UDP_SEGMENT, UDP_GRO')
    .option('--keep', 'leave it running afterwards, until interrupted')
    .option('--json', 'print JSON')
    .action(async (options: LabCommandOptions) => {
      const { runLabCommand } = await import('../actions/lab.ts');
      await runLabCommand(options);
    });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
