/** `tunloom attach|detach|register|deregister NODE`: nodes of a running MAG, by the operator's word. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { BindingStatus } from '../../control/signaling-status.ts';
import { TunloomError } from '../../errors.ts';
import { print, socketOf } from '../output.ts';

/** How long the LMA's word is waited for, and how often it is looked for. */
const WORD_MS = 5000;
const LOOK_MS = 50;

export function attachCommand(): Command {
  return new Command('attach')
    .description('attach a node to a running MAG, as if it had appeared on an access interface')
    .argument('<node>', 'identity (NAI)')
    .option('--interface <name>', 'access interface; the first of the configuration if left out')
    .option('--link-layer <address>', 'link-layer address')
    .option('--json', 'print JSON')
    .action(
      async (
        node: string,
        options: { interface?: string; linkLayer?: string; json?: boolean },
        command: Command,
      ) => {
        const socket = socketOf(command);
        await callControl(socket, 'POST', '/v1/attach', {
          node,
          ...(options.interface === undefined ? {} : { interface: options.interface }),
          ...(options.linkLayer === undefined ? {} : { linkLayerId: options.linkLayer }),
        });
        const bids = await registeredBids(socket, node);
        print(options.json ?? false, { attached: node, bids }, () => `${node} attached, ${bidsText(bids)}`);
      },
    );
}

export function detachCommand(): Command {
  return nodeCommand('detach', 'detach a node from a running MAG');
}

export function registerCommand(): Command {
  return nodeCommand('register', 'register a node of a running MAG now, also after a refusal');
}

export function deregisterCommand(): Command {
  return nodeCommand('deregister', "end a node's session on a running MAG until it is registered again");
}

function nodeCommand(name: 'detach' | 'register' | 'deregister', description: string): Command {
  return new Command(name)
    .description(description)
    .argument('<node>', 'identity (NAI)')
    .option('--json', 'print JSON')
    .action(async (node: string, options: { json?: boolean }, command: Command) => {
      const socket = socketOf(command);
      await callControl(socket, 'POST', `/v1/${name}`, { node });
      const bids = name === 'register' ? await registeredBids(socket, node) : null;
      print(
        options.json ?? false,
        { [`${name}ed`]: node, ...(bids && { bids }) },
        () => `${node} ${bids ? bidsText(bids) : `${name}ed`}`,
      );
    });
}

/** Waits for the LMA's word on the node; BIDs that it has accepted until then. Throws REFUSED and NO_ANSWER. */
async function registeredBids(socket: string, node: string): Promise<number[]> {
  let known = false;
  for (let waited = 0; waited < WORD_MS; waited += LOOK_MS) {
    const bindings = (await callControl(socket, 'GET', '/v1/bindings')) as BindingStatus[];
    const binding = bindings.find((each) => each.node === node);
    known = binding?.state === 'active';
    if (binding && known && !binding.paths.some(({ state }) => state === 'refreshing')) {
      return binding.paths.filter(({ state }) => state === 'active').map(({ bid }) => bid);
    }
    if (binding && !known && binding.state !== 'down') {
      throw new TunloomError('REFUSED', `${node} is attached, but the LMA refuses it: ${binding.state}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
  const state = known ? 'registered from before, but not anew' : 'attached, but not registered';
  throw new TunloomError(
    'NO_ANSWER',
    `${node} is ${state} after ${WORD_MS / 1000} s; the MAG goes on trying, and its log says why`,
  );
}

function bidsText(bids: readonly number[]): string {
  return bids.length ? `registered over BID ${bids.join(', ')}` : 'registered';
}
