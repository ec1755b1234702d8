/** wireguard-go over one path. It always encrypts. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathAddresses } from '../../../src/lab/plan.ts';
import { Daemons, versionOf } from './daemons.ts';
import type { Ground, Peer, Tunnel } from './peer.ts';

const PORT = 51820;

export const WIREGUARD_GO: Peer = {
  name: 'wireguard-go',
  paths: 1,
  settings: 'ChaCha20-Poly1305 (it has no null cipher)',
  find: () => (versionOf('wg', '--version') ? versionOf('wireguard-go', '--version') : null),
  async start(ground: Ground): Promise<Tunnel> {
    const daemons = new Daemons(ground);
    try {
      // Both ends have their control sockets in one directory, named like the device.
      const names = { mag: `wgm${process.pid}`, lma: `wgl${process.pid}` };
      const keys = { mag: makeKeys(), lma: makeKeys() };
      const addresses = pathAddresses(0, 4);
      for (const end of ['mag', 'lma'] as const) {
        daemons.run(end, ['wireguard-go', '--foreground', names[end]]);
      }
      for (const end of ['mag', 'lma'] as const) {
        const far = end === 'mag' ? 'lma' : 'mag';
        const file = join(ground.folder, `wireguard-${end}.key`);
        writeFileSync(file, keys[end].secret, { mode: 0o600 });
        const set = [
          ...['netns', 'exec', ground.topology[end], 'wg', 'set', names[end], 'listen-port', String(PORT)],
          ...['private-key', file, 'peer', keys[far].open, 'allowed-ips', '0.0.0.0/0'],
          ...['endpoint', `${addresses[far]}:${PORT}`],
        ];
        await daemons.until(`control socket of ${names[end]}`, () => spawnSync('ip', set).status === 0);
      }
      await daemons.configure(names);
      return daemons.tunnel();
    } catch (error) {
      await daemons.stop();
      throw error;
    }
  },
};

function makeKeys(): { secret: string; open: string } {
  const secret = execFileSync('wg', ['genkey'], { encoding: 'utf8' }).trim();
  return { secret, open: execFileSync('wg', ['pubkey'], { encoding: 'utf8', input: secret }).trim() };
}
