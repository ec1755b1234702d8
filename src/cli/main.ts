#!/usr/bin/env node
/** The command line: arguments to commands. */
import './node-version.ts';
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { attachCommand, deregisterCommand, detachCommand, registerCommand } from './commands/attachment.ts';
import { bindingsCommand } from './commands/bindings.ts';
import { compareCommand } from './commands/compare.ts';
import { dataplaneCommand } from './commands/dataplane.ts';
import { decodeCommand } from './commands/decode.ts';
import { eventsCommand } from './commands/events.ts';
import { interfaceCommand } from './commands/interface.ts';
import { labCommand } from './commands/lab.ts';
import { lmaCommand } from './commands/lma.ts';
import { magCommand } from './commands/mag.ts';
import { pathsCommand } from './commands/paths.ts';
import { reloadCommand } from './commands/reload.ts';
import { revokeCommand } from './commands/revoke.ts';
import { flowsCommand } from './commands/flows.ts';
import { schedulerCommand } from './commands/scheduler.ts';
import { signalingCommand } from './commands/signaling.ts';
import { sessionsCommand } from './commands/sessions.ts';
import { statusCommand } from './commands/status.ts';
import { weightsCommand } from './commands/weights.ts';
import { reportError } from './output.ts';

const DEFAULT_SOCKET = '/run/tunloom/tunloom.sock';

// From src/cli/ as from dist/src/cli/, the package itself is found by its own name.
const { version } = createRequire(import.meta.url)(
  import.meta.url.includes('/dist/') ? '../../../package.json' : '../../package.json',
) as { version: string };

const program = new Command('tunloom')
  .description(
    'spreads IP packets of mobility sessions over several tunnels (RFC 8278) and puts them back in order',
  )
  .version(version)
  .option(
    '--socket <path>',
    'control socket of the running instance (also TUNLOOM_SOCKET)',
    process.env['TUNLOOM_SOCKET'] || DEFAULT_SOCKET,
  )
  .addHelpText(
    'after',
    '\nExit status: 0; 1 if it failed; 2 if what it was told is wrong, such as an argument or a configuration file.',
  )
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'tunloom: ')) })
  .exitOverride();
for (const command of [
  labCommand(),
  magCommand(),
  lmaCommand(),
  dataplaneCommand(),
  reloadCommand(),
  statusCommand(),
  sessionsCommand(),
  pathsCommand(),
  weightsCommand(),
  bindingsCommand(),
  attachCommand(),
  detachCommand(),
  registerCommand(),
  deregisterCommand(),
  interfaceCommand(),
  revokeCommand(),
  signalingCommand(),
  eventsCommand(),
  schedulerCommand(),
  flowsCommand(),
  decodeCommand(),
  compareCommand(),
]) {
  program.addCommand(command.copyInheritedSettings(program));
}

// A reader that has seen enough, such as head(1), is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has printed its message already; asking for help is no error.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    // Not exitCode: a thread or timer that a start left behind when it failed would keep the process.
    process.exit(reportError(error));
  }
}
