/**
 * Addresses, routes, rules and kernel settings of one host, in this or another network namespace. All that is added is noted and removed again;
 * what a killed predecessor left is found by its protocol number.
 */
import { TunloomError } from '../errors.ts';
import { formatAddress, parsePrefix } from '../ip.ts';
import { Netlink, refuseFailures } from './netlink.ts';
import { deleteAddress, replaceAddress } from './netlink/address.ts';
import { setLink } from './netlink/link.ts';
import type { Change } from './netlink/object.ts';
import { MAIN_TABLE, type Route, addRoute, deleteRoute, replaceRoute } from './netlink/route.ts';
import { type Rule, addRule, deleteRule } from './netlink/rule.ts';
import { exchangeSysctl, readSysctl } from './sysctl.ts';

/** Marks our routes and rules (rtnetlink(7), rtm_protocol): none of those in linux/rtnetlink.h, rt_protos of iproute2 and FRR. */
export const ROUTE_PROTOCOL = 82;

const EEXIST = 17;

export class HostConfiguration {
  readonly #netlink: Netlink;
  /** Undoes what was done, in order of doing; by the text of the undoing. */
  readonly #journal = new Map<string, Change>();
  /** Values that kernel settings had before. */
  readonly #sysctls = new Map<string, string>();
  readonly #namespace: string | null;

  /** Throws SYSTEM_CALL if there is no such namespace. */
  constructor(namespace: string | null) {
    this.#namespace = namespace;
    this.#netlink = new Netlink(namespace);
  }

  /** Brings a device up with an MTU and a transmit queue length. Not undone: for devices that go away by themselves. */
  setLink(device: string, settings: { mtu: number; queueLength: number }): void {
    this.#netlink.apply([
      // No link-local address: a TUN has no neighbours, and solicitations would only be dropped and counted.
      ...(this.carriesIpv6(device) ? [setLink(device, { linkLocal: false })] : []),
      setLink(device, { up: true, mtu: settings.mtu, queueLength: settings.queueLength }),
    ]);
  }

  /** Whether the device may have IPv6 addresses and routes: not where `disable_ipv6` is set, as in containers, or the kernel has no IPv6. */
  carriesIpv6(device: string): boolean {
    return readSysctl(this.#namespace, `ipv6/conf/${device}/disable_ipv6`) === '0';
  }

  setMtu(device: string, mtu: number): void {
    this.#netlink.apply([setLink(device, { mtu })]);
  }

  /** `address` as CIDR; IPv6 without duplicate address detection, as nobody shares the link. */
  addAddress(device: string, address: string): void {
    this.#make([[replaceAddress(device, address), deleteAddress(device, address)]]);
  }

  removeAddress(device: string, address: string): void {
    this.#unmake([deleteAddress(device, address)]);
  }

  /** Adds routes, tens of thousands at once if need be. */
  addRoutes(routes: readonly Route[]): void {
    this.#make(
      routes.map((route) => [replaceRoute(route, ROUTE_PROTOCOL), deleteRoute(route, ROUTE_PROTOCOL)]),
    );
  }

  /**
   * Adds routes of the main table to prefixes that nobody routes elsewhere: the operator's routes are not ours to replace, and would not come
   * back. Throws ROUTE_IN_USE naming the first one, and NETLINK; the others are made.
   */
  claimRoutes(routes: readonly (Route & { readonly device: string })[]): void {
    const claims = new Map(routes.map((route) => [addRoute(route, ROUTE_PROTOCOL), route]));
    for (const route of routes) {
      const undo = deleteRoute(route, ROUTE_PROTOCOL);
      this.#journal.set(undo.text, undo);
    }
    const failures = this.#netlink.attempt([...claims.keys()]);
    const present = failures.some(({ errno }) => errno === EEXIST) ? this.#netlink.routes() : [];
    for (const { change, errno } of failures) {
      const { prefix, device } = claims.get(change)!;
      const other = present.find((route) => route.table === MAIN_TABLE && isSamePrefix(route.prefix, prefix));
      // One by the device itself is that of an address of it.
      if (errno !== EEXIST || !other || other.device === device) continue;
      const by = other.via === undefined ? '' : `via ${other.via} `;
      const where = other.device === null ? 'unreachable' : `${by}dev ${other.device}`;
      const message = `${prefix} cannot be routed into ${device}: this host has a route to it, ${where}`;
      throw new TunloomError('ROUTE_IN_USE', message);
    }
    refuseFailures(failures.filter(({ errno }) => errno !== EEXIST));
  }

  removeRoutes(routes: readonly Route[]): void {
    this.#unmake(routes.map((route) => deleteRoute(route, ROUTE_PROTOCOL)));
  }

  /** Rules that are there already stay. */
  addRules(rules: readonly Rule[]): void {
    const known = this.#journal;
    const fresh = rules.map((rule): [Change, Change] => [
      addRule(rule, ROUTE_PROTOCOL),
      deleteRule(rule, ROUTE_PROTOCOL),
    ]);
    this.#make(fresh.filter(([, undo]) => !known.has(undo.text)));
  }

  removeRules(rules: readonly Rule[]): void {
    this.#unmake(rules.map((rule) => deleteRule(rule, ROUTE_PROTOCOL)));
  }

  /** Gives an interface its kernel settings back. */
  releaseSettings(device: string): void {
    for (const [key, value] of this.#sysctls) {
      if (key.split('/').at(-2) !== device) continue;
      this.#sysctls.delete(key);
      this.#restore(key, value);
    }
  }

  /** Removes everything that was added, last first; what has gone with its device does not matter. Ends the use of this object. */
  undo(): void {
    this.#netlink.attempt([...this.#journal.values()].reverse());
    this.#journal.clear();
    this.#netlink.close();
    for (const [key, value] of this.#sysctls) this.#restore(key, value);
    this.#sysctls.clear();
  }

  #restore(key: string, value: string): void {
    try {
      exchangeSysctl(this.#namespace, key, value);
    } catch {
      // The interface has gone, and its settings with it.
    }
  }

  /** Sets `key` below /proc/sys/net, such as ipv4/conf/eth0/forwarding. Throws SYSCTL if it cannot be. */
  setSysctl(key: string, value: string): void {
    const before = exchangeSysctl(this.#namespace, key, value);
    if (before !== value && !this.#sysctls.has(key)) this.#sysctls.set(key, before);
  }

  /**
   * Packets that come in by `device` are forwarded, whatever the rest of the host does; for IPv6 this takes Linux 6.17
   * (force_forwarding) unless conf/all/forwarding is on. Gives whether IPv6 is forwarded now.
   */
  forwardFrom(device: string): boolean {
    this.setSysctl(`ipv4/conf/${device}/forwarding`, '1');
    if (readSysctl(this.#namespace, 'ipv6/conf/all/forwarding') === '1') return true;
    const key = `ipv6/conf/${device}/force_forwarding`;
    if (readSysctl(this.#namespace, key) === null) return false;
    this.setSysctl(key, '1');
    return true;
  }

  /** Whether the interface takes packets only from addresses to which the best route leads by it: the greater of both values counts. */
  filtersStrictly(device: string): boolean {
    const values = ['all', device].map((name) => readSysctl(this.#namespace, `ipv4/conf/${name}/rp_filter`));
    return !values.includes(null) && Math.max(...values.map(Number)) === 1;
  }

  /** What comes out of a tunnel has its way back by another table (MAG), or by none that the host knows of. */
  trustDevice(device: string): void {
    const strict = readSysctl(this.#namespace, 'ipv4/conf/all/rp_filter') === '1';
    // The greater of both values counts, and 2 is loose.
    this.setSysctl(`ipv4/conf/${device}/rp_filter`, strict ? '2' : '0');
  }

  /** Whether a device of that name is there and another process has it open: a TUN has no carrier else, and does not outlive its process. */
  inUse(device: string): boolean {
    return this.#netlink.link(device)?.carrier ?? false;
  }

  /** Default routes of ours in `table`. */
  defaultRoutes(table: number): Route[] {
    const routes = this.#netlink.routes({ table, protocol: ROUTE_PROTOCOL });
    return routes.filter(({ prefix }) => prefix === '::/0' || prefix === '0.0.0.0/0');
  }

  /** Removes routes through `device` that a predecessor left in the main table. */
  removeLeftoverRoutes(device: string): void {
    const routes = this.#netlink
      .routes({ protocol: ROUTE_PROTOCOL })
      .filter((route) => route.device === device);
    this.#netlink.attempt(routes.map((route) => deleteRoute(route, ROUTE_PROTOCOL)));
  }

  /**
   * Removes what a predecessor left when it was killed: routes in `tables`, rules that lead there or are about packets from `device`, and
   * those about packets inside a prefix whose packets are led there.
   */
  removeLeftovers(tables: readonly number[], device: string): void {
    const ours = this.#netlink.rules().filter(({ protocol }) => protocol === ROUTE_PROTOCOL);
    const leading = ours.filter(({ table }) => table !== null && tables.includes(table));
    const inside = new Set(leading.map(({ from }) => from));
    const rules = ours.filter(
      (rule) =>
        leading.includes(rule) ||
        rule.iif === device ||
        (rule.to !== undefined && rule.to === rule.from && inside.has(rule.from)),
    );
    const routes = tables.flatMap((table) => this.#netlink.routes({ table, protocol: ROUTE_PROTOCOL }));
    this.#netlink.attempt([
      ...rules.map((rule) => deleteRule(rule, ROUTE_PROTOCOL)),
      ...routes.map((route) => deleteRoute(route, ROUTE_PROTOCOL)),
    ]);
  }

  /** Pairs of what to do and what undoes it. */
  #make(pairs: readonly (readonly [Change, Change])[]): void {
    // Noted before doing: a batch that fails half-way is undone as well, and undoing too much does no harm.
    for (const [, undo] of pairs) this.#journal.set(undo.text, undo);
    this.#netlink.apply(pairs.map(([change]) => change));
  }

  #unmake(changes: readonly Change[]): void {
    for (const change of changes) this.#journal.delete(change.text);
    this.#netlink.attempt(changes);
  }
}

function isSamePrefix(a: string, b: string): boolean {
  const [one, other] = [a, b].map(parsePrefix);
  return one!.length === other!.length && formatAddress(one!.bytes) === formatAddress(other!.bytes);
}
