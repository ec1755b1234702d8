/** `tunloom paths [SESSION]`: what is measured of the paths, once or every second; lets weights follow it or leaves them alone. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { DirectionStatus, PathHealthStatus } from '../../dataplane/status.ts';
import { formatTable, print, socketOf } from '../output.ts';

const WATCH_MS = 1000;

interface Options {
  readonly watch?: boolean;
  readonly json?: boolean;
  readonly adaptive?: boolean;
  readonly fixed?: boolean;
}

export function pathsCommand(): Command {
  return new Command('paths')
    .description('state, delay, loss and rate of paths as probes measure them')
    .argument('[session]', 'one session only')
    .option('--watch', 'repeat every second; with --json, one line each')
    .option('--adaptive', "let the session's weights follow what is measured")
    .option('--fixed', "leave the session's weights alone")
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: Options, command: Command) => {
      const socket = socketOf(command);
      const base = name === undefined ? null : `/v1/sessions/${encodeURIComponent(name)}`;
      if (options.adaptive || options.fixed) {
        if (!base) throw command.error('paths: --adaptive and --fixed need a session');
        await callControl(socket, 'PUT', `${base}/adaptive`, { adaptive: options.adaptive ?? false });
      }
      for (;;) {
        const paths = (await callControl(
          socket,
          'GET',
          base ? `${base}/paths` : '/v1/paths',
        )) as PathHealthStatus[];
        if (options.watch && !options.json && process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H');
        if (options.watch && options.json) process.stdout.write(`${JSON.stringify(paths)}\n`);
        else print(options.json ?? false, paths, () => formatPaths(paths));
        if (!options.watch) return;
        await new Promise((resolve) => {
          setTimeout(resolve, WATCH_MS);
        });
      }
    });
}

/** One line a path; directions as seen from this end. */
export function formatPaths(paths: readonly PathHealthStatus[]): string {
  if (!paths.length) return 'no paths';
  return formatTable(
    [
      'session',
      'bid',
      'state',
      'RTT',
      'behind',
      'sent: loss',
      'rate',
      'of',
      'queue',
      'received: loss',
      'rate',
      'jitter',
      'weights',
      'why',
    ],
    paths.map((path) => [
      path.session,
      String(path.bid),
      path.state,
      milliseconds(path.rttUs),
      milliseconds(path.delayBehindUs),
      percent(path.sending),
      rate(path.sending.rate),
      path.sending.capacity === null ? '' : rate(path.sending.capacity) + (path.sending.full ? ' full' : ''),
      milliseconds(path.sending.queueUs),
      percent(path.receiving),
      rate(path.receiving.rate),
      milliseconds(path.receiving.jitterUs),
      path.adaptive ?? 'fixed',
      path.reason,
    ]),
  );
}

function milliseconds(us: number | null): string {
  return us === null ? '' : `${(us / 1000).toFixed(1)} ms`;
}

function percent({ loss }: DirectionStatus): string {
  return loss === null ? '' : `${(loss * 100).toFixed(2)} %`;
}

function rate(bits: number): string {
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${(bits / 1e3).toFixed(0)} kbit/s`;
}
