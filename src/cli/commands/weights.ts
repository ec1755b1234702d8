/** `tunloom weights SESSION BID=W ...`: changes the schedule of a session in a running instance. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { SessionStatus } from '../../dataplane/status.ts';
import { TunloomError } from '../../errors.ts';
import { print, socketOf } from '../output.ts';
import { formatSession } from './sessions.ts';

export function weightsCommand(): Command {
  return new Command('weights')
    .description('change weights while packets flow')
    .argument('<session>')
    .argument('[bid=weight...]', 'such as 1=3 2=2; other paths keep theirs')
    .option('--auto', 'on a MAG or LMA: back to what the signaling and the rules say')
    .option('--json', 'print JSON')
    .action(async (name: string, pairs: string[], options: WeightsOptions, command: Command) => {
      const path = `/v1/sessions/${encodeURIComponent(name)}/weights`;
      if ((options.auto ?? false) === pairs.length > 0) {
        throw new TunloomError('BAD_OPTION', 'expected BID=WEIGHT, such as 1=3, or --auto');
      }
      if (options.auto) {
        await callControl(socketOf(command), 'DELETE', path);
        const session = await callControl(socketOf(command), 'GET', path.slice(0, -'/weights'.length));
        print(options.json ?? false, session, () => formatSession(session as SessionStatus));
        return;
      }
      const session = (await callControl(socketOf(command), 'PUT', path, {
        weights: parseWeights(pairs),
      })) as SessionStatus;
      print(options.json ?? false, session, () => formatSession(session));
    });
}

interface WeightsOptions {
  readonly auto?: boolean;
  readonly json?: boolean;
}

/** Throws BAD_OPTION for what is not BID=WEIGHT and for a BID named twice. */
function parseWeights(pairs: readonly string[]): Record<string, number> {
  const weights: Record<string, number> = {};
  for (const pair of pairs) {
    const [, bid, weight] = /^([1-9]\d{0,2})=(\d{1,5})$/.exec(pair) ?? [];
    if (bid === undefined) throw new TunloomError('BAD_OPTION', `"${pair}" is not BID=WEIGHT, such as 1=3`);
    if (bid in weights) throw new TunloomError('BAD_OPTION', `BID ${bid} is given twice`);
    weights[bid] = Number(weight);
  }
  return weights;
}
