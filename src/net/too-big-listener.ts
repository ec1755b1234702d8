/**
 * ICMPv6 Packet Too Big messages of a network namespace (RFC 4443 §3.2). The kernel passes them on to its own sockets but not to raw ones
 * (rawv6 wants IPV6_RECVERR, whose errors would come out of the next send), so we read them ourselves.
 */
import { formatAddress } from '../ip.ts';
import { SystemCallError } from './errno.ts';
import { close, receive, setOption, socket } from './libc.ts';
import { withNamespace } from './network-namespace.ts';

const AF_INET6 = 10;
const SOCK_RAW = 3 | 0o4000 | 0o2000000;
const IPPROTO_ICMPV6 = 58;
const ICMP6_FILTER = 1;
const PACKET_TOO_BIG = 2;
/** ICMPv6 header with the MTU, then the packet in question. */
const MTU_AT = 4;
const PACKET_AT = 8;
const SOURCE_AT = PACKET_AT + 8;
const DESTINATION_AT = PACKET_AT + 24;
const SHORTEST = PACKET_AT + 40;
/** RFC 8201 §4: less is no MTU of IPv6. */
const LEAST = 1280;
const MOST_A_READ = 256;
const EPERM = 1;
const EAFNOSUPPORT = 97;

export interface TooBig {
  /** Source and destination of the packet that was too big. */
  readonly local: string;
  readonly remote: string;
  readonly mtu: number;
}

export class TooBigListener {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(2048);

  /**
   * Null without CAP_NET_RAW or IPv6: then there are no raw sockets over IPv6 either, and for UDP sockets the kernel listens. Throws
   * SystemCallError.
   */
  static open(namespace: string | null): TooBigListener | null {
    try {
      return new TooBigListener(withNamespace(namespace, () => socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)));
    } catch (error) {
      if (error instanceof SystemCallError && [EPERM, EAFNOSUPPORT].includes(error.errno)) return null;
      throw error;
    }
  }

  private constructor(fd: number) {
    this.#fd = fd;
    // A set bit blocks its type (RFC 3542 §3.2).
    const filter = new Uint8Array(32).fill(0xff);
    filter[0] = 0xff & ~(1 << PACKET_TOO_BIG);
    setOption(this.#fd, IPPROTO_ICMPV6, ICMP6_FILTER, filter, 'ICMP6_FILTER');
  }

  /** What has come since the last call. */
  read(): TooBig[] {
    const found: TooBig[] = [];
    for (let n = 0; n < MOST_A_READ; n++) {
      const length = receive(this.#fd, this.#buffer);
      if (length < 0) break;
      const message = readTooBig(this.#buffer.subarray(0, length));
      if (message) found.push(message);
    }
    return found;
  }

  close(): void {
    close(this.#fd);
  }
}

/** An ICMPv6 message from its type on; null if it is none that can be used. */
export function readTooBig(message: Uint8Array): TooBig | null {
  if (message.length < SHORTEST || message[0] !== PACKET_TOO_BIG || message[PACKET_AT]! >> 4 !== 6)
    return null;
  const mtu = new DataView(message.buffer, message.byteOffset).getUint32(MTU_AT);
  if (mtu < LEAST) return null;
  return {
    local: formatAddress(message.subarray(SOURCE_AT, SOURCE_AT + 16)),
    remote: formatAddress(message.subarray(DESTINATION_AT, DESTINATION_AT + 16)),
    mtu,
  };
}
