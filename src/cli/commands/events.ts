/** `tunloom events`: what happens on a running instance, as it happens. */
import { Command } from 'commander';
import { followControl } from '../../control/client.ts';
import type { NodeEvent } from '../../control/signaling-status.ts';
import { socketOf } from '../output.ts';

export function eventsCommand(): Command {
  return new Command('events')
    .description('follow registrations, paths, weights and messages of a running instance')
    .option('--messages', 'mobility messages too')
    .option('--json', 'print one JSON object a line')
    .action(async (options: { messages?: boolean; json?: boolean }, command: Command) => {
      await followControl(socketOf(command), '/v1/events', (data) => {
        const event = data as NodeEvent | OtherEvent;
        if (event.event === 'alive' || (event.event === 'message' && !options.messages)) return;
        const line = options.json
          ? JSON.stringify(event)
          : `${new Date().toISOString()} ${wordsOf(event as NodeEvent)}`;
        process.stdout.write(`${line}\n`);
      });
    });
}

/** Events of the data plane, and those of the stream itself. */
interface OtherEvent {
  readonly event: string;
}

function wordsOf(event: NodeEvent): string {
  switch (event.event) {
    case 'pathAdded':
    case 'pathRemoved':
    case 'pathChanged':
      return `${event.event} ${event.session} BID ${event.bid} ${event.local} ${event.remote} ${event.encapsulation}`;
    case 'weightsChosen': {
      const weights = Object.entries(event.weights).map(([bid, weight]) => `${bid}=${weight}`);
      return `${event.event} ${event.session} ${weights.join(' ')} (${event.from})`;
    }
    case 'message':
      return `${event.direction === 'in' ? '<-' : '->'} ${event.remote} ${event.text}`;
    case 'log':
      return [event.level, event.text, event.node, event.peer].filter(Boolean).join(' ');
    case 'interface':
      return `interface ${event.interface} ${event.up ? 'up' : 'down'} ${event.addresses.join(' ')}`;
    default: {
      const { event: name, ...rest } = event as OtherEvent;
      return [name, ...Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`)].join(
        ' ',
      );
    }
  }
}
