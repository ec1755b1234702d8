/** `tunloom scheduler SESSION NAME`: how a running instance distributes a session's packets. */
import { Command, Option } from 'commander';
import { callControl } from '../../control/client.ts';
import { SCHEDULERS } from '../../dataplane/distribution-spec.ts';
import type { SessionStatus } from '../../dataplane/status.ts';
import { print, socketOf } from '../output.ts';
import { formatSession } from './sessions.ts';

interface Options {
  readonly json?: boolean;
  readonly sequence?: string;
  readonly gap?: string;
  readonly queue?: string;
  readonly seed?: string;
}

export function schedulerCommand(): Command {
  return new Command('scheduler')
    .description('change the scheduler of a session while packets flow')
    .argument('<session>')
    .argument('<name>', `one of ${SCHEDULERS.join(', ')}`)
    .addOption(new Option('--sequence <when>', 'sequence numbers').choices(['auto', 'always', 'never']))
    .option('--gap <duration>', 'flowlet: pause after which a flow may change its path, or auto')
    .option('--queue <duration>', 'lowest-delay, ecf, blest: queue that counts as full')
    .option('--seed <number>', 'random: seed')
    .option('--json', 'print JSON')
    .action(async (name: string, scheduler: string, options: Options, command: Command) => {
      const { json = false, seed, ...parameters } = options;
      const path = `/v1/sessions/${encodeURIComponent(name)}/scheduler`;
      const session = (await callControl(socketOf(command), 'PUT', path, {
        scheduler,
        ...parameters,
        ...(seed !== undefined && { seed: Number(seed) }),
      })) as SessionStatus;
      print(json, session, () => formatSession(session));
    });
}
