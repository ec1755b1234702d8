/** `tunloom revoke SESSION [--bid N]`: takes a session or one path back on a running LMA (RFC 5846). */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import { parseBid } from '../bid-option.ts';
import { print, socketOf } from '../output.ts';

export function revokeCommand(): Command {
  return new Command('revoke')
    .description('take back a session, or one of its paths, on a running LMA')
    .argument('<session>')
    .option('--bid <bid>', 'only this path')
    .option('--json', 'print JSON')
    .action(async (session: string, options: { bid?: string; json?: boolean }, command: Command) => {
      const bid = options.bid === undefined ? {} : { bid: parseBid(options.bid) };
      await callControl(socketOf(command), 'POST', '/v1/revoke', { session, ...bid });
      print(options.json ?? false, { revoked: session, ...bid }, () =>
        options.bid === undefined ? `${session} revoked` : `${session}: BID ${options.bid} revoked`,
      );
    });
}
