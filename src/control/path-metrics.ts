/** Metrics of path health (docs/probes.md): what probes and the data show of each path. What is not known yet has no sample. */
import type { DirectionStatus, PathHealthStatus } from '../dataplane/status.ts';
import { type Sample, metric } from './prometheus-text.ts';

const STATES = ['up', 'degraded', 'down', 'unmeasured'] as const;
const MICROSECONDS = 1e6;

export function pathMetrics(paths: readonly PathHealthStatus[]): string[] {
  if (!paths.length) return [];
  const labels = ({ session, bid }: PathHealthStatus): Record<string, string | number> => ({ session, bid });
  const each = (of: (path: PathHealthStatus) => number | null): Sample[] =>
    paths.flatMap((path): Sample[] => {
      const value = of(path);
      return value === null ? [] : [[labels(path), value]];
    });
  const both = (of: (direction: DirectionStatus) => number | null): Sample[] =>
    paths.flatMap((path) =>
      (['sending', 'receiving'] as const).flatMap((direction): Sample[] => {
        const value = of(path[direction]);
        return value === null ? [] : [[{ ...labels(path), direction }, value]];
      }),
    );
  const seconds = (us: number | null): number | null => (us === null ? null : us / MICROSECONDS);
  return [
    metric(
      'path_state',
      'gauge',
      '1 for the state that the path is in.',
      paths.flatMap((path) =>
        STATES.map((state): Sample => [{ ...labels(path), state }, path.state === state ? 1 : 0]),
      ),
    ),
    metric(
      'path_state_changes_total',
      'counter',
      'Changes of the state of a path.',
      each(({ stateChanges }) => stateChanges),
    ),
    metric(
      'path_weight',
      'gauge',
      'Weight in effect: 0 while nothing is sent over the path.',
      each(({ weight }) => weight),
    ),
    metric(
      'path_round_trip_seconds',
      'gauge',
      'Round trip of probes, smoothed.',
      each(({ rttUs }) => seconds(rttUs)),
    ),
    metric(
      'path_shortest_round_trip_seconds',
      'gauge',
      'Shortest round trip of the last 30 to 60 s.',
      each(({ minRttUs }) => seconds(minRttUs)),
    ),
    metric(
      'path_delay_behind_seconds',
      'gauge',
      "One-way delay behind the session's fastest path, sending direction.",
      each(({ delayBehindUs }) => seconds(delayBehindUs)),
    ),
    metric(
      'path_queue_seconds',
      'gauge',
      'What queues add to the shortest delay.',
      both(({ queueUs }) => seconds(queueUs)),
    ),
    metric(
      'path_jitter_seconds',
      'gauge',
      'Jitter of probes (RFC 3550).',
      both(({ jitterUs }) => seconds(jitterUs)),
    ),
    metric(
      'path_loss_ratio',
      'gauge',
      'Share of data packets that get lost, over half a second of traffic.',
      both(({ loss }) => loss),
    ),
    metric(
      'path_rate_bits_per_second',
      'gauge',
      'Data that arrive.',
      both(({ rate }) => rate),
    ),
    metric(
      'path_capacity_bits_per_second',
      'gauge',
      'Data that arrived when the path was full.',
      both(({ capacity }) => capacity),
    ),
    metric(
      'path_probes_sent_total',
      'counter',
      'Probes sent.',
      each(({ probesSent }) => probesSent),
    ),
    metric(
      'path_probes_answered_total',
      'counter',
      'Probes answered.',
      each(({ probesAnswered }) => probesAnswered),
    ),
    metric(
      'path_unconfirmed_packets_total',
      'counter',
      'Packets sent into the path between the last sign that they arrive and its being left out.',
      each(({ unconfirmedPackets }) => unconfirmedPackets),
    ),
  ];
}
