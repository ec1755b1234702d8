/**
 * The lab's network: two namespaces joined by one veth pair a path. Everything is deleted by dispose(), which also runs
 * when the construction fails.
 *
 *   tlmag-PID                                        tlLMA-PID
 *   mobile node -- tun0 [MAG] == wan1 .. wanN == [LMA] tun0 -- correspondent
 */
import { writeFileSync } from 'node:fs';
import { type LinkStatistics, ip, linkStatistics } from '../net/iproute2.ts';
import { createNamespace, deleteNamespace, withNamespace } from '../net/network-namespace.ts';
import { type LabPath, pathAddresses } from './plan.ts';

export class LabTopology {
  readonly mag: string;
  readonly lma: string;
  readonly #paths: readonly LabPath[];

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
        ip(namespace, ['link', 'set', 'lo', 'up']);
      }
      paths.forEach((path, index) => this.#connect(path, index));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #connect(path: LabPath, index: number): void {
    const { mag, lma, length } = pathAddresses(index, path.family);
    ip(this.mag, ['link', 'add', path.name, 'type', 'veth', 'peer', 'name', path.name, 'netns', this.lma]);
    for (const [namespace, address] of [
      [this.mag, mag],
      [this.lma, lma],
    ] as const) {
      const nodad = path.family === 6 ? ['nodad'] : [];
      ip(namespace, ['address', 'add', `${address}/${length}`, 'dev', path.name, ...nodad]);
      ip(namespace, ['link', 'set', path.name, 'up']);
    }
  }

  /** The kernel's own counters of path `index` at one end. */
  statistics(end: 'mag' | 'lma', index: number): LinkStatistics {
    return linkStatistics(this[end], this.#paths[index]!.name);
  }

  dispose(): void {
    deleteNamespace(this.mag);
    deleteNamespace(this.lma);
  }
}
