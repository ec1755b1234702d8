/**
 * Reverse path filters in the way of tunnels: an interface with a strict one (rp_filter 1, RFC 3704 §2.2) takes nothing from an address to which
 * the host's best route leads by another interface, and of several WAN interfaces one at most has the best route. So on those
 * that paths go by it becomes loose (2) while we run, where routing is ours to manage; elsewhere the operator is told.
 */
import type { DataplaneEvent } from '../dataplane/status.ts';
import type { PathSpec, SessionSpec } from '../dataplane/session-spec.ts';
import type { HostConfiguration } from '../net/host-configuration.ts';
import { withNetlink } from '../net/netlink.ts';
import { outputInterface } from '../net/next-hop.ts';
import { TunloomError } from '../errors.ts';
import { canonicalAddress } from '../ip.ts';

type Ends = Pick<PathSpec, 'local' | 'remote' | 'interface'>;

export class ReversePaths {
  readonly #namespace: string | null;
  readonly #host: HostConfiguration;
  readonly #manage: boolean;
  readonly #tell: (event: DataplaneEvent) => void;
  /** Interfaces and ends that have been looked at. */
  readonly #seen = new Set<string>();
  /** By local address: its interface, if that filters strictly. */
  readonly #strict = new Map<string, string | null>();
  readonly #told = new Set<string>();

  constructor(
    namespace: string | null,
    host: HostConfiguration,
    manage: boolean,
    tell: (event: DataplaneEvent) => void,
  ) {
    this.#namespace = namespace;
    this.#host = host;
    this.#manage = manage;
    this.#tell = tell;
  }

  /** Looks at the paths of a session that were not there before. */
  see({ paths }: SessionSpec): void {
    for (const path of paths) {
      if (path.local.includes(':')) continue;
      const strict = path.interface === undefined ? this.#strictInterface(path.local) : null;
      if (strict === null && path.interface === undefined) continue;
      const key = path.interface ?? `${path.local} ${path.remote}`;
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      if (path.interface !== undefined) this.loosen(path.interface);
      else if (strict !== null && this.#leavesElsewhere(path, strict)) this.loosen(strict);
    }
  }

  /** What comes by the interface is taken whatever the best route to its sender is. */
  loosen(device: string): void {
    if (!this.#host.filtersStrictly(device)) return;
    let loosened = false;
    if (this.#manage) {
      try {
        this.#host.setSysctl(`ipv4/conf/${device}/rp_filter`, '2');
        loosened = true;
      } catch (error) {
        // A container whose /proc/sys cannot be written to.
        if (!(error instanceof TunloomError)) throw error;
      }
    }
    if (this.#told.has(device)) return;
    this.#told.add(device);
    const filter = `net.ipv4.conf.${device}.rp_filter`;
    const reason = loosened
      ? `${filter} was strict (1) and is loose (2) until we end`
      : `${filter} is strict (1): what comes by ${device} from where the best route leads elsewhere is dropped; set it to 2`;
    this.#tell({ event: 'reversePathFilter', interface: device, loosened, reason });
  }

  #strictInterface(local: string): string | null {
    const known = this.#strict.get(local);
    if (known !== undefined) return known;
    const own = canonicalAddress(local);
    const device = withNetlink(this.#namespace, (netlink) =>
      netlink.addresses().find(({ address }) => address === own),
    )?.device;
    const strict = device !== undefined && this.#host.filtersStrictly(device) ? device : null;
    this.#strict.set(local, strict);
    return strict;
  }

  /** Whether packets to the far end leave by another interface than the one that has the path's address. */
  #leavesElsewhere({ local, remote }: Ends, device: string): boolean {
    const link = withNetlink(this.#namespace, (netlink) => {
      const output = outputInterface(netlink, local, remote);
      return netlink.links().find(({ index }) => index === output);
    });
    return link !== undefined && !link.loopback && link.name !== device;
  }
}
