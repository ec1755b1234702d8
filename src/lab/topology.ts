/**
 * The static lab's network: two namespaces joined by one veth pair a path, or by an emulated link (emulated-wan.ts). Everything is
 * deleted by dispose(), and when the construction fails.
 *
 *   tlmag-PID                                        tlLMA-PID
 *   mobile node -- tun0 [MAG] == wan1 .. wanN == [LMA] tun0 -- correspondent
 */
import { writeFileSync } from 'node:fs';
import { atExit } from '../at-exit.ts';
import { Netlink } from '../net/netlink.ts';
import { replaceAddress } from '../net/netlink/address.ts';
import { type LinkStatistics, setLink } from '../net/netlink/link.ts';
import { createNamespace, deleteNamespace, withNamespace } from '../net/network-namespace.ts';
import { EmulatedWan, wanNamespace } from './emulated-wan.ts';
import { type LabPath, pathAddresses } from './plan.ts';

export class LabTopology {
  readonly mag: string;
  readonly lma: string;
  readonly wan: EmulatedWan;
  readonly #paths: readonly LabPath[];
  /** Namespaces outlive a process that ends without dispose(), such as one whose output nobody reads any more. */
  readonly #forgetExit = atExit(() => this.#delete());

  constructor(paths: readonly LabPath[], tag = `${process.pid}`, seed = 1) {
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
      this.wan = new EmulatedWan(this.mag, this.lma, paths, tag);
      for (const end of ['mag', 'lma'] as const) this.#address(end);
      this.countWirePackets(true);
      this.wan.start(seed);
    } catch (error) {
      this.#forgetExit();
      this.#delete();
      deleteNamespace(wanNamespace(tag));
      throw error;
    }
  }

  #address(end: 'mag' | 'lma'): void {
    const netlink = new Netlink(this[end]);
    try {
      netlink.apply([
        setLink('lo', { up: true }),
        ...this.#paths.flatMap(({ name, family }, index) => {
          const addresses = pathAddresses(index, family);
          return [replaceAddress(name, `${addresses[end]}/${addresses.length}`), setLink(name, { up: true })];
        }),
      ]);
    } finally {
      netlink.close();
    }
  }

  /** Whether the kernels have noticed that the paths' links are up, which takes up to a second: before, packets may be lost. */
  get operational(): boolean {
    return ([this.mag, this.lma] as const).every((namespace) => {
      const netlink = new Netlink(namespace);
      try {
        const up = new Set(netlink.links().flatMap(({ name, operational }) => (operational ? [name] : [])));
        return this.#paths.every(({ name }) => up.has(name));
      } finally {
        netlink.close();
      }
    });
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

  /** See EmulatedWan. */
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
    deleteNamespace(this.mag);
    deleteNamespace(this.lma);
  }
}
