/**
 * Sends and receives mobility messages as octets: sockets by number, read by the control thread when one is readable. What the
 * octets mean is the business of src/node/signaling.ts.
 */
import { encodeSockaddr, formatAddress, parseAddress } from '../ip.ts';
import { SystemCallError } from './errno.ts';
import { close, recvmmsg, sendmmsg } from './libc.ts';
import { MessageSlots } from './message-header.ts';
import { type MobilitySocketSpec, openIcmp6Sender, openMobilitySocket } from './mobility-socket.ts';
import { withNamespace } from './network-namespace.ts';
import { socketDrops } from './path-socket.ts';
import type { Readiness } from './readiness.ts';

/** Messages a recvmmsg(2), and such calls before other events have their turn. */
const BATCH = 64;
const BATCHES_A_TURN = 4;

/** A message as received. */
export interface Datagram {
  /** Number of the socket, as given by open(). */
  readonly socket: number;
  readonly from: string;
  /** UDP source port; null for a Mobility Header directly over IPv6. */
  readonly port: number | null;
  /** Destination address of the packet. */
  readonly to: string;
  /** Good until the call returns, as are `source` and `destination`. */
  readonly data: Uint8Array;
  /** `from` and `to` as octets. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

interface OpenSocket {
  readonly number: number;
  readonly fd: number;
  readonly spec: MobilitySocketSpec;
  readonly unwatch: () => void;
}

export class MobilityTransport {
  readonly #namespace: string | null;
  readonly #readiness: Readiness;
  readonly #receive: (datagrams: readonly Datagram[]) => void;
  readonly #sockets = new Map<number, OpenSocket>();
  readonly #incoming = new MessageSlots(BATCH);
  /** Slots of it that the last recvmmsg(2) has filled. */
  #filled = BATCH;
  readonly #outgoing = new MessageSlots(1);
  #icmp6: number | null = null;
  #next = 1;
  #closedDrops = 0;

  /** Sockets live in network namespace `namespace`, null for the process's own; `receive` gets what comes, in batches. */
  constructor(
    namespace: string | null,
    readiness: Readiness,
    receive: (datagrams: readonly Datagram[]) => void,
  ) {
    this.#namespace = namespace;
    this.#readiness = readiness;
    this.#receive = receive;
  }

  /** Opens a socket and reads it from now on; its number. Throws SystemCallError. */
  open(spec: MobilitySocketSpec): number {
    const fd = withNamespace(this.#namespace, () => openMobilitySocket(spec));
    const number = this.#next++;
    const unwatch = this.#readiness.watch(fd, () => this.#read(number));
    this.#sockets.set(number, { number, fd, spec, unwatch });
    return number;
  }

  /** Closes a socket; nothing if it is closed already. */
  close(number: number): void {
    const socket = this.#sockets.get(number);
    if (!socket) return;
    this.#sockets.delete(number);
    socket.unwatch();
    this.#closedDrops += socketDrops(socket.fd);
    close(socket.fd);
  }

  /** Closes everything. */
  closeAll(): void {
    for (const number of [...this.#sockets.keys()]) this.close(number);
    if (this.#icmp6 !== null) close(this.#icmp6);
    this.#icmp6 = null;
  }

  /**
   * Sends octets from one address of ours; `port` null: a Mobility Header over IPv6. Throws SystemCallError: ENETUNREACH,
   * EHOSTUNREACH, EADDRNOTAVAIL or EINVAL (the address is gone), ENODEV, EAGAIN (the send buffer is full).
   */
  send(number: number, data: Uint8Array, from: string, to: string, port: number | null): void {
    const socket = this.#sockets.get(number);
    if (!socket) throw new Error(`mobility socket ${number} is not open`);
    this.#send(socket.fd, data, from, to, port ?? 0);
  }

  /** Sends an ICMPv6 message, whose checksum the kernel fills in. Throws as send(). */
  sendIcmp6(data: Uint8Array, from: string, to: string): void {
    this.#icmp6 ??= withNamespace(this.#namespace, openIcmp6Sender);
    this.#send(this.#icmp6, data, from, to, 0);
  }

  /** Messages that the kernel dropped because a socket's receive buffer was full. */
  get receiveDrops(): number {
    let sum = this.#closedDrops;
    for (const { fd } of this.#sockets.values()) sum += socketDrops(fd);
    return sum;
  }

  #send(fd: number, data: Uint8Array, from: string, to: string, port: number): void {
    const sockaddr = encodeSockaddr(parseAddress(to), port);
    this.#outgoing.prepareSend(data, sockaddr.bytes, sockaddr.length, parseAddress(from).bytes);
    const sent = sendmmsg(fd, this.#outgoing.address, 1);
    if (sent < 0) throw new SystemCallError(`sendmmsg(${from} to ${to})`, -sent);
  }

  #read(number: number): void {
    for (let batch = 0; batch < BATCHES_A_TURN; batch++) {
      // A handler may have closed it.
      const socket = this.#sockets.get(number);
      if (!socket) return;
      this.#incoming.prepareReceive(this.#filled);
      const count = recvmmsg(socket.fd, this.#incoming.address, BATCH);
      this.#filled = Math.max(count, 0);
      // Errors that ICMP left on the socket are read and gone; EAGAIN is the end.
      if (count <= 0) return;
      this.#receive(Array.from({ length: count }, (_, slot) => this.#datagram(socket, slot)));
      if (count < BATCH) return;
    }
  }

  #datagram({ number, spec }: OpenSocket, slot: number): Datagram {
    const { source, port, destination, data } = this.#incoming.received(slot);
    return {
      socket: number,
      from: formatAddress(source),
      port: spec.port === null ? null : port,
      to: destination.length ? formatAddress(destination) : spec.local,
      data,
      source,
      destination: destination.length ? destination : parseAddress(spec.local).bytes,
    };
  }
}
