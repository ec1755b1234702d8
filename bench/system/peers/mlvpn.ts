/** MLVPN over two paths, data in clear text, its reorder buffer on. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathAddresses } from '../../../src/lab/plan.ts';
import { Daemons, versionOf } from './daemons.ts';
import type { Ground, Peer, Tunnel } from './peer.ts';

const PATHS = 2;
const PORT = 5080;

export const MLVPN: Peer = {
  name: 'MLVPN',
  paths: PATHS,
  settings: 'clear-text data, reorder buffer of 64',
  find: () => versionOf('mlvpn', '--version'),
  async start(ground: Ground): Promise<Tunnel> {
    const daemons = new Daemons(ground);
    try {
      // It insists on a status command; the bench configures the device itself.
      const hook = join(ground.folder, 'mlvpn-status.sh');
      writeFileSync(hook, '#!/bin/sh\nexit 0\n', { mode: 0o700 });
      for (const end of ['lma', 'mag'] as const) {
        const file = join(ground.folder, `mlvpn-${end}.conf`);
        writeFileSync(file, configuration(end, hook), { mode: 0o600 });
        // It changes its root to the home of this user, so that has to exist.
        daemons.run(end, ['mlvpn', '--config', file, '--user', 'daemon']);
      }
      await daemons.configure({ mag: 'mlvpn0', lma: 'mlvpn0' });
      return daemons.tunnel();
    } catch (error) {
      await daemons.stop();
      throw error;
    }
  },
};

function configuration(end: 'mag' | 'lma', hook: string): string {
  const lines = [
    '[general]',
    `statuscommand = "${hook}"`,
    'tuntap = "tun"',
    `mode = "${end === 'lma' ? 'server' : 'client'}"`,
    'interface_name = "mlvpn0"',
    'timeout = 30',
    'password = "a bench is no place for secrets"',
    'cleartext_data = 1',
    'reorder_buffer_size = 64',
    'loss_tolerence = 50',
    'loglevel = 2',
    '[filters]',
  ];
  for (let path = 0; path < PATHS; path++) {
    const addresses = pathAddresses(path, 4);
    lines.push(`[wan${path + 1}]`, `bindhost = "${addresses[end]}"`, `bindport = ${PORT + path}`);
    if (end === 'mag') lines.push(`remotehost = "${addresses.lma}"`, `remoteport = ${PORT + path}`);
  }
  return `${lines.join('\n')}\n`;
}
