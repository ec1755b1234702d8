/** `tunloom sessions [NAME]`: sessions and their paths, from a running instance. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { SessionStatus } from '../../dataplane/status.ts';
import { formatOctets, formatTable, print, socketOf } from '../output.ts';

export function sessionsCommand(): Command {
  return new Command('sessions')
    .description('sessions and their paths')
    .argument('[name]', 'one session only')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: { json?: boolean }, command: Command) => {
      const path = name === undefined ? '/v1/sessions' : `/v1/sessions/${encodeURIComponent(name)}`;
      const answer = await callControl(socketOf(command), 'GET', path);
      const sessions = (name === undefined ? answer : [answer]) as SessionStatus[];
      print(options.json ?? false, answer, () => sessions.map(formatSession).join('\n\n') || 'no sessions');
    });
}

/** A session as a line and a table of its paths. */
export function formatSession(session: SessionStatus): string {
  return [
    `${session.name}  ${session.prefixes.join(' ')}  MTU ${session.mtu}  ` +
      `${session.sequenced ? 'sequenced' : 'not sequenced'}  scheduler ${session.scheduler}` +
      (session.scheduler === 'weighted' || session.scheduler === 'equal'
        ? `  schedule ${session.schedule.join(' ')}`
        : '') +
      (session.flows.length ? `  ${session.flows.length} flow rules` : ''),
    formatTable(
      ['bid', 'path', 'encapsulation', 'local', 'remote', 'weight', 'state', 'sent', '', 'received', ''],
      session.paths.map((path) => [
        String(path.bid),
        path.name,
        path.encapsulation,
        path.local,
        path.remote,
        path.weight,
        path.state,
        path.txPackets,
        formatOctets(path.txBytes),
        path.rxPackets,
        formatOctets(path.rxBytes),
      ]),
    ),
  ].join('\n');
}
