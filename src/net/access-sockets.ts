/**
 * The sockets of one access interface of a MAG: Router Solicitations in with their senders' link-layer addresses, DHCP messages in,
 * and IP packets out to link-layer addresses. What is in them is the business of src/access.
 */
import { Op, assemble } from './bpf.ts';
import { bind, close, receive, setIntOption, setOption, socket } from './libc.ts';
import { ETHERTYPE_IPV6, PacketSocket, type ReceivedPacket } from './packet-socket.ts';
import type { Readiness } from './readiness.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';

const AF_INET = 2;
const SOCK_DGRAM_NONBLOCK = 2 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BROADCAST = 6;
const SO_BINDTODEVICE = 25;
const DHCP_SERVER_PORT = 67;
const LARGEST_DATAGRAM = 4096;
const WHOLE_PACKET = 0x40000;
/** Packets taken before other events have their turn. */
const PACKETS_A_TURN = 256;
/** Link-layer address of the all-routers group ff02::2 (RFC 2464 §7). */
const ALL_ROUTERS = Uint8Array.of(0x33, 0x33, 0, 0, 0, 2);

/** ICMPv6 right behind the IPv6 header, of type Router Solicitation. */
const SOLICITATIONS = assemble([
  [Op.LOAD_BYTE, 6],
  [Op.IF_EQUAL, 58, 'icmp6', 'other'],
  'icmp6',
  [Op.LOAD_BYTE, 40],
  [Op.IF_EQUAL, 133, 'solicitation', 'other'],
  'solicitation',
  [Op.RETURN, WHOLE_PACKET],
  'other',
  [Op.RETURN, 0],
]);

export interface AccessListener {
  solicitation(received: ReceivedPacket): void;
  /** UDP payload. */
  dhcp(payload: Uint8Array): void;
}

export class AccessSockets {
  readonly #solicitations: PacketSocket;
  readonly #dhcp: number;
  readonly #unwatch: (() => void)[] = [];
  readonly #buffer = new Uint8Array(LARGEST_DATAGRAM);

  /** Opens them in the calling thread's network namespace. Throws SystemCallError. */
  constructor(
    device: { readonly name: string; readonly index: number },
    readiness: Readiness,
    listener: AccessListener,
  ) {
    this.#solicitations = new PacketSocket(device, {
      etherType: ETHERTYPE_IPV6,
      filter: SOLICITATIONS,
      group: ALL_ROUTERS,
    });
    try {
      this.#dhcp = openDhcp(device.name);
    } catch (error) {
      this.#solicitations.close();
      throw error;
    }
    this.#unwatch.push(
      readiness.watch(this.#solicitations.fd, () => {
        for (let turn = 0; turn < PACKETS_A_TURN; turn++) {
          const received = this.#solicitations.receive();
          if (!received) return;
          listener.solicitation(received);
        }
      }),
      readiness.watch(this.#dhcp, () => {
        for (let turn = 0; turn < PACKETS_A_TURN; turn++) {
          const length = receive(this.#dhcp, this.#buffer);
          if (length < 0) return;
          listener.dhcp(this.#buffer.subarray(0, length));
        }
      }),
    );
  }

  /** Sends an IP packet to a link-layer address on the interface. Throws SystemCallError. */
  send(packet: Uint8Array, etherType: number, linkLayer: Uint8Array): void {
    this.#solicitations.send(packet, etherType, linkLayer);
  }

  close(): void {
    for (const unwatch of this.#unwatch) unwatch();
    this.#solicitations.close();
    close(this.#dhcp);
  }
}

/** A UDP socket gets the broadcasts of hosts without address too, and leaves checksums and offloads to the kernel. */
function openDhcp(device: string): number {
  const fd = socket(AF_INET, SOCK_DGRAM_NONBLOCK, 0);
  try {
    setIntOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, 'SO_REUSEADDR');
    setIntOption(fd, SOL_SOCKET, SO_BROADCAST, 1, 'SO_BROADCAST');
    setOption(
      fd,
      SOL_SOCKET,
      SO_BINDTODEVICE,
      new TextEncoder().encode(`${device}\0`),
      `SO_BINDTODEVICE ${device}`,
    );
    const any = encodeSockaddr(parseAddress('0.0.0.0'), DHCP_SERVER_PORT);
    bind(fd, any.bytes, any.length, `UDP port ${DHCP_SERVER_PORT} on ${device}`);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}
