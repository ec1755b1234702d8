/**
 * The paths between the two ends of a lab: a veth pair each, or two pairs with the link emulator between them where a path has a link
 * to emulate.
 *
 *   plain      tlmag: lte <-----------------------------------------> lte :tllma
 *   emulated   tlmag: lte <--> m0 :tlwan: emulator :tlwan: l0 <-----> lte :tllma
 */
import { Emulator } from '../emulator/emulator.ts';
import { setTransmitChecksum } from '../net/ethtool.ts';
import { withNetlink } from '../net/netlink.ts';
import { addVeth, setLink } from '../net/netlink/link.ts';
import type { Change } from '../net/netlink/object.ts';
import {
  createNamespace,
  deleteNamespace,
  withNamespace,
  withNamespaceFd,
} from '../net/network-namespace.ts';
import { exchangeSysctl } from '../net/sysctl.ts';
import { describeLink } from '../emulator/model/link-text.ts';
import type { LabPath } from './plan.ts';
import type { EmulatedPathResult } from './report.ts';

/** netdevice.h: the most segments in a super-packet, and the default. */
const GSO_MAX_SEGS = 65_535;

export class EmulatedWan {
  readonly namespace: string;
  readonly #mag: string;
  readonly #lma: string;
  readonly #paths: readonly LabPath[];
  #emulator: Emulator | null = null;

  /** Creates the devices, named as the paths, in both namespaces; they are down and without addresses. */
  constructor(mag: string, lma: string, paths: readonly LabPath[], tag: string) {
    this.#mag = mag;
    this.#lma = lma;
    this.#paths = paths;
    this.namespace = wanNamespace(tag);
    const plain = paths.filter(({ link }) => !link);
    withNamespaceFd(lma, (namespaceFd) =>
      change(
        mag,
        plain.map(({ name }) => addVeth(name, { name, namespaceFd })),
      ),
    );
    if (plain.length < paths.length) this.#create();
  }

  #create(): void {
    createNamespace(this.namespace);
    // Frames pass by the emulator alone: nothing here answers, solicits or forwards.
    exchangeSysctl(this.namespace, 'ipv6/conf/default/disable_ipv6', '1');
    this.#paths.forEach(({ name, link }, index) => {
      if (!link) return;
      const sides = [
        [this.#mag, `m${index}`],
        [this.#lma, `l${index}`],
      ] as const;
      for (const [end, inner] of sides) {
        withNamespaceFd(this.namespace, (namespaceFd) => {
          change(end, [addVeth(name, { name: inner, namespaceFd }), setLink(name, { maxSegments: 1 })]);
        });
        // What is forwarded as a frame has to be complete.
        withNamespace(end, () => setTransmitChecksum(name, false));
        change(this.namespace, [setLink(inner, { up: true })]);
      }
    });
  }

  /** Starts the emulator if there is a link to emulate. */
  start(seed: number): void {
    const links = this.#paths.flatMap(({ link }, index) =>
      link ? [{ a: `m${index}`, b: `l${index}`, ...link }] : [],
    );
    if (links.length) this.#emulator = new Emulator({ namespace: this.namespace, links, seed });
  }

  /** null: no path is emulated. */
  get emulator(): Emulator | null {
    return this.#emulator;
  }

  /** What happened on the emulated links so far. */
  results(): EmulatedPathResult[] {
    return this.#paths.flatMap(({ name, link }, path) => {
      if (!link || !this.#emulator) return [];
      const number = this.linkOf(path);
      const [up, down] = [
        this.#emulator.counters(number, 'uplink'),
        this.#emulator.counters(number, 'downlink'),
      ];
      return [
        {
          name,
          uplink: describeLink(link.uplink),
          downlink: describeLink(link.downlink),
          offered: up.offered + down.offered,
          lost: up.lost + down.lost,
          queueFull: up.queueFull + down.queueFull,
        },
      ];
    });
  }

  /** Number of a path's link in the emulator, -1 if it is not emulated. */
  linkOf(path: number): number {
    if (!this.#paths[path]?.link) return -1;
    return this.#paths.slice(0, path).filter(({ link }) => link).length;
  }

  /**
   * Whether devices get packets as they would be on the wire, one by one, so that their counters can be compared with ours;
   * otherwise several datagrams of a path pass them as one (UDP_SEGMENT). Emulated links always get them one by one.
   */
  countWirePackets(on: boolean): void {
    const changes = this.#paths
      .filter(({ link }) => !link)
      .map(({ name }) => setLink(name, { maxSegments: on ? 1 : GSO_MAX_SEGS }));
    for (const end of [this.#mag, this.#lma]) change(end, changes);
  }

  async stop(): Promise<void> {
    await this.#emulator?.stop();
    this.#emulator = null;
    this.delete();
  }

  /** Deletes the namespace, whatever the emulator does in it. */
  delete(): void {
    if (this.#paths.some(({ link }) => link)) deleteNamespace(this.namespace);
  }
}

/** The namespace of a lab's emulated links. */
export function wanNamespace(tag: string): string {
  return `tlwan-${tag}`;
}

function change(namespace: string, changes: readonly Change[]): void {
  withNetlink(namespace, (netlink) => netlink.apply(changes));
}
