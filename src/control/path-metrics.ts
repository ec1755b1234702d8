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
  const gauge = (name: string, help: string, samples: readonly Sample[]): string =>
    metric(`path_${name}`, 'gauge', help, samples);
  const total = (name: string, help: string, of: (path: PathHealthStatus) => number): string =>
    metric(`path_${name}_total`, 'counter', help, each(of));
  return [
    gauge(
      'state',
      '1 for the state that the path is in.',
      paths.flatMap((path) =>
        STATES.map((state): Sample => [{ ...labels(path), state }, path.state === state ? 1 : 0]),
      ),
    ),
    total('state_changes', 'Changes of the state of a path.', ({ stateChanges }) => stateChanges),
    gauge(
      'weight',
      'Weight in effect: 0 while nothing is sent over the path.',
      each(({ weight }) => weight),
    ),
    gauge(
      'round_trip_seconds',
      'Round trip of probes, smoothed.',
      each(({ rttUs }) => seconds(rttUs)),
    ),
    gauge(
      'shortest_round_trip_seconds',
      'Shortest round trip of the last 30 to 60 s.',
      each(({ minRttUs }) => seconds(minRttUs)),
    ),
    gauge(
      'delay_behind_seconds',
      "One-way delay behind the session's fastest path, sending direction.",
      each(({ delayBehindUs }) => seconds(delayBehindUs)),
    ),
    gauge(
      'queue_seconds',
      'What queues add to the shortest delay.',
      both(({ queueUs }) => seconds(queueUs)),
    ),
    gauge(
      'jitter_seconds',
      'Jitter of probes (RFC 3550).',
      both(({ jitterUs }) => seconds(jitterUs)),
    ),
    gauge(
      'loss_ratio',
      'Share of data packets that get lost, over half a second of traffic.',
      both(({ loss }) => loss),
    ),
    gauge(
      'rate_bits_per_second',
      'Data that arrive.',
      both(({ rate }) => rate),
    ),
    gauge(
      'capacity_bits_per_second',
      'Data that arrived when the path was full.',
      both(({ capacity }) => capacity),
    ),
    total('probes_sent', 'Probes sent.', ({ probesSent }) => probesSent),
    total('probes_answered', 'Probes answered.', ({ probesAnswered }) => probesAnswered),
    total(
      'unconfirmed_packets',
      'Packets sent into the path between the last sign that they arrive and its being left out.',
      ({ unconfirmedPackets }) => unconfirmedPackets,
    ),
  ];
}
