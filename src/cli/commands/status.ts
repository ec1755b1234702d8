/** `tunloom status`, `tunloom sessions`, `tunloom weights`: questions to a running instance. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { DataplaneStatus, SessionStatus } from '../../dataplane/status.ts';
import { TunloomError } from '../../errors.ts';
import { formatTable, print } from '../output.ts';

const WATCH_MS = 1000;

function socketOf(command: Command): string {
  return command.optsWithGlobals<{ socket: string }>().socket;
}

export function statusCommand(): Command {
  return new Command('status')
    .description('workers, drops and resequencer of a running instance')
    .option('--watch', 'repeat every second')
    .option('--json', 'print JSON')
    .action(async (options: { watch?: boolean; json?: boolean }, command: Command) => {
      for (;;) {
        const status = (await callControl(socketOf(command), 'GET', '/v1/status')) as DataplaneStatus;
        if (options.watch && !options.json && process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H');
        print(options.json ?? false, status, () => formatStatus(status));
        if (!options.watch) return;
        await new Promise((resolve) => {
          setTimeout(resolve, WATCH_MS);
        });
      }
    });
}

function formatStatus(status: DataplaneStatus): string {
  const { resequencer } = status;
  const drops = Object.entries(status.drops);
  return [
    `${status.role} on ${status.tun.name} (MTU ${status.tun.mtu}), up ${Math.round(status.uptimeSeconds)} s, ` +
      `${status.sessions} session(s), ${status.paths} path(s), ` +
      `${status.buffers.free} of ${status.buffers.total} buffers in the pool`,
    '',
    formatTable(
      ['worker', 'state', 'restarts', 'from TUN', 'to TUN', 'from paths', 'to paths'],
      status.workers.map((worker) => [
        String(worker.id),
        worker.state,
        worker.restarts,
        worker.tunRxPackets,
        worker.tunTxPackets,
        worker.pathRxPackets,
        worker.pathTxPackets,
      ]),
    ),
    '',
    `resequencer: ${resequencer.inOrder} in order, ${resequencer.reordered} put back, ${resequencer.late} late, ` +
      `${resequencer.duplicates} duplicates, ${resequencer.held} held; given up: ${resequencer.lostProven} proven, ` +
      `${resequencer.lostTimeout} timed out, ${resequencer.lostWindow} window full`,
    drops.length
      ? formatTable(['dropped because', 'packets'], drops)
      : 'no packet was dropped',
  ].join('\n');
}

export function sessionsCommand(): Command {
  return new Command('sessions')
    .description('sessions and their paths')
    .argument('[name]', 'one session only')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: { json?: boolean }, command: Command) => {
      const answer = await callControl(
        socketOf(command),
        'GET',
        name === undefined ? '/v1/sessions' : `/v1/sessions/${encodeURIComponent(name)}`,
      );
      const sessions = (name === undefined ? answer : [answer]) as SessionStatus[];
      print(options.json ?? false, answer, () => sessions.map(formatSession).join('\n\n') || 'no sessions');
    });
}

function formatSession(session: SessionStatus): string {
  return [
    `${session.name}  ${session.prefixes.join(' ')}  MTU ${session.mtu}  ` +
      `${session.sequenced ? 'sequenced' : 'not sequenced'}  schedule ${session.schedule.join(' ')}`,
    formatTable(
      ['bid', 'path', 'encapsulation', 'local', 'remote', 'weight', 'sent', 'received'],
      session.paths.map((path) => [
        String(path.bid),
        path.name,
        path.encapsulation,
        path.local,
        path.remote,
        path.weight,
        path.txPackets,
        path.rxPackets,
      ]),
    ),
  ].join('\n');
}

export function weightsCommand(): Command {
  return new Command('weights')
    .description('change weights while packets flow')
    .argument('<session>')
    .argument('<bid=weight...>', 'such as 1=3 2=2; other paths keep theirs')
    .option('--json', 'print JSON')
    .action(async (name: string, pairs: string[], options: { json?: boolean }, command: Command) => {
      const weights = Object.fromEntries(
        pairs.map((pair) => {
          const [, bid, weight] = /^(\d{1,3})=(\d{1,5})$/.exec(pair) ?? [];
          if (bid === undefined) throw new TunloomError('BAD_OPTION', `"${pair}" is not BID=WEIGHT`);
          return [bid, Number(weight)];
        }),
      );
      const path = `/v1/sessions/${encodeURIComponent(name)}/weights`;
      const session = (await callControl(socketOf(command), 'PUT', path, { weights })) as SessionStatus;
      print(options.json ?? false, session, () => formatSession(session));
    });
}
