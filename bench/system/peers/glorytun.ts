/** glorytun (0.3) over two paths of fixed rates. It always encrypts. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathAddresses } from '../../../src/lab/plan.ts';
import { Daemons, versionOf } from './daemons.ts';
import type { Ground, Peer, Tunnel } from './peer.ts';

const PATHS = 2;
const DEVICE = 'glory0';

export const GLORYTUN: Peer = {
  name: 'glorytun',
  paths: PATHS,
  settings: 'AEGIS-256 (it has no null cipher), fixed rates',
  find: () => versionOf('glorytun', 'version'),
  async start(ground: Ground): Promise<Tunnel> {
    const daemons = new Daemons(ground);
    try {
      const key = join(ground.folder, 'glorytun.key');
      writeFileSync(key, execFileSync('glorytun', ['keygen'], { encoding: 'utf8' }), { mode: 0o600 });
      const server = pathAddresses(0, 4).lma;
      daemons.run('lma', ['glorytun', 'bind', '0.0.0.0', 'dev', DEVICE, 'keyfile', key]);
      daemons.run('mag', ['glorytun', 'bind', '0.0.0.0', 'to', server, 'dev', DEVICE, 'keyfile', key]);
      for (let path = 0; path < PATHS; path++) {
        const up = [
          ...['netns', 'exec', ground.topology.mag, 'glorytun', 'path', pathAddresses(path, 4).mag, 'up'],
          ...['rate', 'fixed', 'tx', '10000mbit', 'rx', '10000mbit'],
        ];
        await daemons.until(`path ${path + 1}`, () => spawnSync('ip', up).status === 0);
      }
      await daemons.configure({ mag: DEVICE, lma: DEVICE });
      return daemons.tunnel();
    } catch (error) {
      await daemons.stop();
      throw error;
    }
  },
};
