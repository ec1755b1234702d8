/**
 * The lab's network: two namespaces joined by one veth pair a path. Everything is deleted by dispose(), which also runs
 * when the construction fails.
 *
 *   tlmag-PID                                        tlLMA-PID
 *   mobile node -- tun0 [MAG] == wan1 .. wanN == [LMA] tun0 -- correspondent
 */
import { writeFileSync } from 'node:fs';
import { atExit } from '../at-exit.ts';
import { Netlink } from '../net/netlink.ts';
import { replaceAddress } from '../net/netlink/address.ts';
import { type LinkStatistics, addVeth, setLink } from '../net/netlink/link.ts';
import {
  createNamespace,
  deleteNamespace,
  withNamespace,
  withNamespaceFd,
} from '../net/network-namespace.ts';
import { type LabPath, pathAddresses } from './plan.ts';

/** netdevice.h: the most segments in a super-packet, and the default. */
const GSO_MAX_SEGS = 65535;

export class LabTopology {
  readonly mag: string;
  readonly lma: string;
  readonly #paths: readonly LabPath[];
  /** Namespaces outlive a process that ends without dispose(), such as one whose output nobody reads any more. */
  readonly #forgetExit = atExit(() => this.dispose());

  constructor(paths: readonly LabPath[], tag = `${process.pid}`) {
    this.mag = `tlmag-${tag}`;
    this.lma = `tllma-${tag}`;
    this.#paths = paths;
    try {
      for (const namespace of [this.mag, this.lma]) {
        createNamespace(namespace);
        withNamespace(namespace, () => {
          writeFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', '0');
          writeFileSync('/proc/sys/net/ipv4/conf/default/rp_filter', '0');
          writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0');
          writeFileSync('/proc/sys/net/ipv6/conf/default/router_solicitations', '0');
        });
      }
      this.#connect(paths);
      this.countWirePackets(true);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #connect(paths: readonly LabPath[]): void {
    const ends = { mag: new Netlink(this.mag), lma: new Netlink(this.lma) };
    try {
      withNamespaceFd(this.lma, (namespaceFd) =>
        ends.mag.apply(paths.map(({ name }) => addVeth(name, { name, namespaceFd }))),
      );
      for (const end of ['mag', 'lma'] as const) {
        ends[end].apply([
          setLink('lo', { up: true }),
          ...paths.flatMap(({ name, family }, index) => {
            const addresses = pathAddresses(index, family);
            return [
              replaceAddress(name, `${addresses[end]}/${addresses.length}`),
              setLink(name, { up: true }),
            ];
          }),
        ]);
      }
    } finally {
      ends.mag.close();
      ends.lma.close();
    }
  }

  /** The kernel's own counters of path `index` at one end. */
  statistics(end: 'mag' | 'lma', index: number): LinkStatistics {
    const netlink = new Netlink(this[end]);
    try {
      return netlink.link(this.#paths[index]!.name)!.statistics;
    } finally {
      netlink.close();
    }
  }

  /**
   * Whether the devices get packets as they would be on the wire, one by one, so that their counters can be compared with
   * ours; otherwise several datagrams of a path pass them as one (UDP_SEGMENT).
   */
  countWirePackets(on: boolean): void {
    for (const namespace of [this.mag, this.lma]) {
      const netlink = new Netlink(namespace);
      try {
        netlink.apply(this.#paths.map(({ name }) => setLink(name, { maxSegments: on ? 1 : GSO_MAX_SEGS })));
      } finally {
        netlink.close();
      }
    }
  }

  dispose(): void {
    this.#forgetExit();
    deleteNamespace(this.mag);
    deleteNamespace(this.lma);
  }
}
