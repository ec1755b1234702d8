/** `tunloom paths [SESSION]`: what is measured of the paths, once or every second; lets weights follow it or leaves them alone. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { DirectionStatus, PathHealthStatus } from '../../dataplane/status.ts';
import { type Column, formatColumns, printCurrent, socketOf } from '../output.ts';

/** How long answers are waited for, and how often they are looked for. */
const ANSWER_MS = 2000;
const ASK_MS = 50;

interface Options {
  readonly watch?: boolean;
  readonly wide?: boolean;
  readonly json?: boolean;
  readonly adaptive?: boolean;
  readonly fixed?: boolean;
  readonly probe?: boolean;
  readonly unset?: boolean;
  readonly set?: readonly string[];
}

export function pathsCommand(): Command {
  return new Command('paths')
    .description('state, delay, loss and rate of paths as probes measure them')
    .argument('[session]', 'one session only')
    .option('--wide', 'all columns')
    .option('--watch', 'repeat every second; with --json, one line each')
    .option('--adaptive', "let the session's weights follow what is measured")
    .option('--fixed', "leave the session's weights alone")
    .option('--probe', 'ask the paths at once, and wait for their answers')
    .option('--set <key=value...>', "how the session's paths are probed: keys of `probes` (docs/probes.md)")
    .option('--unset', 'they are probed as configured again')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: Options, command: Command) => {
      const socket = socketOf(command);
      const base = name === undefined ? null : `/v1/sessions/${encodeURIComponent(name)}`;
      if (options.adaptive || options.fixed) {
        if (!base) throw command.error('paths: --adaptive and --fixed need a session');
        await callControl(socket, 'PUT', `${base}/adaptive`, { adaptive: options.adaptive ?? false });
      }
      if (options.set || options.unset) {
        if (!base) throw command.error('paths: --set and --unset need a session');
        await callControl(socket, 'PUT', `${base}/probes`, settingsOf(options.set ?? []));
      }
      const read = async (): Promise<PathHealthStatus[]> =>
        (await callControl(socket, 'GET', base ? `${base}/paths` : '/v1/paths')) as PathHealthStatus[];
      if (options.probe) await probe(socket, read);
      await printCurrent(options, read, (paths) => formatPaths(paths, options.wide));
    });
}

/** `silent=2` and `interval=50ms` as a request has them: bare numbers are numbers. */
function settingsOf(pairs: readonly string[]): Record<string, string | number> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [key = '', value = ''] = pair.split(/=(.*)/s);
      return [key, /^\d+$/.test(value) ? Number(value) : value];
    }),
  );
}

/** Has the paths asked, and waits until all have answered or ANSWER_MS have passed. */
async function probe(socket: string, read: () => Promise<PathHealthStatus[]>): Promise<void> {
  const before = await read();
  for (const session of new Set(before.map(({ session }) => session))) {
    await callControl(socket, 'POST', `/v1/sessions/${encodeURIComponent(session)}/probe`);
  }
  const key = ({ session, bid }: PathHealthStatus): string => `${session} ${bid}`;
  const counts = new Map(before.map((path) => [key(path), path.probesAnswered]));
  for (let waited = 0; waited < ANSWER_MS; waited += ASK_MS) {
    await new Promise((resolve) => {
      setTimeout(resolve, ASK_MS);
    });
    const now = await read();
    if (now.every((path) => path.probesAnswered > (counts.get(key(path)) ?? 0))) return;
  }
}

const COLUMNS: readonly Column<PathHealthStatus>[] = [
  { head: 'session', cell: ({ session }) => session },
  { head: 'bid', cell: ({ bid }) => String(bid) },
  { head: 'state', cell: ({ state }) => state },
  { head: 'weight', cell: ({ weight }) => String(weight) },
  { head: 'weights', cell: ({ adaptive }) => adaptive ?? 'fixed', only: 'wide' },
  { head: 'RTT', cell: ({ rttUs }) => milliseconds(rttUs) },
  { head: 'behind', cell: ({ delayBehindUs }) => milliseconds(delayBehindUs) },
  { head: 'sent', cell: ({ sending }) => rate(sending.rate) },
  {
    head: 'of',
    cell: ({ sending: { capacity, full } }) =>
      capacity === null ? '' : rate(capacity) + (full ? ' full' : ''),
    only: 'wide',
  },
  { head: 'lost', cell: ({ sending }) => percent(sending) },
  { head: 'queue', cell: ({ sending }) => milliseconds(sending.queueUs), only: 'wide' },
  { head: 'received', cell: ({ receiving }) => rate(receiving.rate) },
  { head: 'lost', cell: ({ receiving }) => percent(receiving) },
  { head: 'jitter', cell: ({ receiving }) => milliseconds(receiving.jitterUs), only: 'wide' },
  { head: 'changes', cell: ({ stateChanges }) => String(stateChanges), only: 'wide' },
  { head: 'unconfirmed', cell: ({ unconfirmedPackets }) => String(unconfirmedPackets), only: 'wide' },
  { head: 'why', cell: ({ reason }) => reason, only: 'wide' },
];

/** One line a path; directions as seen from this end. What is the matter with a path stands below. */
function formatPaths(paths: readonly PathHealthStatus[], wide = false): string {
  if (!paths.length) return 'no paths';
  const ill = wide ? [] : paths.filter(({ state }) => state === 'down' || state === 'degraded');
  return [
    formatColumns(COLUMNS, paths, wide),
    ...ill.map(({ session, bid, state, reason }) => `${session} BID ${bid} is ${state}: ${reason}`),
  ].join('\n');
}

function milliseconds(us: number | null): string {
  return us === null ? '-' : `${(us / 1000).toFixed(1)} ms`;
}

function percent({ loss }: DirectionStatus): string {
  return loss === null ? '-' : `${(loss * 100).toFixed(2)} %`;
}

function rate(bits: number): string {
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${(bits / 1e3).toFixed(0)} kbit/s`;
}
