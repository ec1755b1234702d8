/** `tunloom flows SESSION`: the flow rules of a session in a running instance, and flows moved to a path on purpose. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { FlowName, FlowSelector } from '../../dataplane/distribution-spec.ts';
import type { FlowStatus } from '../../dataplane/status.ts';
import { TunloomError } from '../../errors.ts';
import { parseBid } from '../bid-option.ts';
import { formatTable, print, socketOf } from '../output.ts';

interface Options {
  readonly json?: boolean;
  readonly move?: string;
  readonly bid?: string;
  readonly release?: string;
}

export function flowsCommand(): Command {
  return new Command('flows')
    .description('flow rules of a session; moves single flows')
    .argument('<session>')
    .option(
      '--move <flow>',
      'move a flow, such as "udp 203.0.113.9:443 192.0.2.10:5000" (correspondent, mobile node)',
    )
    .option('--bid <bid>', 'the path to move it to')
    .option('--release <flow>', 'let a moved flow go where it would')
    .option('--json', 'print JSON')
    .action(async (name: string, options: Options, command: Command) => {
      const base = `/v1/sessions/${encodeURIComponent(name)}`;
      const socket = socketOf(command);
      const move = moveOf(options);
      if (move) await callControl(socket, 'PUT', `${base}/moves`, move);
      const flows = (await callControl(socket, 'GET', `${base}/flows`)) as FlowStatus[];
      print(options.json ?? false, flows, () => formatFlows(flows));
    });
}

/** The flow to be moved and its path, null: where it would go by itself. Throws BAD_OPTION. */
function moveOf({ move, release, bid }: Options): (FlowName & { bid: number | null }) | null {
  if (move !== undefined && release !== undefined) {
    throw new TunloomError('BAD_OPTION', 'expected --move or --release, not both');
  }
  if (release !== undefined) return { ...parseFlow(release), bid: null };
  if (move === undefined) return null;
  if (bid === undefined) throw new TunloomError('BAD_OPTION', '--move needs --bid');
  return { ...parseFlow(move), bid: parseBid(bid) };
}

const PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  sctp: 132,
  icmp: 1,
  icmpv6: 58,
  esp: 50,
};

/** Throws BAD_OPTION. */
function parseFlow(text: string): FlowName {
  const [protocol = '', source = '', destination = '', ...rest] = text.trim().split(/\s+/);
  const number = PROTOCOLS[protocol.toLowerCase()] ?? Number(protocol || Number.NaN);
  if (rest.length || !destination || !Number.isInteger(number)) {
    throw new TunloomError(
      'BAD_OPTION',
      `"${text}" is not a flow, expected such as "udp 203.0.113.9:443 192.0.2.10:5000" or "tcp [2001:db8::1]:443 [2001:db8::2]:5000"`,
    );
  }
  const [from, to] = [parseEnd(source), parseEnd(destination)];
  return {
    protocol: number,
    source: from.address,
    destination: to.address,
    ...(from.port !== undefined && { sourcePort: from.port }),
    ...(to.port !== undefined && { destinationPort: to.port }),
  };
}

function parseEnd(text: string): { address: string; port: number | undefined } {
  const [, six, four, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  return { address: six ?? four ?? text, port: port === undefined ? undefined : Number(port) };
}

function formatFlows(flows: readonly FlowStatus[]): string {
  if (!flows.length) return 'no flow rules';
  return formatTable(
    ['priority', 'name', 'action', 'scheduler', 'BIDs now', 'matches'],
    flows.map((flow) => [
      flow.priority,
      flow.name,
      flow.action,
      flow.scheduler ?? '-',
      flow.bids.join(' ') || (flow.action === 'drop' ? '-' : 'inactive'),
      flow.selectors.map(formatSelector).join('\n'),
    ]),
  );
}

function formatSelector({ family, ...fields }: FlowSelector): string {
  const parts = Object.entries(fields).map(
    ([key, { start, end }]: [string, { start: unknown; end: unknown }]) => {
      return `${key} ${String(start)}${start === end ? '' : `-${String(end)}`}`;
    },
  );
  return `IPv${family}${parts.length ? ` ${parts.join(', ')}` : ''}`;
}
