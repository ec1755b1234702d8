/** Routing by source address for paths with a gateway of their own: each has a table with a default route, and a rule that leads there. */
import type { Gateway } from '../config/session-defaults.ts';
import { TunloomError } from '../errors.ts';
import type { HostConfiguration } from '../net/host-configuration.ts';
import type { Route } from '../net/netlink/route.ts';
import type { Rule } from '../net/netlink/rule.ts';

export class SourceRoutes {
  readonly #host: HostConfiguration;
  readonly #firstTable: number;
  readonly #priority: number;
  /** By the text of the gateway: its table. */
  #tables = new Map<string, number>();

  /** Tables are numbered from `firstTable`. */
  constructor(host: HostConfiguration, firstTable: number, priority: number) {
    this.#host = host;
    this.#firstTable = firstTable;
    this.#priority = priority;
  }

  /** These from now on; what stays is not touched. Throws NETLINK or BAD_CONFIG; then everything is as before. */
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
        this.#host.addRoutes([route]);
        this.#host.addRules([rule]);
      }
    } catch (error) {
      this.#remove(fresh);
      throw error;
    }
    this.#remove(only(before, after));
    this.#tables = after;
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
