/**
 * One interface that hosts are behind, as messages: checks and counts what comes, writes what goes. It opens when the interface
 * appears and closes when that goes. Used by access-interface.ts and lan-interface.ts.
 */
import { formatAddress, parseAddress } from '../ip.ts';
import { AccessSockets } from '../net/access-sockets.ts';
import { SystemCallError } from '../net/errno.ts';
import { type Link, formatMac } from '../net/netlink/link.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, type ReceivedPacket } from '../net/packet-socket.ts';
import type { AccessContext } from './access-context.ts';
import type { Asker, DueAdvertisement } from './advertiser.ts';
import type { DhcpReply } from './dhcp-server.ts';
import {
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  type DhcpMessage,
  DhcpType,
  decodeDhcp,
  encodeDhcp,
} from './wire/dhcp-message.ts';
import { buildIcmp6Packet } from './wire/icmp6-packet.ts';
import { encodeRouterAdvertisement } from './wire/router-advertisement.ts';
import { readRouterSolicitation } from './wire/router-solicitation.ts';
import { buildUdp4Packet } from './wire/udp4-packet.ts';

const HOP_LIMIT = 64;
const ALL_NODES = parseAddress('ff02::1').bytes;
const ALL_NODES_LINK = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const BROADCAST = '255.255.255.255';
const BROADCAST_LINK = new Uint8Array(6).fill(0xff);

export interface PortListener {
  /** A sound Router Solicitation; `asker` null: from the unspecified address. */
  solicited(linkLayer: Uint8Array, asker: Asker | null): void;
  dhcp(message: DhcpMessage): void;
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

  /** Opens the sockets on an interface that is there; again if it is another one of the same name. Throws SystemCallError. */
  open(link: Link): void {
    if (this.#link?.index === link.index) return;
    this.close();
    this.#sockets = withNamespace(
      this.#context.namespace,
      () =>
        new AccessSockets(link, this.#context.readiness, {
          solicitation: (received) => this.#solicitation(received),
          dhcp: (payload) => this.#dhcp(payload),
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
    const hardware = this.#link?.address;
    const message = encodeRouterAdvertisement({
      hopLimit: HOP_LIMIT,
      routerLifetime: due.routerLifetime,
      linkLayer: hardware ? Uint8Array.from(hardware.split(':'), (octet) => parseInt(octet, 16)) : null,
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
