/** `tunloom attach|detach|register|deregister NODE`: nodes of a running MAG, by the operator's word. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import { print, socketOf } from '../output.ts';

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
        await callControl(socketOf(command), 'POST', '/v1/attach', {
          node,
          ...(options.interface === undefined ? {} : { interface: options.interface }),
          ...(options.linkLayer === undefined ? {} : { linkLayerId: options.linkLayer }),
        });
        print(options.json ?? false, { attached: node }, () => `${node} attached`);
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
      await callControl(socketOf(command), 'POST', `/v1/${name}`, { node });
      print(options.json ?? false, { [`${name}ed`]: node }, () => `${node} ${name}ed`);
    });
}
