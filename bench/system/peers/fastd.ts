/** fastd over one path: method null (no encryption, no authentication of data), TUN mode. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathAddresses } from '../../../src/lab/plan.ts';
import { Daemons, versionOf } from './daemons.ts';
import type { Ground, Peer, Tunnel } from './peer.ts';

const PORT = 10000;

export const FASTD: Peer = {
  name: 'fastd',
  paths: 1,
  settings: 'method null',
  find: () => versionOf('fastd', '--version'),
  async start(ground: Ground): Promise<Tunnel> {
    const daemons = new Daemons(ground);
    try {
      const keys = { mag: makeKeys(), lma: makeKeys() };
      const addresses = pathAddresses(0, 4);
      for (const end of ['mag', 'lma'] as const) {
        const far = end === 'mag' ? 'lma' : 'mag';
        const file = join(ground.folder, `fastd-${end}.conf`);
        const lines = [
          'log level warn;',
          'mode tun;',
          'interface "fastd0";',
          'method "null";',
          'mtu 1440;',
          `bind ${addresses[end]}:${PORT};`,
          `secret "${keys[end].secret}";`,
          `peer "${far}" { key "${keys[far].open}"; remote ${addresses[far]}:${PORT}; }`,
        ];
        writeFileSync(file, lines.join('\n'), { mode: 0o600 });
        daemons.run(end, ['fastd', '--config', file]);
      }
      await daemons.configure({ mag: 'fastd0', lma: 'fastd0' });
      return daemons.tunnel();
    } catch (error) {
      await daemons.stop();
      throw error;
    }
  },
};

function makeKeys(): { secret: string; open: string } {
  const text = execFileSync('fastd', ['--generate-key', '--machine-readable'], { encoding: 'utf8' });
  const secret = text.trim();
  const open = execFileSync('fastd', ['--show-key', '--machine-readable', '--config', '-'], {
    encoding: 'utf8',
    input: `secret "${secret}";`,
  });
  return { secret, open: open.trim() };
}
