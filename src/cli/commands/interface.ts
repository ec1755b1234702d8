/** `tunloom interface NAME`: a WAN interface of a running MAG out of use, into it again, or with other metrics. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import { TunloomError } from '../../errors.ts';
import { print, socketOf } from '../output.ts';

interface InterfaceOptions {
  readonly up?: boolean;
  readonly down?: boolean;
  readonly weight?: string;
  readonly uplink?: string;
  readonly downlink?: string;
  readonly latency?: string;
  readonly loss?: string;
  readonly configured?: boolean;
  readonly json?: boolean;
}

export function interfaceCommand(): Command {
  return new Command('interface')
    .description(
      'take a WAN interface of a running MAG out of use or into it, or tell the LMA what it can do',
    )
    .argument('<name>')
    .option('--up', 'use it, if it is up')
    .option('--down', 'do not use it')
    .option('--weight <n>', 'weight of its path')
    .option('--uplink <rate>', 'such as 50mbit')
    .option('--downlink <rate>', 'such as 100mbit')
    .option('--latency <duration>', 'one way, such as 30ms')
    .option('--loss <share>', 'such as 0.1%')
    .option('--configured', 'all metrics as in the configuration again')
    .option('--json', 'print JSON')
    .action(async (name: string, options: InterfaceOptions, command: Command) => {
      const body = bodyOf(options);
      await callControl(socketOf(command), 'PUT', `/v1/interfaces/${encodeURIComponent(name)}`, body);
      print(options.json ?? false, { interface: name, ...body }, () => `${name}: ${JSON.stringify(body)}`);
    });
}

/** Throws BAD_OPTION if there is nothing to do. */
function bodyOf({ up, down, configured, weight, uplink, downlink, latency, loss }: InterfaceOptions): object {
  if (up && down) throw new TunloomError('BAD_OPTION', 'expected --up or --down, not both');
  if (weight !== undefined && !/^\d+$/.test(weight)) {
    throw new TunloomError('BAD_OPTION', `--weight ${weight}: expected a whole number`);
  }
  const metrics = Object.fromEntries(
    Object.entries({
      weight: weight === undefined ? undefined : Number(weight),
      uplinkRate: uplink,
      downlinkRate: downlink,
      latency,
      loss,
    }).filter(([, value]) => value !== undefined),
  );
  const some = Object.keys(metrics).length > 0;
  if (configured && some) throw new TunloomError('BAD_OPTION', 'expected --configured or metrics, not both');
  const body = {
    ...(up || down ? { up: up ?? false } : {}),
    ...(configured || some ? { metrics: configured ? null : metrics } : {}),
  };
  if (!Object.keys(body).length) throw new TunloomError('BAD_OPTION', 'expected --up, --down or a metric');
  return body;
}
