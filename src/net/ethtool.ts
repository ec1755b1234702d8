/** Device features by ioctl (SIOCETHTOOL, linux/ethtool.h), in the calling thread's network namespace. */
import { addressOfBytes, close, ioctl, socket } from './libc.ts';
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from './socket-options.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_STXCSUM = 0x17;
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

/**
 * Switches checksum offload on transmission: without it frames carry complete checksums, so that whoever reads them from a
 * packet(7) socket may send them on. Throws SystemCallError (ENODEV, EPERM, EOPNOTSUPP).
 */
export function setTransmitChecksum(device: string, on: boolean): void {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    // struct ethtool_value: u32 command, u32 data; struct ifreq: name, pointer to it.
    const value = new Uint8Array(Uint32Array.of(ETHTOOL_STXCSUM, on ? 1 : 0).buffer);
    const request = new Uint8Array(IFREQ_SIZE);
    request.set(new TextEncoder().encode(device).subarray(0, IFNAMSIZ - 1));
    new DataView(request.buffer).setBigUint64(IFNAMSIZ, BigInt(addressOfBytes(value)), true);
    ioctl(fd, SIOCETHTOOL, request, `ETHTOOL_STXCSUM ${device}`);
  } finally {
    close(fd);
  }
}
