/** Metrics of a MAG's or LMA's mobility messages. */
import { type Sample, metric } from './prometheus-text.ts';
import type { SignalingStatus } from './signaling-status.ts';

export function signalingMetrics(status: SignalingStatus): string[] {
  const each = (label: string, counts: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(counts).map(([name, count]) => [{ [label]: name }, count]);
  const counter = (name: string, help: string, samples: readonly Sample[]): string =>
    metric(`signaling_${name}_total`, 'counter', help, samples);
  return [
    counter('received_messages', 'Mobility messages received.', each('message', status.received)),
    counter('sent_messages', 'Mobility messages sent.', each('message', status.sent)),
    counter('unsent_messages', 'Mobility messages that the kernel did not take.', [[{}, status.unsent]]),
    counter(
      'acknowledgements',
      'Proxy Binding Acknowledgements by status: of an LMA those sent, of a MAG those received.',
      each('status', status.answered),
    ),
    counter(
      'refused_messages',
      'Messages that could not be read or were not let through, by reason.',
      each('reason', status.refused),
    ),
    counter('ignored_messages', 'Messages that led to nothing, by reason.', each('reason', status.ignored)),
    counter('receive_overflows', 'Messages lost because a socket was full.', [[{}, status.overflow]]),
    metric('signaling_restart_counter', 'gauge', 'Restart counter of heartbeats (RFC 5847).', [
      [{}, status.restartCounter],
    ]),
  ];
}
