/**
 * What the kernel knows of the MTU between two addresses: that of the route, or less where an ICMP error (RFC 792, RFC 4443: too big)
 * for a packet of ours came back. The kernel checks such errors against its sockets and forgets them after 10 minutes
 * (net.ipv4.route.mtu_expires, net.ipv6.route.mtu_expires; RFC 1191 §6.3, RFC 8201 §5.3).
 */
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { SystemCallError } from './errno.ts';
import { bind, close, connect, getOption, socket } from './libc.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  bindToDevice,
} from './socket-options.ts';

const IP_MTU = 14;
const IPV6_MTU = 24;
/** Any: nothing is sent. */
const DISCARD_PORT = 9;

/** In the calling thread's network namespace; null where there is no route or the address is gone. Sends nothing. */
export function pathMtu(local: string, remote: string, device?: string): number | null {
  const from = parseAddress(local);
  const v6 = from.family === 6;
  let fd: number | null = null;
  try {
    fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (device !== undefined) bindToDevice(fd, device);
    const own = encodeSockaddr(from, 0);
    bind(fd, own.bytes, own.length, local);
    const peer = encodeSockaddr(parseAddress(remote), DISCARD_PORT);
    connect(fd, peer.bytes, peer.length, remote);
    const value = v6
      ? getOption(fd, IPPROTO_IPV6, IPV6_MTU, 4, 'IPV6_MTU')
      : getOption(fd, IPPROTO_IP, IP_MTU, 4, 'IP_MTU');
    return new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  } finally {
    if (fd !== null) close(fd);
  }
}
