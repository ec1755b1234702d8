/**
 * Packet sockets (packet(7), SOCK_DGRAM: the link-layer header is the kernel's business): IP packets on one interface with the
 * link-layer addresses of their senders, and to link-layer addresses of our choice.
 */
import { bind, close, receiveFrom, sendTo, setOption, socket } from './libc.ts';
import type { Instruction } from './bpf.ts';
import { attachFilter } from './socket-filter.ts';
import { setBufferSize } from './socket-options.ts';

const AF_PACKET = 17;
const SOCK_DGRAM_NONBLOCK = 2 | 0o4000 | 0o2000000;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_MULTICAST = 0;
/** struct sockaddr_ll: family 2, protocol 2, index 4, hardware 2, packet type 1, address length 1, address 8. */
const SOCKADDR_LL = 20;
const LARGEST = 65_536;
const SEND_BUFFER = 4 << 20;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;

/** A socket that sends IP packets to struct sockaddr_ll on any interface and receives nothing. Throws SystemCallError (EPERM). */
export function openLinkSocket(): number {
  // Protocol 0: it is on nobody's list of receivers.
  const fd = socket(AF_PACKET, SOCK_DGRAM_NONBLOCK, 0);
  setBufferSize(fd, 'send', SEND_BUFFER);
  return fd;
}

export interface ReceivedPacket {
  /** Of the sender; good until the next call. */
  readonly linkLayer: Uint8Array;
  /** From the IP header on; good until the next call. */
  readonly packet: Uint8Array;
}

export class PacketSocket {
  readonly fd: number;
  readonly #index: number;
  readonly #name: string;
  readonly #buffer = new Uint8Array(LARGEST);
  readonly #from = new Uint8Array(SOCKADDR_LL);

  /**
   * In the calling thread's network namespace. With `receive`, packets of that EtherType that the filter lets through come in, also those
   * to the multicast link-layer addresses `groups`. Throws SystemCallError.
   */
  constructor(
    device: { readonly name: string; readonly index: number },
    receive: {
      readonly etherType: number;
      readonly filter: readonly Instruction[];
      readonly groups: readonly Uint8Array[];
    } | null,
  ) {
    this.#index = device.index;
    this.#name = device.name;
    // Protocol 0: nothing comes before the filter is in place.
    this.fd = socket(AF_PACKET, SOCK_DGRAM_NONBLOCK, 0);
    if (!receive) return;
    try {
      attachFilter(this.fd, receive.filter);
      setOption(
        this.fd,
        SOL_PACKET,
        PACKET_IGNORE_OUTGOING,
        Uint8Array.of(1, 0, 0, 0),
        'PACKET_IGNORE_OUTGOING',
      );
      const address = sockaddr(receive.etherType, this.#index, null);
      bind(this.fd, address, SOCKADDR_LL, `packets of ${device.name}`);
      for (const group of receive.groups) this.#join(group);
    } catch (error) {
      close(this.fd);
      throw error;
    }
  }

  /** The next packet, null if there is none. */
  receive(): ReceivedPacket | null {
    const length = receiveFrom(this.fd, this.#buffer, this.#from);
    // The interface went down (ENETDOWN), or nothing is left (EAGAIN).
    if (length < 0) return null;
    return {
      linkLayer: this.#from.subarray(12, 12 + Math.min(8, this.#from[11]!)),
      packet: this.#buffer.subarray(0, length),
    };
  }

  /** Sends an IP packet to a link-layer address. Throws SystemCallError (ENETDOWN, ENXIO if the interface has gone). */
  send(packet: Uint8Array, etherType: number, linkLayer: Uint8Array): void {
    const to = sockaddr(etherType, this.#index, linkLayer);
    sendTo(this.fd, packet, to, SOCKADDR_LL, this.#name);
  }

  close(): void {
    close(this.fd);
  }

  #join(group: Uint8Array): void {
    // struct packet_mreq: index 4, type 2, length 2, address 8.
    const request = new Uint8Array(16);
    const view = new DataView(request.buffer);
    view.setInt32(0, this.#index, true);
    view.setUint16(4, PACKET_MR_MULTICAST, true);
    view.setUint16(6, group.length, true);
    request.set(group, 8);
    setOption(this.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request, `multicast group on ${this.#name}`);
  }
}

function sockaddr(etherType: number, index: number, linkLayer: Uint8Array | null): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_LL);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, etherType);
  view.setInt32(4, index, true);
  if (linkLayer) {
    bytes[11] = linkLayer.length;
    bytes.set(linkLayer, 12);
  }
  return bytes;
}
