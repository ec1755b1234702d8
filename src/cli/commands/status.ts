/** `tunloom status`: workers, drops and resequencer of a running instance, once or every second. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { DataplaneStatus, XdpInterfaceStatus } from '../../dataplane/status.ts';
import { formatDuration, formatTable, printCurrent, socketOf } from '../output.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('workers, drops and resequencer of a running instance')
    .option('--watch', 'repeat every second; with --json, one line each')
    .option('--json', 'print JSON')
    .action(async (options: { watch?: boolean; json?: boolean }, command: Command) => {
      const read = async (): Promise<DataplaneStatus> =>
        (await callControl(socketOf(command), 'GET', '/v1/status')) as DataplaneStatus;
      await printCurrent(options, read, formatStatus);
    });
}

function formatOffload(offload: DataplaneStatus['offload']): string {
  const merges = [offload.mergeTcp ? 'TCP' : '', offload.mergeUdp ? 'UDP' : ''].filter(Boolean).join(' and ');
  const { udp, segment, merge } = offload.endpoints;
  const { raw, link } = offload.links;
  return [
    `offloads: TUN super-packets ${offload.tun} (${offload.tunRxSupers} read; ${merges || 'none'} merged, ` +
      `${offload.tunTxSupers} written)`,
    `          UDP_SEGMENT on ${segment} of ${udp} sockets (${offload.pathTxMerged} messages), ` +
      `UDP_GRO on ${merge} (${offload.pathRxMerged} messages)`,
    `          ${link} of ${raw} paths without UDP straight to their next hop` +
      (offload.xdp ? `; AF_XDP ${offload.xdp.map(formatXdp).join(', ') || 'on no interface'}` : ''),
  ].join('\n');
}

function formatXdp({ index, name, queues, paths, problem }: XdpInterfaceStatus): string {
  if (problem !== null) return `not on interface ${index} (${problem})`;
  return `on ${name} (${paths} path${paths === 1 ? '' : 's'}, ${queues} queue${queues === 1 ? '' : 's'})`;
}

function formatStatus(status: DataplaneStatus): string {
  const { resequencer } = status;
  const { picksRefused } = status.distribution;
  const drops = Object.entries(status.drops);
  return [
    `${status.role} on ${status.tun.name} (MTU ${status.tun.mtu}), up ${formatDuration(status.uptimeSeconds)}, ` +
      `${status.sessions} session(s), ${status.paths} path(s)`,
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
    formatOffload(status.offload),
    `resequencer: ${resequencer.inOrder} in order, ${resequencer.reordered} put back, ${resequencer.late} late, ` +
      `${resequencer.duplicates} duplicates, ${resequencer.held} held`,
    `             given up: ${resequencer.lostProven} proven, ` +
      `${resequencer.lostTimeout} timed out, ${resequencer.lostWindow} window full`,
    ...(picksRefused
      ? [
          `${picksRefused} picks of your own scheduler named no path: these packets went to the first of the group`,
        ]
      : []),
    drops.length ? formatTable(['dropped because', 'packets'], drops) : 'no packet was dropped',
  ].join('\n');
}
