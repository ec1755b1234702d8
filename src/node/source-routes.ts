/**
 * Routing by source address for paths with a gateway of their own: each has a table with a default route, and a rule that leads there.
 * The kernel forgets a route when its interface goes down, so it is made again when that is back.
 */
import type { Gateway } from '../config/session-defaults.ts';
import { TunloomError } from '../errors.ts';
import { canonicalAddress } from '../ip.ts';
import type { HostConfiguration } from '../net/host-configuration.ts';
import { InterfaceMonitor } from '../net/interface-monitor.ts';
import type { Route } from '../net/netlink/route.ts';
import type { Rule } from '../net/netlink/rule.ts';
import { Readiness } from '../net/readiness.ts';

export class SourceRoutes {
  readonly #namespace: string | null;
  readonly #host: HostConfiguration;
  readonly #firstTable: number;
  readonly #priority: number;
  /** By the text of the gateway: its table. */
  #tables = new Map<string, number>();
  /** Null as long as there is nothing to watch for. */
  #watch: { readonly readiness: Readiness; readonly monitor: InterfaceMonitor } | null = null;

  /** Tables are numbered from `firstTable`. */
  constructor(namespace: string | null, host: HostConfiguration, firstTable: number, priority: number) {
    this.#namespace = namespace;
    this.#host = host;
    this.#firstTable = firstTable;
    this.#priority = priority;
  }

  /**
   * These from now on; what stays is not touched. Throws NETLINK, such as for a gateway that is not on the link, or BAD_CONFIG; then
   * everything is as before.
   */
  set(gateways: readonly Gateway[]): void {
    const before = this.#tables;
    const after = new Map<string, number>();
    for (const gateway of gateways) {
      if (gateway.interface === undefined) {
        throw new TunloomError('BAD_CONFIG', `gateway ${gateway.via}: the path needs an interface`);
      }
      const text = JSON.stringify(gateway);
      after.set(text, before.get(text) ?? this.#freeTable(before, after));
    }
    const fresh = only(after, before);
    try {
      for (const [text, table] of fresh) {
        const { route, rule } = this.#rulesOf(text, table);
        this.#host.addRules([rule]);
        if (this.#isReady(route.device!, rule.from!)) this.#host.addRoutes([route]);
      }
    } catch (error) {
      this.#remove(fresh);
      throw error;
    }
    this.#remove(only(before, after));
    this.#tables = after;
  }

  /** Interfaces have changed: makes all routes that can be. */
  renew(): void {
    try {
      this.#host.addRoutes([...this.#tables].map(([text, table]) => this.#rulesOf(text, table).route));
    } catch (error) {
      // An interface is not there, or not yet what it has to be for its gateway: then an event is to come.
      if (!(error instanceof TunloomError)) throw error;
    }
  }

  async stop(): Promise<void> {
    this.#watch?.monitor.stop();
    await this.#watch?.readiness.stop();
  }

  /** Whether the interface is up and the path's address is there: then the kernel has to take the route. */
  #isReady(device: string, local: string): boolean {
    if (!this.#watch) {
      const readiness = new Readiness();
      const monitor = new InterfaceMonitor(this.#namespace, readiness, () => this.renew());
      this.#watch = { readiness, monitor };
    }
    const { monitor } = this.#watch;
    const own = canonicalAddress(local);
    const addresses = monitor.links().flatMap(({ name }) => monitor.addresses(name));
    return monitor.isUp(device) && addresses.some(({ address }) => address === own);
  }

  #remove(tables: readonly (readonly [string, number])[]): void {
    const both = tables.map(([text, table]) => this.#rulesOf(text, table));
    this.#host.removeRules(both.map(({ rule }) => rule));
    this.#host.removeRoutes(both.map(({ route }) => route));
  }

  #freeTable(...taken: readonly ReadonlyMap<string, number>[]): number {
    const numbers = new Set(taken.flatMap((tables) => [...tables.values()]));
    for (let table = this.#firstTable; ; table++) if (!numbers.has(table)) return table;
  }

  #rulesOf(text: string, table: number): { route: Route; rule: Rule } {
    const { local, via, interface: device } = JSON.parse(text) as Gateway;
    const family = local.includes(':') ? 6 : 4;
    const prefix = family === 6 ? '::/0' : '0.0.0.0/0';
    return {
      route: { prefix, via, device: device!, table },
      rule: { from: local, family, table, priority: this.#priority },
    };
  }
}

function only(
  some: ReadonlyMap<string, number>,
  others: ReadonlyMap<string, number>,
): (readonly [string, number])[] {
  return [...some].filter(([text]) => !others.has(text));
}
