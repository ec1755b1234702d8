/**
 * Sockets for mobility messages: raw IPv6 of protocol 135 (ipv6(7), RFC 3542, RFC 6275 §6.1) and UDP over IPv4 (RFC 5844 §4).
 * Both tell the address that a message came to, so that the answer can leave from it. All are non-blocking.
 */
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { bind, close, setIntOption, setOption, socket } from './libc.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  bindToDevice,
  setBufferSize,
} from './socket-options.ts';

const IP_PKTINFO = 8;
const IPV6_CHECKSUM = 7;
const IPV6_RECVPKTINFO = 49;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_MH = 135;
const ICMP6_FILTER = 1;

/** A burst of 10,000 PBUs has room; a message of 150 octets takes about 800 in the kernel. */
const BUFFER_BYTES = 16 << 20;

export interface MobilitySocketSpec {
  /** Our address; `::` or `0.0.0.0` for all. */
  readonly local: string;
  /** UDP port (IPv4); null: the Mobility Header directly over IPv6. */
  readonly port: number | null;
  /** Only by this interface, in and out (SO_BINDTODEVICE). */
  readonly interface?: string | undefined;
}

/** Opens a socket in the calling thread's network namespace. Throws SystemCallError (EPERM, EADDRNOTAVAIL, ENODEV ...). */
export function openMobilitySocket({ local, port, interface: device }: MobilitySocketSpec): number {
  const address = parseAddress(local);
  const type = (port === null ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = socket(address.family === 6 ? AF_INET6 : AF_INET, type, port === null ? IPPROTO_MH : 0);
  try {
    if (address.family === 6) {
      // Linux would check and fill in the checksum of protocol 135 by itself; we do, so that bad ones can be counted.
      if (port === null) setIntOption(fd, IPPROTO_IPV6, IPV6_CHECKSUM, -1, 'IPV6_CHECKSUM');
      setIntOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, 'IPV6_RECVPKTINFO');
    } else {
      setIntOption(fd, IPPROTO_IP, IP_PKTINFO, 1, 'IP_PKTINFO');
    }
    setBufferSize(fd, 'receive', BUFFER_BYTES);
    if (device !== undefined) bindToDevice(fd, device);
    const sockaddr = encodeSockaddr(address, port ?? 0);
    bind(fd, sockaddr.bytes, sockaddr.length, `${local} ${port === null ? 'protocol 135' : `port ${port}`}`);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** A raw socket that only sends ICMPv6 errors (RFC 4443); it receives nothing. */
export function openIcmp6Sender(): number {
  const fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  // A set bit blocks its type (linux/icmpv6.h): all are.
  setOption(fd, IPPROTO_ICMPV6, ICMP6_FILTER, new Uint8Array(32).fill(0xff), 'ICMP6_FILTER');
  return fd;
}
