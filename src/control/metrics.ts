/** GET /metrics: the Prometheus text format (version 0.0.4), read from the counters at scrape time. */
import type { DataplaneStatus, PathHealthStatus, SessionStatus } from '../dataplane/status.ts';
import { pathMetrics } from './path-metrics.ts';
import { type Sample, metric } from './prometheus-text.ts';
import { signalingMetrics } from './signaling-metrics.ts';
import type { SignalingStatus } from './signaling-status.ts';

/** All metrics as text. Names end in their unit; totals are counters. `health`: of the paths that are measured; `signaling`: of a MAG or LMA. */
export function formatMetrics(
  status: DataplaneStatus,
  sessions: readonly SessionStatus[],
  health: readonly PathHealthStatus[] = [],
  signaling?: SignalingStatus,
): string {
  const paths = sessions.flatMap((session) =>
    session.paths.map((path) => ({
      labels: { session: session.name, bid: path.bid, path: path.name },
      path,
    })),
  );
  return [
    metric('sessions', 'gauge', 'Installed sessions.', [[{}, status.sessions]]),
    metric('buffers_free', 'gauge', 'Packet buffers in the global pool.', [[{}, status.buffers.free]]),
    metric(
      'dropped_packets_total',
      'counter',
      'Dropped packets by reason.',
      Object.entries(status.drops).map(([reason, count]) => [{ reason }, count]),
    ),
    metric(
      'classified_packets_total',
      'counter',
      'Packets whose flow the classifier had to look at; the others had their verdict at hand.',
      [[{}, status.distribution.classified]],
    ),
    metric('copied_packets_total', 'counter', 'Extra copies sent by redundant groups.', [
      [{}, status.distribution.copies],
    ]),
    metric('refused_picks_total', 'counter', "Picks of a user's scheduler that were out of range.", [
      [{}, status.distribution.picksRefused],
    ]),
    metric(
      'super_packets_total',
      'counter',
      'Reads and writes of the TUN, and messages on paths, that held several packets (segmentation offload).',
      [
        [{ place: 'tun-rx' }, status.offload.tunRxSupers],
        [{ place: 'tun-tx' }, status.offload.tunTxSupers],
        [{ place: 'path-rx' }, status.offload.pathRxMerged],
        [{ place: 'path-tx' }, status.offload.pathTxMerged],
      ],
    ),
    metric(
      'path_sent_packets_total',
      'counter',
      'Packets sent on a path.',
      paths.map(({ labels, path }) => [labels, path.txPackets]),
    ),
    metric(
      'path_sent_bytes_total',
      'counter',
      'Octets sent on a path, outer headers included.',
      paths.map(({ labels, path }) => [labels, path.txBytes]),
    ),
    metric(
      'path_received_packets_total',
      'counter',
      'Packets received on a path.',
      paths.map(({ labels, path }) => [labels, path.rxPackets]),
    ),
    ...pathMetrics(health),
    metric(
      'resequencer_packets_total',
      'counter',
      'Packets through the resequencer by fate; lost ones are numbers given up.',
      sessions.flatMap(({ name, resequencer }): Sample[] =>
        (
          ['inOrder', 'reordered', 'late', 'duplicates', 'lostProven', 'lostTimeout', 'lostWindow'] as const
        ).map((fate) => [{ session: name, fate }, resequencer[fate]]),
      ),
    ),
    metric(
      'resequencer_wait_seconds',
      'gauge',
      'Bounds of the wait at a gap, as measured delays have raised them.',
      sessions.flatMap(({ name, wait }): Sample[] => [
        [{ session: name, bound: 'least' }, wait.minUs / 1e6],
        [{ session: name, bound: 'most' }, wait.maxUs / 1e6],
      ]),
    ),
    metric(
      'worker_restarts_total',
      'counter',
      'Restarts of crashed workers.',
      status.workers.map((worker) => [{ worker: worker.id }, worker.restarts]),
    ),
    metric('uptime_seconds', 'gauge', 'Time since the data plane was started.', [[{}, status.uptimeSeconds]]),
    ...(signaling ? signalingMetrics(signaling) : []),
  ].join('');
}
