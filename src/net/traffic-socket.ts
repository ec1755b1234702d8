/** Sockets of measured traffic, with what Node's own cannot be told: congestion control and DSCP. Descriptors go to `listen({ fd })`, `bind({ fd })`. */
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { bind, close, setIntOption, setOption, socket } from './libc.ts';
import { AF_INET, IPPROTO_IP, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET } from './socket-options.ts';

const SOCK_STREAM = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUFFORCE = 33;
const IP_TOS = 1;
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const RECEIVE_BUFFER = 4 << 20;

export interface TrafficSocketSpec {
  /** An IPv4 address of the calling thread's network namespace. */
  readonly address: string;
  /** 0: the kernel's choice. */
  readonly port: number;
  /** The octet of the IPv4 header. */
  readonly tos: number;
}

/** A bound TCP socket; accepted ones inherit its settings (tcp(7)). Throws SystemCallError (ENOENT: no such congestion control). */
export function openTcpSocket(spec: TrafficSocketSpec, congestion: string): number {
  return open(SOCK_STREAM, spec, (fd) => {
    setIntOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, 'SO_REUSEADDR');
    setOption(
      fd,
      IPPROTO_TCP,
      TCP_CONGESTION,
      new TextEncoder().encode(congestion),
      `TCP_CONGESTION ${congestion}`,
    );
  });
}

/** A bound UDP socket. Throws SystemCallError. */
export function openUdpSocket(spec: TrafficSocketSpec): number {
  return open(SOCK_DGRAM, spec, (fd) => {
    setIntOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER, 'SO_RCVBUFFORCE');
  });
}

function open(
  type: number,
  { address, port, tos }: TrafficSocketSpec,
  prepare: (fd: number) => void,
): number {
  const fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  try {
    setIntOption(fd, IPPROTO_IP, IP_TOS, tos, 'IP_TOS');
    prepare(fd);
    const sockaddr = encodeSockaddr(parseAddress(address), port);
    bind(fd, sockaddr.bytes, sockaddr.length, `${address} port ${port}`);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}
