/** `tunloom signaling`: what a running MAG or LMA has received, sent and refused. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { SignalingStatus } from '../../control/signaling-status.ts';
import { formatTable, print, socketOf } from '../output.ts';

export function signalingCommand(): Command {
  return new Command('signaling')
    .description('counters of mobility messages of a running MAG or LMA')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }, command: Command) => {
      const status = (await callControl(socketOf(command), 'GET', '/v1/signaling')) as SignalingStatus;
      print(options.json ?? false, status, () => formatSignaling(status));
    });
}

function formatSignaling({ role, restartCounter, unsent, overflow, ...counters }: SignalingStatus): string {
  const rows = Object.entries(counters).flatMap(([kind, byName]) =>
    Object.entries(byName as Record<string, number>).map(([name, count]) => [kind, name, count]),
  );
  return [
    `${role}, restart counter ${restartCounter}, ${unsent} could not be sent, ${overflow} lost in full receive buffers`,
    rows.length ? formatTable(['', 'message or reason', 'count'], rows) : 'no messages',
  ].join('\n');
}
