/**
 * struct mmsghdr, msghdr, iovec, sockaddr and the packet-information cmsg (recvmmsg(2), cmsg(3), ipv6(7), ip(7)) laid out in a
 * WebAssembly memory, whose addresses do not move. One slot holds one message with room for its octets.
 */
import { addressOf } from './libc.ts';

/** struct mmsghdr on 64-bit Linux. */
export const MMSGHDR_SIZE = 64;
const NAME = 0;
const NAME_LENGTH = 8;
export const MMSGHDR_IOV = 16;
export const MMSGHDR_IOVLEN = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
export const MMSGHDR_FLAGS = 48;
export const MMSGHDR_LEN = 56;

const IOVEC = 16;
const SOCKADDR = 32;
/** CMSG_SPACE of the larger one, struct in6_pktinfo. */
const CONTROL_ROOM = 40;
const PER_SLOT = IOVEC + SOCKADDR + CONTROL_ROOM + 8;

/** A Mobility Header has at most 256 units of 8 octets (RFC 6275 §6.1.1). */
export const LARGEST_MESSAGE = 2048;

const AF_INET6 = 10;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const IPPROTO_IPV6 = 41;
const IPV6_PKTINFO = 50;
const CMSG_HEADER = 16;

export class MessageSlots {
  readonly count: number;
  /** Absolute address of the array of struct mmsghdr. */
  readonly address: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #base: number;
  readonly #room: number;

  /** `room`: octets of the largest message. */
  constructor(count: number, room = LARGEST_MESSAGE) {
    this.count = count;
    this.#room = room;
    const size = count * (MMSGHDR_SIZE + PER_SLOT + room);
    const pages = Math.ceil(size / 65536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#base = addressOf(memory);
    this.address = this.#base;
    for (let slot = 0; slot < count; slot++) {
      const at = slot * MMSGHDR_SIZE;
      this.#pointer(at + NAME, this.#sockaddr(slot));
      this.#pointer(at + MMSGHDR_IOV, this.#iovec(slot));
      this.#view.setBigUint64(at + MMSGHDR_IOVLEN, 1n, true);
      this.#pointer(at + CONTROL, this.#control(slot));
      this.#pointer(this.#iovec(slot), this.#data(slot));
    }
  }

  /** Before recvmmsg(2), which overwrites lengths: all slots, or the first `used`, into which the last call has put something. */
  prepareReceive(used = this.count): void {
    for (let slot = 0; slot < used; slot++) {
      const at = slot * MMSGHDR_SIZE;
      this.#view.setUint32(at + NAME_LENGTH, SOCKADDR, true);
      this.#view.setBigUint64(at + CONTROL_LENGTH, BigInt(CONTROL_ROOM), true);
      this.#view.setUint32(at + MMSGHDR_FLAGS, 0, true);
      this.#view.setBigUint64(this.#iovec(slot) + 8, BigInt(this.#room), true);
    }
  }

  /** What recvmmsg(2) has put into a slot; `destination` is empty if the kernel did not tell. Valid until the next call. */
  received(slot: number): { source: Uint8Array; port: number; destination: Uint8Array; data: Uint8Array } {
    const name = this.#sockaddr(slot);
    const v6 = this.#view.getUint16(name, true) === AF_INET6;
    const length = this.#view.getUint32(slot * MMSGHDR_SIZE + MMSGHDR_LEN, true);
    const at = this.#data(slot);
    return {
      source: v6 ? this.#part(name + 8, 16) : this.#part(name + 4, 4),
      // A raw socket puts its protocol here.
      port: v6 ? 0 : this.#view.getUint16(name + 2),
      destination: this.#destination(slot),
      data: this.#part(at, length),
    };
  }

  /** The struct sockaddr of whoever sent it, whatever its family. */
  sender(slot: number): Uint8Array {
    return this.#part(this.#sockaddr(slot), SOCKADDR);
  }

  /** Fills slot 0 for sendmmsg(2): octets to a struct sockaddr, from an address of ours. */
  prepareSend(data: Uint8Array, sockaddr: Uint8Array, length: number, source: Uint8Array): void {
    this.#bytes.set(sockaddr.subarray(0, length), this.#sockaddr(0));
    this.#view.setUint32(NAME_LENGTH, length, true);
    this.#bytes.set(data, this.#data(0));
    this.#view.setBigUint64(this.#iovec(0) + 8, BigInt(data.length), true);
    const control = this.#control(0);
    const v6 = source.length === 16;
    this.#bytes.fill(0, control, control + CONTROL_ROOM);
    this.#view.setBigUint64(control, BigInt(CMSG_HEADER + (v6 ? 20 : 12)), true);
    this.#view.setUint32(control + 8, v6 ? IPPROTO_IPV6 : IPPROTO_IP, true);
    this.#view.setUint32(control + 12, v6 ? IPV6_PKTINFO : IP_PKTINFO, true);
    // in6_pktinfo starts with the address; in_pktinfo has it after the interface (ipi_spec_dst).
    this.#bytes.set(source, control + CMSG_HEADER + (v6 ? 0 : 4));
    this.#view.setBigUint64(CONTROL_LENGTH, BigInt(v6 ? 40 : 32), true);
    this.#view.setUint32(MMSGHDR_FLAGS, 0, true);
  }

  #destination(slot: number): Uint8Array {
    const length = Number(this.#view.getBigUint64(slot * MMSGHDR_SIZE + CONTROL_LENGTH, true));
    const control = this.#control(slot);
    if (length < CMSG_HEADER) return new Uint8Array(0);
    const level = this.#view.getUint32(control + 8, true);
    const type = this.#view.getUint32(control + 12, true);
    if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) return this.#part(control + CMSG_HEADER, 16);
    // ipi_addr, the address in the header, is the last field.
    if (level === IPPROTO_IP && type === IP_PKTINFO) return this.#part(control + CMSG_HEADER + 8, 4);
    return new Uint8Array(0);
  }

  #part(at: number, length: number): Uint8Array {
    return this.#bytes.subarray(at, at + length);
  }

  #pointer(at: number, target: number): void {
    this.#view.setBigUint64(at, BigInt(this.#base + target), true);
  }

  #slot(slot: number): number {
    return this.count * MMSGHDR_SIZE + slot * PER_SLOT;
  }

  #iovec(slot: number): number {
    return this.#slot(slot);
  }

  #sockaddr(slot: number): number {
    return this.#slot(slot) + IOVEC;
  }

  #control(slot: number): number {
    return this.#slot(slot) + IOVEC + SOCKADDR;
  }

  #data(slot: number): number {
    return this.count * (MMSGHDR_SIZE + PER_SLOT) + slot * this.#room;
  }
}
