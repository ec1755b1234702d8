/**
 * Local events act at once: a path whose interface goes down, or whose address goes away, is down without waiting for silence (rtnetlink(7)),
 * and an interface that was deleted and has come back, such as a modem's, gets new sockets. For `tunloom dataplane`,
 * whose paths stand in a file; a MAG learns the same by its own interfaces.
 */
import { canonicalAddress } from '../ip.ts';
import { InterfaceMonitor } from '../net/interface-monitor.ts';
import { Readiness } from '../net/readiness.ts';
import type { HostDataplane } from './host-dataplane.ts';

export class LinkWatch {
  readonly #readiness = new Readiness();
  readonly #monitor: InterfaceMonitor;
  readonly #host: Pick<HostDataplane, 'pathWatch' | 'rebind'>;
  /** Index of the device that last had a name. */
  readonly #devices = new Map<string, number>();
  /** Names that another device has now, which has no sockets yet. */
  readonly #returned = new Set<string>();

  /** Throws NETLINK, SYSTEM_CALL. */
  constructor(namespace: string | null, host: Pick<HostDataplane, 'pathWatch' | 'rebind'>) {
    this.#host = host;
    this.#monitor = new InterfaceMonitor(namespace, this.#readiness, () => this.#look());
    for (const { name, index } of this.#monitor.links()) this.#devices.set(name, index);
  }

  async stop(): Promise<void> {
    this.#monitor.stop();
    await this.#readiness.stop();
  }

  #look(): void {
    this.#rebind();
    const usable = this.#monitor.links().filter(({ name }) => this.#monitor.isUp(name));
    const names = new Set(usable.map(({ name }) => name));
    const addresses = new Set(
      usable.flatMap(({ name }) =>
        this.#monitor.addresses(name).map(({ address }) => canonicalAddress(address)),
      ),
    );
    this.#host.pathWatch?.setLinks(
      ({ local, interface: device }) =>
        addresses.has(canonicalAddress(local)) && (device === undefined || names.has(device)),
    );
  }

  #rebind(): void {
    for (const { name, index } of this.#monitor.links()) {
      const before = this.#devices.get(name);
      this.#devices.set(name, index);
      if (before !== undefined && before !== index) this.#returned.add(name);
    }
    // Those whose address is not there yet are tried again when it comes.
    for (const name of this.#returned) if (this.#host.rebind(name)) this.#returned.delete(name);
  }
}
