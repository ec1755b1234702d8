/**
 * Watches interfaces and their addresses (rtnetlink(7) events) and tells what changed: the WAN interfaces of a MAG come and go,
 * a mobile node plugs in. It keeps what it knows and reports differences, so that nothing is lost when the kernel's queue overflows:
 * then everything is listed again.
 */
import { TunloomError } from '../errors.ts';
import { errnoName } from './errno.ts';
import { close, receive } from './libc.ts';
import { Netlink, openNetlink } from './netlink.ts';
import { AddressType, type InterfaceAddress, decodeAddress } from './netlink/address.ts';
import { type Link, LinkType, decodeLink } from './netlink/link.ts';
import { type Received, splitMessages } from './netlink/message.ts';
import { withNamespace } from './network-namespace.ts';
import type { Readiness } from './readiness.ts';

// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
const GROUPS = 0x1 | 0x10 | 0x100;
const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;

export type InterfaceEvent =
  /** `up`: switched on, and the link below is there. */
  | { readonly event: 'link'; readonly device: string; readonly up: boolean }
  | { readonly event: 'link-gone'; readonly device: string }
  /** IPv6 addresses count once duplicate address detection is through. */
  | {
      readonly event: 'address' | 'address-gone';
      readonly device: string;
      readonly address: InterfaceAddress;
    };

export class InterfaceMonitor {
  readonly #fd: number;
  readonly #netlink: Netlink;
  readonly #unwatch: () => void;
  readonly #listener: (event: InterfaceEvent) => void;
  readonly #buffer = new Uint8Array(1 << 16);
  readonly #links = new Map<number, Link>();
  readonly #addresses = new Map<string, InterfaceAddress>();

  /** Knows the present state when it returns; `listener` hears of changes from then on. */
  constructor(namespace: string | null, readiness: Readiness, listener: (event: InterfaceEvent) => void) {
    this.#listener = listener;
    this.#netlink = new Netlink(namespace);
    this.#fd = withNamespace(namespace, () => openNetlink(GROUPS));
    // The events queue from here on: what changes while we list is seen twice, which does no harm.
    for (const link of this.#netlink.links()) this.#links.set(link.index, link);
    for (const address of this.#netlink.addresses()) {
      if (address.usable) this.#addresses.set(keyOf(address), address);
    }
    this.#unwatch = readiness.watch(this.#fd, () => this.#read());
  }

  stop(): void {
    this.#unwatch();
    close(this.#fd);
    this.#netlink.close();
  }

  /** Whether the interface is there, switched on, with the link below. */
  isUp(device: string): boolean {
    return this.links().some((link) => link.name === device && isUp(link));
  }

  links(): Link[] {
    return [...this.#links.values()];
  }

  /** Usable addresses of an interface. */
  addresses(device: string): InterfaceAddress[] {
    return [...this.#addresses.values()].filter((address) => address.device === device);
  }

  #read(): void {
    for (;;) {
      const length = receive(this.#fd, this.#buffer);
      if (length === -EAGAIN) return;
      if (length === -EINTR) continue;
      if (length === -ENOBUFS) {
        this.#resynchronise();
        continue;
      }
      if (length < 0) throw new TunloomError('NETLINK', `recv(netlink): ${errnoName(-length)}`);
      for (const message of splitMessages(this.#buffer.slice(0, length))) this.#take(message);
    }
  }

  #take({ type, body }: Received): void {
    if (type === LinkType.NEW || type === LinkType.DELETE) {
      const link = decodeLink(body);
      if (link) this.#setLink(link.index, type === LinkType.NEW ? link : null);
    } else if (type === AddressType.NEW || type === AddressType.DELETE) {
      const address = decodeAddress(body, (index) => this.#links.get(index)?.name ?? `if${index}`);
      if (address) this.#setAddress(address, type === AddressType.NEW && address.usable);
    }
  }

  #setLink(index: number, link: Link | null): void {
    const before = this.#links.get(index);
    if (link) this.#links.set(index, link);
    else this.#links.delete(index);
    if (before && before.name !== link?.name) {
      for (const address of this.addresses(before.name)) this.#setAddress(address, false);
      this.#listener({ event: 'link-gone', device: before.name });
    }
    if (!link) return;
    // A bridge takes another address when a port comes or goes.
    const known =
      before?.name === link.name && isUp(before) === isUp(link) && before.address === link.address;
    if (!known) this.#listener({ event: 'link', device: link.name, up: isUp(link) });
  }

  #setAddress(address: InterfaceAddress, usable: boolean): void {
    const key = keyOf(address);
    const before = this.#addresses.has(key);
    if (usable) this.#addresses.set(key, address);
    else this.#addresses.delete(key);
    if (before === usable) return;
    this.#listener({ event: usable ? 'address' : 'address-gone', device: address.device, address });
  }

  #resynchronise(): void {
    const links = this.#netlink.links();
    const present = new Set(links.map((link) => link.index));
    for (const index of this.#links.keys()) if (!present.has(index)) this.#setLink(index, null);
    for (const link of links) this.#setLink(link.index, link);
    const addresses = new Map(this.#netlink.addresses().map((address) => [keyOf(address), address] as const));
    for (const [key, address] of this.#addresses) if (!addresses.has(key)) this.#setAddress(address, false);
    for (const address of addresses.values()) this.#setAddress(address, address.usable);
  }
}

function isUp(link: Link): boolean {
  return link.up && link.carrier;
}

function keyOf({ device, address, prefixLength }: InterfaceAddress): string {
  return `${device} ${address}/${prefixLength}`;
}
