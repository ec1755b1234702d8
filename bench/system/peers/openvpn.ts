/** OpenVPN over one path, UDP, point to point without keys: neither cipher nor authentication. */
import { pathAddresses } from '../../../src/lab/plan.ts';
import { Daemons, versionOf } from './daemons.ts';
import { type Ground, INNER, INNER_MTU, type Peer, type Tunnel } from './peer.ts';

export const OPENVPN: Peer = {
  name: 'OpenVPN',
  paths: 1,
  settings: 'no cipher, no authentication, --fast-io',
  find: () => versionOf('openvpn', '--version'),
  async start(ground: Ground): Promise<Tunnel> {
    const daemons = new Daemons(ground);
    try {
      const addresses = pathAddresses(0, 4);
      for (const end of ['mag', 'lma'] as const) {
        const far = end === 'mag' ? 'lma' : 'mag';
        daemons.run(end, [
          ...['openvpn', '--dev', 'ovpn0', '--dev-type', 'tun', '--proto', 'udp', '--port', '1194'],
          ...['--local', addresses[end], '--remote', addresses[far]],
          ...['--ifconfig', INNER[end], INNER[far], '--tun-mtu', String(INNER_MTU), '--mssfix', '0'],
          ...['--cipher', 'none', '--auth', 'none', '--fast-io', '--verb', '1'],
        ]);
      }
      await daemons.answer();
      return daemons.tunnel();
    } catch (error) {
      await daemons.stop();
      throw error;
    }
  },
};
