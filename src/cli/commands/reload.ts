/** `tunloom reload`: a running instance reads its configuration file again, and says what is wrong with it. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import { print, socketOf } from '../output.ts';

export function reloadCommand(): Command {
  return new Command('reload')
    .description('have a running instance read its configuration file again')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }, command: Command) => {
      const result = (await callControl(socketOf(command), 'POST', '/v1/reload')) as Record<string, unknown>;
      const counts = Object.entries(result).map(([what, count]) => `${what} ${String(count)}`);
      print(options.json ?? false, result, () => ['reloaded', ...counts].join(', '));
    });
}
