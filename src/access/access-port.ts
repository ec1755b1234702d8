/**
 * One interface that hosts are behind, as messages: checks and counts what comes, writes what goes. It opens when the interface
 * appears and closes when that goes. Used by access-interface.ts and lan-interface.ts.
 */
import { formatAddress, parseAddress } from '../ip.ts';
import { AccessSockets } from '../net/access-sockets.ts';
import { SystemCallError } from '../net/errno.ts';
import { type Link, formatMac } from '../net/netlink/link.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, type ReceivedPacket } from '../net/packet-socket.ts';
import type { AccessContext } from './access-context.ts';
import type { Asker, DueAdvertisement } from './advertiser.ts';
import type { DhcpReply } from './dhcp-server.ts';
import type { ReceivedDhcp6 } from './prefix-delegation.ts';
import { type ArpPacket, encodeArpPacket, readArpPacket } from './wire/arp-packet.ts';
import {
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  type DhcpMessage,
  DhcpType,
  decodeDhcp,
  encodeDhcp,
} from './wire/dhcp-message.ts';
import {
  DHCP6_CLIENT_PORT,
  DHCP6_SERVER_PORT,
  type Dhcp6Message,
  Dhcp6Type,
  decodeDhcp6,
  encodeDhcp6,
} from './wire/dhcp6-message.ts';
import { buildIcmp6Packet } from './wire/icmp6-packet.ts';
import { encodeNeighbourSolicitation, readNeighbourMessage } from './wire/neighbour-message.ts';
import { encodeRouterAdvertisement } from './wire/router-advertisement.ts';
import { ROUTER_SOLICITATION, readRouterSolicitation } from './wire/router-solicitation.ts';
import { buildUdp4Packet } from './wire/udp4-packet.ts';
import { buildUdp6Packet, readUdp6Packet } from './wire/udp6-packet.ts';

const HOP_LIMIT = 64;
const ALL_NODES = parseAddress('ff02::1').bytes;
const ALL_NODES_LINK = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const ICMP6_TYPE_AT = 40;
const BROADCAST = '255.255.255.255';
const BROADCAST_LINK = new Uint8Array(6).fill(0xff);

export interface PortListener {
  /** A sound Router Solicitation; `asker` null: from the unspecified address. */
  solicited(linkLayer: Uint8Array, asker: Asker | null): void;
  dhcp(message: DhcpMessage): void;
  dhcp6(received: ReceivedDhcp6, from: Asker): void;
  /** Sound ARP; null: it is not wanted. */
  readonly arp: ((linkLayer: Uint8Array, packet: ArpPacket) => void) | null;
  /**
   * Neighbour Solicitations, Neighbour Advertisements: the node is there. `address`: its IPv6 address on the link, if the message
   * has one. null: signs of life are not wanted.
   */
  readonly heard: ((linkLayer: Uint8Array, address: Uint8Array | null) => void) | null;
}

/** A node that may have left, and our own addresses on the link, from which it is asked. */
export interface NeighbourProbe {
  readonly linkLayer: Uint8Array;
  readonly ipv6: { readonly target: string; readonly from: string } | null;
  readonly ipv4: { readonly target: string; readonly from: string } | null;
}

export interface AdvertisementSettings {
  /** Our address on the link. */
  readonly linkLocal: string;
  /** The node's, null: all of them. */
  readonly linkLayer: Uint8Array | null;
  readonly mtu: number;
  readonly dns: readonly string[];
}

export class AccessPort {
  readonly name: string;
  readonly #context: AccessContext;
  readonly #listener: PortListener;
  #sockets: AccessSockets | null = null;
  #link: Link | null = null;
  /** What came, what went, and why things did not: by name. */
  readonly counters: Record<string, number> = {};

  constructor(name: string, context: AccessContext, listener: PortListener) {
    this.name = name;
    this.#context = context;
    this.#listener = listener;
  }

  get link(): Link | null {
    return this.#link;
  }

  /** The interface's own, 6 octets; null if it has none, or is not there. */
  get hardwareAddress(): Uint8Array | null {
    const text = this.#link?.address;
    return text ? Uint8Array.from(text.split(':'), (octet) => parseInt(octet, 16)) : null;
  }

  /** Opens the sockets on an interface that is there; again if it is another one of the same name. Throws SystemCallError. */
  open(link: Link): void {
    if (this.#link?.index === link.index) {
      // Its link-layer address may be another one.
      this.#link = link;
      return;
    }
    this.close();
    this.#sockets = withNamespace(
      this.#context.namespace,
      () =>
        new AccessSockets(link, this.#context.readiness, {
          neighbourDiscovery: (received) => this.#neighbourDiscovery(received),
          dhcp6: (received) => this.#dhcp6(received),
          dhcp: (payload) => this.#dhcp(payload),
          arp: this.#listener.arp && ((received) => this.#arp(received)),
        }),
    );
    this.#link = link;
  }

  close(): void {
    this.#sockets?.close();
    this.#sockets = null;
    this.#link = null;
  }

  advertise(due: DueAdvertisement, { linkLocal, linkLayer, mtu, dns }: AdvertisementSettings): void {
    const message = encodeRouterAdvertisement({
      hopLimit: HOP_LIMIT,
      routerLifetime: due.routerLifetime,
      linkLayer: this.hardwareAddress,
      mtu,
      prefixes: due.prefixes,
      dns: due.routerLifetime
        ? { servers: dns.filter((server) => server.includes(':')), lifetime: due.routerLifetime }
        : null,
    });
    // To all nodes, but in a frame to one of them where we know which (RFC 6085).
    const destination = due.to?.address ?? ALL_NODES;
    const packet = buildIcmp6Packet(parseAddress(linkLocal).bytes, destination, message);
    this.#send(
      packet,
      ETHERTYPE_IPV6,
      due.to?.linkLayer ?? linkLayer ?? ALL_NODES_LINK,
      'advertisementsSent',
    );
    this.#tell('out', 'RA', () => describeAdvertisement(due, mtu));
  }

  answerDhcp({ message, to }: DhcpReply, router: string): void {
    const from = { address: router, port: DHCP_SERVER_PORT };
    const packet = buildUdp4Packet(from, { address: to, port: DHCP_CLIENT_PORT }, encodeDhcp(message));
    const linkLayer = to === BROADCAST ? BROADCAST_LINK : message.hardwareAddress;
    this.#send(packet, ETHERTYPE_IPV4, linkLayer, 'dhcpSent');
    this.#tell('out', dhcpName(message.type), () => message.yourAddress);
  }

  answerDhcp6(message: Dhcp6Message, to: Asker, linkLocal: string): void {
    const packet = buildUdp6Packet({
      source: parseAddress(linkLocal).bytes,
      destination: to.address,
      sourcePort: DHCP6_SERVER_PORT,
      destinationPort: DHCP6_CLIENT_PORT,
      payload: encodeDhcp6(message),
    });
    this.#send(packet, ETHERTYPE_IPV6, to.linkLayer, 'dhcp6Sent');
    this.#tell('out', dhcp6Name(message.type), () => describeLeases(message));
  }

  /** Asks a node whether it is still there (RFC 4861 §7.2.2, by unicast; RFC 826). */
  probe({ linkLayer, ipv6, ipv4 }: NeighbourProbe): void {
    const own = this.hardwareAddress;
    if (ipv6) {
      const target = parseAddress(ipv6.target).bytes;
      const message = encodeNeighbourSolicitation(target, own);
      const packet = buildIcmp6Packet(parseAddress(ipv6.from).bytes, target, message);
      this.#send(packet, ETHERTYPE_IPV6, linkLayer, 'probesSent');
    }
    if (ipv4 && own) {
      const request: ArpPacket = {
        operation: 'request',
        senderLinkLayer: own,
        senderAddress: parseAddress(ipv4.from).bytes,
        targetAddress: parseAddress(ipv4.target).bytes,
      };
      this.#send(encodeArpPacket(request, null), ETHERTYPE_ARP, linkLayer, 'probesSent');
    }
  }

  /** The address that a request asks for is ours to answer for. */
  answerArp(request: ArpPacket): void {
    const own = this.hardwareAddress;
    if (!own) return;
    const reply: ArpPacket = {
      operation: 'reply',
      senderLinkLayer: own,
      senderAddress: request.targetAddress,
      targetAddress: request.senderAddress,
    };
    const packet = encodeArpPacket(reply, request.senderLinkLayer);
    this.#send(packet, ETHERTYPE_ARP, request.senderLinkLayer, 'arpAnswered');
  }

  #send(packet: Uint8Array, etherType: number, linkLayer: Uint8Array, counter: string): void {
    try {
      this.#sockets?.send(packet, etherType, linkLayer);
      this.count(this.#sockets ? counter : 'notSent');
    } catch (error) {
      // The interface is down or gone; its event is on the way.
      if (!(error instanceof SystemCallError)) throw error;
      this.count('notSent');
    }
  }

  #neighbourDiscovery(received: ReceivedPacket): void {
    if (received.packet[ICMP6_TYPE_AT] === ROUTER_SOLICITATION) this.#solicitation(received);
    else this.#neighbour(received);
  }

  #neighbour({ linkLayer, packet }: ReceivedPacket): void {
    const { heard } = this.#listener;
    if (!heard) return;
    const read = readNeighbourMessage(packet);
    if (typeof read === 'string') {
      this.count(`neighbour.${read}`);
      return;
    }
    heard(linkLayer.slice(), read.source);
    this.#context.changed();
  }

  #arp({ linkLayer, packet }: ReceivedPacket): void {
    const read = readArpPacket(packet);
    if (!read) {
      this.count('arp.malformed');
      return;
    }
    this.#listener.arp?.(linkLayer.slice(), read);
    this.#context.changed();
  }

  #dhcp6({ linkLayer, packet }: ReceivedPacket): void {
    const datagram = readUdp6Packet(packet);
    if (typeof datagram === 'string') {
      this.count(`dhcp6.${datagram}`);
      return;
    }
    // Clients speak from their link-local address (RFC 8415 §17); a routed packet to this port is none of ours.
    const source = linkLocalText(datagram.source);
    if (source === null) {
      this.count('dhcp6.source');
      return;
    }
    let message: Dhcp6Message;
    try {
      message = decodeDhcp6(datagram.payload);
    } catch {
      this.count('dhcp6.malformed');
      return;
    }
    this.count('dhcp6Received');
    this.#tell('in', dhcp6Name(message.type), () => source);
    const from = { address: datagram.source.slice(), linkLayer: linkLayer.slice() };
    this.#listener.dhcp6({ message, multicast: datagram.destination[0] === 0xff }, from);
    this.#context.changed();
  }

  #solicitation({ linkLayer, packet }: ReceivedPacket): void {
    const read = readRouterSolicitation(packet);
    if (typeof read === 'string') {
      this.count(`solicitation.${read}`);
      return;
    }
    this.count('solicitations');
    this.#tell('in', 'RS', () => (read.source ? formatAddress(read.source) : 'unspecified address'));
    const from = linkLayer.slice();
    this.#listener.solicited(from, read.source ? { address: read.source, linkLayer: from } : null);
    this.#context.changed();
  }

  #dhcp(payload: Uint8Array): void {
    let message: DhcpMessage;
    try {
      message = decodeDhcp(payload);
    } catch {
      this.count('dhcp.malformed');
      return;
    }
    this.count('dhcpReceived');
    this.#tell('in', dhcpName(message.type), () => formatMac(message.hardwareAddress));
    this.#listener.dhcp(message);
    this.#context.changed();
  }

  #tell(direction: 'in' | 'out', message: string, text: () => string): void {
    this.#context.watch?.({ interface: this.name, direction, message, text: text() });
  }

  count(name: string): void {
    this.counters[name] = (this.counters[name] ?? 0) + 1;
  }
}

function dhcp6Name(type: number): string {
  const name = Object.entries(Dhcp6Type).find(([, number]) => number === type)?.[0] ?? String(type);
  return `DHCPv6 ${name.replace('_', '-')}`;
}

function describeLeases({ associations, status }: Dhcp6Message): string {
  const words = associations.flatMap((one) => [
    ...one.prefixes.map(({ prefix, validLifetime }) => `${prefix} ${validLifetime} s`),
    ...(one.status ? [`status ${one.status.code}`] : []),
  ]);
  return [...words, ...(status ? [`status ${status.code}`] : [])].join(', ');
}

function dhcpName(type: number): string {
  const name = Object.entries(DhcpType).find(([, number]) => number === type)?.[0];
  return `DHCP${name ?? type}`;
}

function describeAdvertisement({ prefixes, routerLifetime }: DueAdvertisement, mtu: number): string {
  const words = prefixes.map(({ prefix, validLifetime }) => `${prefix} ${validLifetime} s`);
  return [...words, `router ${routerLifetime} s`, `MTU ${mtu}`].join(', ');
}

/** An IPv6 address as text if it is link-local (RFC 4291 §2.5.6), otherwise null. */
export function linkLocalText(address: Uint8Array): string | null {
  return address[0] === 0xfe && (address[1]! & 0xc0) === 0x80 ? formatAddress(address) : null;
}
