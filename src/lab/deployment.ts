/**
 * The network of the lab on signaling: four namespaces. Everything is deleted by dispose(), which also runs when the construction
 * fails.
 *
 *   tlmn-PID           tlmag-PID                          tllma-PID           tlcn-PID
 *   mobile node eth0 == acc0 MAG wan1 .. wanN == wan1 .. wanN LMA core0 == eth0 correspondent
 */
import { atExit } from '../at-exit.ts';
import { withNetlink } from '../net/netlink.ts';
import { replaceAddress } from '../net/netlink/address.ts';
import { type LinkStatistics, addVeth, setLink } from '../net/netlink/link.ts';
import type { Change } from '../net/netlink/object.ts';
import { replaceRoute } from '../net/netlink/route.ts';
import { createNamespace, deleteNamespace, withNamespaceFd } from '../net/network-namespace.ts';
import { exchangeSysctl } from '../net/sysctl.ts';
import { EmulatedWan, wanNamespace } from './emulated-wan.ts';
import { type LabPath, pathAddresses } from './plan.ts';

/** rtm_protocol of what an administrator sets up (RTPROT_STATIC). */
const STATIC = 4;

/** Where the LMA's signaling and tunnels end, whichever path they come by. */
export const LMA_ADDRESS = { 4: '198.51.100.254', 6: '2001:db8:f::1' } as const;
export const ACCESS_DEVICE = 'acc0';
export const HOST_DEVICE = 'eth0';
export const HOST_MAC = '02:00:5e:00:53:01';
/** Correspondent and the LMA's address next to it. */
export const FAR_HOST = { 4: '203.0.113.10', 6: '2001:db8:ffff::10' } as const;
const CORE_DEVICE = 'core0';
const CORE = { 4: '203.0.113.1', 6: '2001:db8:ffff::1' } as const;

const NAMES = ['mn', 'mag', 'lma', 'cn'] as const;
type Name = (typeof NAMES)[number];

export class Deployment {
  readonly mn: string;
  readonly mag: string;
  readonly lma: string;
  readonly cn: string;
  readonly wan: EmulatedWan;
  readonly #paths: readonly LabPath[];
  /** Namespaces outlive a process that ends without dispose(), such as one whose output nobody reads any more. */
  readonly #forgetExit = atExit(() => this.#delete());

  constructor(paths: readonly LabPath[], tag = `${process.pid}`, seed = 1) {
    this.mn = `tlmn-${tag}`;
    this.mag = `tlmag-${tag}`;
    this.lma = `tllma-${tag}`;
    this.cn = `tlcn-${tag}`;
    this.#paths = paths;
    try {
      for (const name of NAMES) this.#prepare(name);
      this.wan = new EmulatedWan(this.mag, this.lma, paths, tag);
      this.#connect();
      this.countWirePackets(true);
      this.wan.start(seed);
    } catch (error) {
      this.#forgetExit();
      this.#delete();
      deleteNamespace(wanNamespace(tag));
      throw error;
    }
  }

  /** Plugs the mobile node in, still without IPv6. The kernel takes up to a second to notice a carrier: see `plugged`. */
  plugIn(): void {
    this.#change('mn', [setLink(HOST_DEVICE, { up: true })]);
  }

  /** Whether the mobile node's kernel has noticed, and with it the kernel of every link that came up before. */
  get plugged(): boolean {
    return withNetlink(this.mn, (netlink) => netlink.link(HOST_DEVICE)?.operational ?? false);
  }

  /** Switches the mobile node on: its kernel asks for a router. */
  switchOn(): void {
    exchangeSysctl(this.mn, `ipv6/conf/${HOST_DEVICE}/disable_ipv6`, '0');
  }

  /** Packets and octets that the devices of a path have sent at one end. */
  statistics(end: 'mag' | 'lma', path: number): LinkStatistics {
    return withNetlink(this[end], (netlink) => netlink.link(this.#paths[path]!.name)!.statistics);
  }

  /** Global IPv6 addresses of the mobile node. */
  homeAddresses(): string[] {
    const all = withNetlink(this.mn, (netlink) => netlink.addresses());
    return all
      .filter(
        ({ device, family, scope, usable }) => device === HOST_DEVICE && family === 6 && !scope && usable,
      )
      .map(({ address }) => address);
  }

  /** What a DHCP client does with its lease. */
  takeLease(lease: { address: string; prefixLength: number; router: string; mtu: number }): void {
    this.#change('mn', [
      setLink(HOST_DEVICE, { mtu: lease.mtu }),
      replaceAddress(HOST_DEVICE, `${lease.address}/${lease.prefixLength}`),
      replaceRoute({ prefix: '0.0.0.0/0', device: HOST_DEVICE, via: lease.router }, STATIC),
    ]);
  }

  /** Whether the devices of paths get packets as they would be on the wire, one by one, so that counters can be compared. */
  countWirePackets(on: boolean): void {
    this.wan.countWirePackets(on);
  }

  async dispose(): Promise<void> {
    this.#forgetExit();
    try {
      await this.wan.stop();
    } finally {
      this.#delete();
    }
  }

  #delete(): void {
    this.wan?.delete();
    for (const name of NAMES) deleteNamespace(this[name]);
  }

  #prepare(name: Name): void {
    createNamespace(this[name]);
    const settings: Record<string, string> = {
      'ipv4/conf/all/rp_filter': '0',
      'ipv4/conf/default/rp_filter': '0',
      'ipv6/conf/all/accept_dad': '0',
      'ipv6/conf/default/accept_dad': '0',
      'ipv6/conf/default/use_tempaddr': '0',
      // Nobody else is on these links: no random waits of up to a second.
      'ipv6/conf/default/router_solicitation_delay': '0',
      'ipv6/conf/default/mldv2_unsolicited_report_interval': '1',
      'ipv6/conf/default/accept_ra': name === 'mn' ? '1' : '0',
      ...(name === 'mag' || name === 'lma'
        ? { 'ipv4/ip_forward': '1', 'ipv6/conf/all/forwarding': '1' }
        : {}),
    };
    for (const [key, value] of Object.entries(settings)) exchangeSysctl(this[name], key, value);
    this.#change(name, [setLink('lo', { up: true })]);
  }

  #connect(): void {
    withNamespaceFd(this.mn, (namespaceFd) =>
      this.#change('mag', [addVeth(ACCESS_DEVICE, { name: HOST_DEVICE, namespaceFd, address: HOST_MAC })]),
    );
    withNamespaceFd(this.cn, (namespaceFd) =>
      this.#change('lma', [addVeth(CORE_DEVICE, { name: HOST_DEVICE, namespaceFd })]),
    );
    exchangeSysctl(this.mn, `ipv6/conf/${HOST_DEVICE}/disable_ipv6`, '1');
    this.#change('mag', [setLink(ACCESS_DEVICE, { up: true }), ...this.#ends('mag')]);
    this.#change('lma', [
      ...this.#ends('lma'),
      ...[LMA_ADDRESS[4], LMA_ADDRESS[6]].map((address) => replaceAddress('lo', address)),
      replaceAddress(CORE_DEVICE, `${CORE[4]}/24`),
      replaceAddress(CORE_DEVICE, `${CORE[6]}/64`),
      setLink(CORE_DEVICE, { up: true }),
    ]);
    this.#change('cn', [
      replaceAddress(HOST_DEVICE, `${FAR_HOST[4]}/24`),
      replaceAddress(HOST_DEVICE, `${FAR_HOST[6]}/64`),
      setLink(HOST_DEVICE, { up: true }),
      replaceRoute({ prefix: '0.0.0.0/0', device: HOST_DEVICE, via: CORE[4] }, STATIC),
      replaceRoute({ prefix: '::/0', device: HOST_DEVICE, via: CORE[6] }, STATIC),
    ]);
  }

  /** Addresses of the paths' devices at one end. */
  #ends(end: 'mag' | 'lma'): Change[] {
    return this.#paths.flatMap(({ name, family }, index) => {
      const addresses = pathAddresses(index, family);
      return [replaceAddress(name, `${addresses[end]}/${addresses.length}`), setLink(name, { up: true })];
    });
  }

  #change(name: Name, changes: readonly Change[]): void {
    withNetlink(this[name], (netlink) => netlink.apply(changes));
  }
}
