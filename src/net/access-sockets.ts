/**
 * The sockets of one access interface of a MAG: Neighbour Discovery, ARP and DHCPv6 in with their senders' link-layer addresses, DHCPv4
 * in, and packets out to link-layer addresses. What is in them is the business of src/access.
 */
import { Op, assemble } from './bpf.ts';
import { SystemCallError } from './errno.ts';
import { bind, close, receive, setIntOption, setOption, socket } from './libc.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6, PacketSocket, type ReceivedPacket } from './packet-socket.ts';
import type { Readiness } from './readiness.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  bindToDevice,
} from './socket-options.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';

const SOCK_DGRAM_NONBLOCK = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
const SO_REUSEADDR = 2;
const SO_BROADCAST = 6;
const IPV6_JOIN_GROUP = 20;
const DHCP_SERVER_PORT = 67;
const LARGEST_DATAGRAM = 4096;
const WHOLE_PACKET = 0x40000;
/** Packets taken before other events have their turn. */
const PACKETS_A_TURN = 256;
/** Link-layer addresses of the groups ff02::2, all routers, and ff02::1:2, all DHCPv6 servers and relay agents (RFC 2464 §7). */
const ALL_ROUTERS = Uint8Array.of(0x33, 0x33, 0, 0, 0, 2);
const ALL_DHCP6_SERVERS = Uint8Array.of(0x33, 0x33, 0, 1, 0, 2);
const IPPROTO_UDP = 17;
const NEXT_HEADER_AT = 6;
const DHCP6_SERVER_PORT = 547;

/** ICMPv6 right behind the IPv6 header, of type Router Solicitation, Neighbour Solicitation or Advertisement; UDP to port 547. */
const CONTROL_MESSAGES = assemble([
  [Op.LOAD_BYTE, NEXT_HEADER_AT],
  [Op.IF_EQUAL, 58, 'icmp6', 'udp?'],
  'udp?',
  [Op.IF_EQUAL, IPPROTO_UDP, 'udp', 'other'],
  'udp',
  [Op.LOAD_HALF, 42],
  [Op.IF_EQUAL, DHCP6_SERVER_PORT, 'wanted', 'other'],
  'icmp6',
  [Op.LOAD_BYTE, 40],
  [Op.IF_EQUAL, 133, 'wanted', 'neighbour?'],
  'neighbour?',
  [Op.IF_EQUAL, 135, 'wanted', 'advertisement?'],
  'advertisement?',
  [Op.IF_EQUAL, 136, 'wanted', 'other'],
  'wanted',
  [Op.RETURN, WHOLE_PACKET],
  'other',
  [Op.RETURN, 0],
]);
const EVERYTHING = assemble([[Op.RETURN, WHOLE_PACKET]]);

export interface AccessListener {
  /** Router and Neighbour Solicitations, Neighbour Advertisements: whole IPv6 packets. */
  neighbourDiscovery(received: ReceivedPacket): void;
  /** A whole IPv6 packet to UDP port 547, unchecked. */
  dhcp6(received: ReceivedPacket): void;
  /** UDP payload. */
  dhcp(payload: Uint8Array): void;
  /** An ARP message; null: they are not wanted. */
  readonly arp: ((received: ReceivedPacket) => void) | null;
}

export class AccessSockets {
  readonly #ipv6: PacketSocket;
  readonly #arp: PacketSocket | null = null;
  readonly #dhcp: number;
  readonly #membership: number;
  readonly #unwatch: (() => void)[] = [];
  readonly #buffer = new Uint8Array(LARGEST_DATAGRAM);

  /** Opens them in the calling thread's network namespace. Throws SystemCallError. */
  constructor(
    device: { readonly name: string; readonly index: number },
    readiness: Readiness,
    listener: AccessListener,
  ) {
    const { arp } = listener;
    this.#ipv6 = new PacketSocket(device, {
      etherType: ETHERTYPE_IPV6,
      filter: CONTROL_MESSAGES,
      groups: [ALL_ROUTERS, ALL_DHCP6_SERVERS],
    });
    try {
      if (arp) {
        this.#arp = new PacketSocket(device, { etherType: ETHERTYPE_ARP, filter: EVERYTHING, groups: [] });
      }
      this.#dhcp = openDhcp(device.name);
      this.#membership = joinDhcp6Servers(device.index);
    } catch (error) {
      this.#ipv6.close();
      this.#arp?.close();
      throw error;
    }
    this.#watch(readiness, this.#ipv6, (received) => {
      if (received.packet[NEXT_HEADER_AT] === IPPROTO_UDP) listener.dhcp6(received);
      else listener.neighbourDiscovery(received);
    });
    if (this.#arp && arp) this.#watch(readiness, this.#arp, arp);
    this.#unwatch.push(
      readiness.watch(this.#dhcp, () => {
        for (let turn = 0; turn < PACKETS_A_TURN; turn++) {
          const length = receive(this.#dhcp, this.#buffer);
          if (length < 0) return;
          listener.dhcp(this.#buffer.subarray(0, length));
        }
      }),
    );
  }

  /** Sends a packet of any EtherType to a link-layer address on the interface. Throws SystemCallError. */
  send(packet: Uint8Array, etherType: number, linkLayer: Uint8Array): void {
    this.#ipv6.send(packet, etherType, linkLayer);
  }

  close(): void {
    for (const unwatch of this.#unwatch) unwatch();
    this.#ipv6.close();
    this.#arp?.close();
    close(this.#dhcp);
    close(this.#membership);
  }

  #watch(readiness: Readiness, socket: PacketSocket, take: (received: ReceivedPacket) => void): void {
    this.#unwatch.push(
      readiness.watch(socket.fd, () => {
        for (let turn = 0; turn < PACKETS_A_TURN; turn++) {
          const received = socket.receive();
          if (!received) return;
          take(received);
        }
      }),
    );
  }
}

/** A UDP socket gets the broadcasts of hosts without address too, and leaves checksums and offloads to the kernel. */
function openDhcp(device: string): number {
  const fd = socket(AF_INET, SOCK_DGRAM_NONBLOCK, 0);
  try {
    setIntOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, 'SO_REUSEADDR');
    setIntOption(fd, SOL_SOCKET, SO_BROADCAST, 1, 'SO_BROADCAST');
    bindToDevice(fd, device);
    const any = encodeSockaddr(parseAddress('0.0.0.0'), DHCP_SERVER_PORT);
    bind(fd, any.bytes, any.length, `UDP port ${DHCP_SERVER_PORT} on ${device}`);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** Tells switches on the link by MLD that the group ff02::1:2 is wanted here; what comes is read by the packet socket. */
function joinDhcp6Servers(index: number): number {
  const fd = socket(AF_INET6, SOCK_DGRAM_NONBLOCK, 0);
  // struct ipv6_mreq: address 16, index 4.
  const request = new Uint8Array(20);
  request.set(parseAddress('ff02::1:2').bytes);
  new DataView(request.buffer).setInt32(16, index, true);
  try {
    setOption(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, request, 'IPV6_JOIN_GROUP ff02::1:2');
  } catch (error) {
    // An interface without IPv6: there is no MLD either.
    if (!(error instanceof SystemCallError)) throw error;
  }
  return fd;
}
