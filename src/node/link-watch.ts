/**
 * Local events act at once: a path whose interface goes down, or whose address goes away, is down without waiting for silence (rtnetlink(7)).
 * For `tunloom dataplane`, whose paths stand in a file; a MAG learns the same by its own interfaces.
 */
import { formatAddress, parseAddress } from '../ip.ts';
import { InterfaceMonitor } from '../net/interface-monitor.ts';
import { Readiness } from '../net/readiness.ts';
import type { PathWatch } from './path-watch.ts';

export class LinkWatch {
  readonly #readiness = new Readiness();
  readonly #monitor: InterfaceMonitor;
  readonly #watch: PathWatch;

  /** Throws NETLINK, SYSTEM_CALL. */
  constructor(namespace: string | null, watch: PathWatch) {
    this.#watch = watch;
    this.#monitor = new InterfaceMonitor(namespace, this.#readiness, () => this.#look());
  }

  async stop(): Promise<void> {
    this.#monitor.stop();
    await this.#readiness.stop();
  }

  #look(): void {
    const usable = this.#monitor.links().filter(({ name }) => this.#monitor.isUp(name));
    const names = new Set(usable.map(({ name }) => name));
    const addresses = new Set(
      usable.flatMap(({ name }) =>
        this.#monitor.addresses(name).map(({ address }) => formatAddress(parseAddress(address).bytes)),
      ),
    );
    this.#watch.setLinks(
      ({ local, interface: device }) =>
        addresses.has(formatAddress(parseAddress(local).bytes)) &&
        (device === undefined || names.has(device)),
    );
  }
}
