/**
 * No tunnel: the veth pair itself, the limit that everything is compared with. Without segmentation offload (ethtool -K tso off
 * gso off, done here by its ioctl) the far end gets every packet by itself, as it does on tunnels without that offload.
 */
import { pathAddresses } from '../../../src/lab/plan.ts';
import { addressOf, close, ioctl, socket } from '../../../src/net/libc.ts';
import { withNamespace } from '../../../src/net/network-namespace.ts';
import type { Ground, Tunnel } from './peer.ts';

// linux/sockios.h, linux/ethtool.h
const SIOCETHTOOL = 0x8946;
const ETHTOOL_STSO = 0x1f;
const ETHTOOL_SGSO = 0x24;
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40;

export function startBareVeth({ topology }: Ground, offload: boolean): Tunnel {
  if (!offload) {
    for (const namespace of [topology.mag, topology.lma]) {
      withNamespace(namespace, () => switchSegmentationOff('wan1'));
    }
  }
  const { mag, lma } = pathAddresses(0, 4);
  return {
    ends: { from: topology.mag, to: topology.lma, source: mag, destination: lma },
    pids: () => [],
    stop: async () => {},
  };
}

function switchSegmentationOff(device: string): void {
  // struct ethtool_value: command, 0 for off. It lies in a WebAssembly memory because the request holds its address.
  const memory = new WebAssembly.Memory({ initial: 1 });
  const value = new DataView(memory.buffer);
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(new TextEncoder().encode(device));
  new DataView(request.buffer).setBigUint64(IFNAMSIZ, BigInt(addressOf(memory)), true);
  const fd = socket(2, 2 | 0o2000000, 0);
  try {
    for (const command of [ETHTOOL_STSO, ETHTOOL_SGSO]) {
      value.setUint32(0, command, true);
      ioctl(fd, SIOCETHTOOL, request, `SIOCETHTOOL ${device}`);
    }
  } finally {
    close(fd);
  }
}
