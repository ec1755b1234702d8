/**
 * The static lab's network: two namespaces joined by one veth pair a path, or by an emulated link (emulated-wan.ts). Everything is
 * deleted by dispose(), and when the construction fails.
 *
 *   tlmag-PID                                        tlLMA-PID
 *   mobile node -- tun0 [MAG] == wan1 .. wanN == [LMA] tun0 -- correspondent
 */
import { atExit } from '../at-exit.ts';
import { withNetlink } from '../net/netlink.ts';
import { replaceAddress } from '../net/netlink/address.ts';
import { type LinkStatistics, setLink } from '../net/netlink/link.ts';
import { createNamespace, deleteNamespace } from '../net/network-namespace.ts';
import { exchangeSysctl } from '../net/sysctl.ts';
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
        for (const key of [
          'ipv4/conf/all/rp_filter',
          'ipv4/conf/default/rp_filter',
          'ipv6/conf/default/accept_dad',
          'ipv6/conf/default/router_solicitations',
        ]) {
          exchangeSysctl(namespace, key, '0');
        }
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
    const paths = this.#paths.flatMap(({ name, family }, index) => {
      const addresses = pathAddresses(index, family);
      return [replaceAddress(name, `${addresses[end]}/${addresses.length}`), setLink(name, { up: true })];
    });
    withNetlink(this[end], (netlink) => netlink.apply([setLink('lo', { up: true }), ...paths]));
  }

  /** Whether the kernels have noticed that the paths' links are up, which takes up to a second: before, packets may be lost. */
  get operational(): boolean {
    return [this.mag, this.lma].every((namespace) => {
      const links = withNetlink(namespace, (netlink) => netlink.links());
      const up = new Set(links.flatMap(({ name, operational }) => (operational ? [name] : [])));
      return this.#paths.every(({ name }) => up.has(name));
    });
  }

  /** The kernel's own counters of path `index` at one end. */
  statistics(end: 'mag' | 'lma', index: number): LinkStatistics {
    return withNetlink(this[end], (netlink) => netlink.link(this.#paths[index]!.name)!.statistics);
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
