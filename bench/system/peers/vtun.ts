/** vtun over one path: UDP, no encryption, no compression. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathAddresses } from '../../../src/lab/plan.ts';
import { Daemons, versionOf } from './daemons.ts';
import type { Ground, Peer, Tunnel } from './peer.ts';

const PORT = 5000;

export const VTUN: Peer = {
  name: 'vtun',
  paths: 1,
  settings: 'UDP, no encryption, no compression',
  find: () => versionOf('vtund', '-h'),
  async start(ground: Ground): Promise<Tunnel> {
    const daemons = new Daemons(ground);
    try {
      // vtund keeps its locks here and does not make the directory itself.
      mkdirSync('/var/lock/vtund', { recursive: true });
      const server = pathAddresses(0, 4).lma;
      const options = `options { port ${PORT}; syslog daemon; timeout 10; }`;
      const tunnel = (device: string): string =>
        `bench { passwd bench; type tun; device ${device}; proto udp; encrypt no; compress no; keepalive no; }`;
      const files = { mag: join(ground.folder, 'vtun-mag.conf'), lma: join(ground.folder, 'vtun-lma.conf') };
      for (const end of ['mag', 'lma'] as const) {
        writeFileSync(files[end], `${options}\n${tunnel(`vtun${end}`)}\n`, { mode: 0o600 });
      }
      daemons.run('lma', ['vtund', '-n', '-s', '-f', files.lma, '-P', String(PORT), '-L', server]);
      daemons.run('mag', ['vtund', '-n', '-p', '-f', files.mag, '-P', String(PORT), 'bench', server]);
      await daemons.configure({ mag: 'vtunmag', lma: 'vtunlma' });
      return daemons.tunnel();
    } catch (error) {
      await daemons.stop();
      throw error;
    }
  },
};
