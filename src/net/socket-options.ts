/** Numbers of socket(2) and socket(7) on Linux that several kinds of sockets need, and what is done to most of them. */
import { setIntOption, setOption } from './libc.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const IPPROTO_IPV6 = 41;

const SO_BINDTODEVICE = 25;

/** Option numbers of a buffer's size: past net.core.[rw]mem_max, and up to it. */
const BUFFERS = { receive: { force: 33, plain: 8 }, send: { force: 32, plain: 7 } } as const;

/** Only by this interface, in and out. Throws SystemCallError (ENODEV). */
export function bindToDevice(fd: number, device: string): void {
  const name = new TextEncoder().encode(`${device}\0`);
  setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, name, `SO_BINDTODEVICE ${device}`);
}

/** The size of a buffer in octets: past net.core.[rw]mem_max with CAP_NET_ADMIN, up to it without. */
export function setBufferSize(fd: number, buffer: 'receive' | 'send', octets: number): void {
  const { force, plain } = BUFFERS[buffer];
  if (!setIntOption(fd, SOL_SOCKET, force, octets, `size of the ${buffer} buffer`)) {
    setIntOption(fd, SOL_SOCKET, plain, octets, `size of the ${buffer} buffer`);
  }
}
