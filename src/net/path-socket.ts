/**
 * The sockets that tunnels run over. raw(7) over IPv4 takes and gives whole packets; raw over IPv6 (ipv6(7), RFC 3542)
 * takes whole packets (IPV6_HDRINCL) and gives payloads; udp(7) takes and gives payloads. All are non-blocking.
 */
import { TunloomError } from '../errors.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { SystemCallError } from './errno.ts';
import { bind, close, getOption, setIntOption, socket } from './libc.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
  bindToDevice,
  setBufferSize,
} from './socket-options.ts';

const SO_REUSEPORT = 15;
const SO_TIMESTAMPNS = 35;
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8;
const IP_TTL = 2;
const IP_HDRINCL = 3;
const IP_MTU_DISCOVER = 10;
const IP_RECVTOS = 13;
const PMTUDISC_DONT = 0;
const PMTUDISC_PROBE = 3;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const IPV6_HDRINCL = 36;
const IPV6_RECVTCLASS = 66;
const IPPROTO_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

const EADDRINUSE = 98;

const BUFFER_BYTES = 4 << 20;

export interface PathSocketSpec {
  readonly local: string;
  /** 4, 41 or 47 for raw sockets, 17 for UDP. */
  readonly protocol: number;
  /** UDP port, 0 for raw sockets. */
  readonly port: number;
  readonly interface?: string | undefined;
  /** Only UDP: elsewhere we write the header ourselves. */
  readonly hopLimit: number;
  readonly dontFragment: boolean;
  /** UDP: let the kernel give several datagrams of one sender as one message (UDP_GRO). */
  readonly merge: boolean;
}

/** What udp(7) of this kernel can do: UDP_SEGMENT (Linux 4.18) and UDP_GRO (5.0). */
export function udpOffloads(): { segment: boolean; merge: boolean } {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  const has = (option: number): boolean => {
    try {
      return setIntOption(fd, IPPROTO_UDP, option, 0, `${option}`);
    } catch {
      return false;
    }
  };
  try {
    return { segment: has(UDP_SEGMENT), merge: has(UDP_GRO) };
  } finally {
    close(fd);
  }
}

/** Opens a socket in the calling thread's network namespace. Throws SystemCallError (EPERM, EADDRNOTAVAIL, ENODEV ...). */
export function openPathSocket(spec: PathSocketSpec): number {
  const address = parseAddress(spec.local);
  const v6 = address.family === 6;
  const udp = spec.protocol === IPPROTO_UDP;
  const type = (udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = socket(v6 ? AF_INET6 : AF_INET, type, spec.protocol);
  try {
    if (udp) setUdpOptions(fd, v6, spec);
    else if (v6) setIntOption(fd, IPPROTO_IPV6, IPV6_HDRINCL, 1, 'IPV6_HDRINCL');
    else setIntOption(fd, IPPROTO_IP, IP_HDRINCL, 1, 'IP_HDRINCL');
    if (v6) setIntOption(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1, 'IPV6_RECVTCLASS');
    setIntOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, 'SO_TIMESTAMPNS');
    setBufferSize(fd, 'receive', BUFFER_BYTES);
    setBufferSize(fd, 'send', BUFFER_BYTES);
    if (spec.interface) bindToDevice(fd, spec.interface);
    const sockaddr = encodeSockaddr(address, spec.port);
    const what = udp ? `${spec.local} port ${spec.port}` : `${spec.local} protocol ${spec.protocol}`;
    bind(fd, sockaddr.bytes, sockaddr.length, what);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/**
 * Throws PORT_IN_USE if anybody has a socket on this UDP port: another instance would otherwise share it, as our own workers do
 * (SO_REUSEPORT, socket(7)), and each would get some of the other's packets.
 */
export function refuseSharedPort({ local, port, interface: device }: PathSocketSpec): void {
  const address = parseAddress(local);
  const fd = socket(address.family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  try {
    if (device) bindToDevice(fd, device);
    const sockaddr = encodeSockaddr(address, port);
    bind(fd, sockaddr.bytes, sockaddr.length, `${local} port ${port}`);
  } catch (error) {
    // Whatever else is wrong shows when the sockets proper are opened.
    if (!(error instanceof SystemCallError) || error.errno !== EADDRINUSE) return;
    const where = `${local} port ${port}${device ? ` on ${device}` : ''}`;
    const message = `${where}: another process has this UDP port, maybe another instance of tunloom`;
    throw new TunloomError('PORT_IN_USE', message, { cause: error });
  } finally {
    close(fd);
  }
}

function setUdpOptions(fd: number, v6: boolean, spec: PathSocketSpec): void {
  const discover = spec.dontFragment ? PMTUDISC_PROBE : PMTUDISC_DONT;
  setIntOption(fd, SOL_SOCKET, SO_REUSEPORT, 1, 'SO_REUSEPORT');
  if (spec.merge) setIntOption(fd, IPPROTO_UDP, UDP_GRO, 1, 'UDP_GRO');
  if (v6) {
    setIntOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, 'IPV6_V6ONLY');
    setIntOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, spec.hopLimit, 'IPV6_UNICAST_HOPS');
    setIntOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, discover, 'IPV6_MTU_DISCOVER');
  } else {
    setIntOption(fd, IPPROTO_IP, IP_RECVTOS, 1, 'IP_RECVTOS');
    setIntOption(fd, IPPROTO_IP, IP_TTL, spec.hopLimit, 'IP_TTL');
    setIntOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, discover, 'IP_MTU_DISCOVER');
  }
}

/**
 * Packets that the kernel dropped because the socket's receive buffer was full (SO_MEMINFO, sock_diag(7)); of a UDP socket also those
 * that its filter refused or whose checksum was wrong.
 */
export function socketDrops(fd: number): number {
  const words = getOption(fd, SOL_SOCKET, SO_MEMINFO, 64, 'SO_MEMINFO');
  return new DataView(words.buffer, words.byteOffset).getUint32(SK_MEMINFO_DROPS * 4, true);
}
