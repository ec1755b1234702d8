/** `tunloom sessions [NAME]`: sessions and their paths, from a running instance. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { PathStatus, SessionStatus } from '../../dataplane/status.ts';
import { formatOctets, type Column, formatColumns, print, socketOf } from '../output.ts';

/** So many places of a schedule fit into a line. */
const SCHEDULE_SHOWN = 16;

interface Options {
  readonly wide?: boolean;
  readonly json?: boolean;
}

export function sessionsCommand(): Command {
  return new Command('sessions')
    .description('sessions and their paths')
    .argument('[name]', 'one session only')
    .option('--wide', 'all columns')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: Options, command: Command) => {
      const path = name === undefined ? '/v1/sessions' : `/v1/sessions/${encodeURIComponent(name)}`;
      const answer = await callControl(socketOf(command), 'GET', path);
      const sessions = (name === undefined ? answer : [answer]) as SessionStatus[];
      print(
        options.json ?? false,
        answer,
        () => sessions.map((session) => formatSession(session, options.wide)).join('\n\n') || 'no sessions',
      );
    });
}

const COLUMNS: readonly Column<PathStatus>[] = [
  { head: 'bid', cell: ({ bid }) => String(bid) },
  { head: 'path', cell: ({ name }) => name },
  { head: 'by', cell: ({ encapsulation }) => encapsulation },
  { head: 'local', cell: ({ local }) => local, only: 'wide' },
  { head: 'remote', cell: ({ remote }) => remote },
  { head: 'MTU', cell: ({ mtu }) => mtu, only: 'wide' },
  { head: 'weight', cell: ({ weight }) => weight },
  { head: 'state', cell: ({ state }) => state },
  { head: 'sent', cell: ({ txPackets }) => txPackets },
  { head: '', cell: ({ txBytes }) => formatOctets(txBytes) },
  { head: 'received', cell: ({ rxPackets }) => rxPackets },
  { head: '', cell: ({ rxBytes }) => formatOctets(rxBytes) },
];

/** A session as two lines and a table of its paths. */
export function formatSession(session: SessionStatus, wide = false): string {
  const { name, prefixes, mtu, sequenced, scheduler, schedule, flows } = session;
  const plain = scheduler === 'weighted' || scheduler === 'equal';
  return [
    `${name}  ${prefixes.join(' ')}`,
    `MTU ${mtu}, ${sequenced ? 'sequenced' : 'not sequenced'}, scheduler ${scheduler}` +
      (plain ? `, schedule ${shorten(schedule, wide)}` : '') +
      (flows.length ? `, ${flows.length} flow rule${flows.length === 1 ? '' : 's'}` : ''),
    formatColumns(COLUMNS, session.paths, wide),
  ].join('\n');
}

function shorten(schedule: readonly number[], wide: boolean): string {
  const shown = wide ? schedule : schedule.slice(0, SCHEDULE_SHOWN);
  return shown.join(' ') + (shown.length < schedule.length ? ' ...' : '');
}
