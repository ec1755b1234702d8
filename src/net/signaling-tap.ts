/**
 * Watches the mobility messages that pass an interface, in both directions, without taking part (packet(7)). A filter in the
 * kernel lets nothing else through: Mobility Headers over IPv6 (RFC 6275), and UDP from or to port 5436 (RFC 5844).
 */
import { TunloomError } from '../errors.ts';
import { type Line, Op, assemble } from './bpf.ts';
import { bind, close, recvmmsg, socket } from './libc.ts';
import { MessageSlots } from './message-header.ts';
import { withNetlink } from './netlink.ts';
import { withNamespace } from './network-namespace.ts';
import { socketDrops } from './path-socket.ts';
import type { Readiness } from './readiness.ts';
import { attachFilter } from './socket-filter.ts';
import { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, setBufferSize } from './socket-options.ts';

const AF_PACKET = 17;
const ETH_P_ALL = 0x0003;
/** struct sockaddr_ll: family 2, protocol 2, interface 4, hardware type 2, packet type 1, ... */
const SOCKADDR_SIZE = 20;
const PACKET_TYPE = 10;
const PACKET_OUTGOING = 4;

const BUFFER_BYTES = 1 << 20;
const BATCH = 32;
/** IPv6 header, an extension header, a Mobility Header at its largest. */
const LARGEST_PACKET = 4096;

const IPPROTO_MH = 135;
const IPPROTO_UDP = 17;
const SIGNALING_PORT = 5436;

/** A packet that passed. */
export interface TappedPacket {
  /** IPv4 or IPv6, from its header on. Good until the call returns. */
  readonly data: Uint8Array;
  /** It left this host. */
  readonly outgoing: boolean;
}

/** The filter: one extension header of IPv6 is looked behind, no fragments. */
export const SIGNALING_FILTER: readonly Line[] = [
  [Op.LOAD_BYTE, 0],
  [Op.AND, 0xf0],
  [Op.IF_EQUAL, 0x60, 'ipv6', 'not-6'],
  'not-6',
  [Op.IF_EQUAL, 0x40, 'ipv4', 'drop'],
  'ipv4',
  [Op.LOAD_BYTE, 9],
  [Op.IF_EQUAL, IPPROTO_UDP, 'whole', 'drop'],
  'whole',
  [Op.LOAD_HALF, 6],
  [Op.IF_SET, 0x3fff, 'drop', 'header'],
  'header',
  [Op.LOAD_X_HEADER, 0],
  [Op.JUMP, 0, 'ports'],
  'ipv6',
  [Op.LOAD_X, 40],
  [Op.LOAD_BYTE, 6],
  [Op.IF_EQUAL, 0, 'extension', 'not-hop-by-hop'],
  'not-hop-by-hop',
  [Op.IF_EQUAL, 43, 'extension', 'not-routing'],
  'not-routing',
  [Op.IF_EQUAL, 60, 'extension', 'upper'],
  'extension',
  [Op.LOAD_BYTE, 41],
  [Op.ADD, 1],
  [Op.SHIFT_LEFT, 3],
  [Op.ADD, 40],
  [Op.TO_X, 0],
  [Op.LOAD_BYTE, 40],
  'upper',
  [Op.IF_EQUAL, IPPROTO_MH, 'take', 'not-mobility'],
  'not-mobility',
  [Op.IF_EQUAL, IPPROTO_UDP, 'ports', 'drop'],
  'ports',
  [Op.LOAD_HALF_X, 0],
  [Op.IF_EQUAL, SIGNALING_PORT, 'take', 'other-port'],
  'other-port',
  [Op.LOAD_HALF_X, 2],
  [Op.IF_EQUAL, SIGNALING_PORT, 'take', 'drop'],
  'take',
  [Op.RETURN, LARGEST_PACKET],
  'drop',
  [Op.RETURN, 0],
];

export class SignalingTap {
  readonly #fd: number;
  readonly #unwatch: () => void;
  readonly #slots = new MessageSlots(BATCH, LARGEST_PACKET);
  readonly #receive: (packet: TappedPacket) => void;

  /** Throws NO_INTERFACE, or SystemCallError (EPERM without CAP_NET_RAW). */
  constructor(
    namespace: string | null,
    device: string,
    readiness: Readiness,
    receive: (packet: TappedPacket) => void,
  ) {
    this.#receive = receive;
    const index = interfaceIndex(namespace, device);
    // Protocol 0: nothing comes before bind(2), when the filter is there.
    const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    this.#fd = withNamespace(namespace, () => socket(AF_PACKET, type, 0));
    try {
      attachFilter(this.#fd, assemble(SIGNALING_FILTER));
      setBufferSize(this.#fd, 'receive', BUFFER_BYTES);
      const address = new Uint8Array(SOCKADDR_SIZE);
      const view = new DataView(address.buffer);
      view.setUint16(0, AF_PACKET, true);
      view.setUint16(2, ETH_P_ALL);
      view.setInt32(4, index, true);
      bind(this.#fd, address, SOCKADDR_SIZE, `packets of ${device}`);
      this.#unwatch = readiness.watch(this.#fd, () => this.#read());
    } catch (error) {
      close(this.#fd);
      throw error;
    }
  }

  /** Messages that the kernel dropped because the receive buffer was full. */
  get drops(): number {
    return socketDrops(this.#fd);
  }

  close(): void {
    this.#unwatch();
    close(this.#fd);
  }

  #read(): void {
    this.#slots.prepareReceive();
    const count = recvmmsg(this.#fd, this.#slots.address, BATCH);
    for (let slot = 0; slot < count; slot++) {
      const { data } = this.#slots.received(slot);
      this.#receive({ data, outgoing: this.#slots.sender(slot)[PACKET_TYPE] === PACKET_OUTGOING });
    }
  }
}

function interfaceIndex(namespace: string | null, device: string): number {
  const link = withNetlink(namespace, (netlink) => netlink.link(device));
  if (link) return link.index;
  throw new TunloomError('NO_INTERFACE', `there is no interface "${device}" to observe`);
}
