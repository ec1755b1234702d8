/**
 * Routes (LMA) or rules (MAG) that follow the sessions: changes are gathered and handed to the kernel in one batch, so that thousands
 * of registrations a second cost a few system calls.
 */
import { type Prefix, parsePrefix, prefixCovers } from '../ip.ts';
import type { HostConfiguration } from '../net/host-configuration.ts';
import type { Rule } from '../net/netlink/rule.ts';

export type RoutingStyle =
  /** A route into the TUN for each prefix. */
  | { readonly style: 'routes'; readonly device: string }
  /** A rule for each prefix, by which packets from it look up the TUN's table. */
  | { readonly style: 'rules'; readonly table: number; readonly priority: number }
  /** Nothing for single sessions. */
  | { readonly style: 'none' };

export class SessionRoutes {
  readonly #host: HostConfiguration;
  readonly #style: RoutingStyle;
  /** Prefixes that are routed anyway, and whose parts need nothing of their own. */
  readonly #covered: readonly Prefix[];
  readonly #installed = new Map<string, readonly string[]>();
  readonly #wanted = new Map<string, readonly string[]>();

  constructor(host: HostConfiguration, style: RoutingStyle, covered: readonly string[]) {
    this.#host = host;
    this.#style = style;
    this.#covered = covered.map(parsePrefix);
  }

  /** The session has these prefixes from now on; none: it is gone. Done by the next flush(). */
  set(session: string, prefixes: readonly string[]): void {
    if (this.#style.style !== 'none') this.#wanted.set(session, prefixes);
  }

  /** Names of sessions that have routes or will have some. */
  names(): string[] {
    return [...new Set([...this.#installed.keys(), ...this.#wanted.keys()])];
  }

  /** Makes what was set. Throws ROUTE_IN_USE and NETLINK if something cannot be; the rest is made. */
  flush(): void {
    if (!this.#wanted.size) return;
    const gone: string[] = [];
    const fresh: string[] = [];
    for (const [session, prefixes] of this.#wanted) {
      const before = this.#installed.get(session) ?? [];
      const after = prefixes.filter((prefix) => !this.#isCovered(prefix));
      gone.push(...before.filter((prefix) => !after.includes(prefix)));
      fresh.push(...after.filter((prefix) => !before.includes(prefix)));
      if (after.length) this.#installed.set(session, after);
      else this.#installed.delete(session);
    }
    this.#wanted.clear();
    // A prefix may have moved from one session to another.
    const moved = new Set(fresh.filter((prefix) => gone.includes(prefix)));
    this.#change(
      gone.filter((prefix) => !moved.has(prefix)),
      fresh.filter((prefix) => !moved.has(prefix)),
    );
  }

  #change(gone: readonly string[], fresh: readonly string[]): void {
    const style = this.#style;
    if (style.style === 'routes') {
      const route = (prefix: string): { prefix: string; device: string } => ({
        prefix,
        device: style.device,
      });
      if (gone.length) this.#host.removeRoutes(gone.map(route));
      if (fresh.length) this.#host.claimRoutes(fresh.map(route));
    } else if (style.style === 'rules') {
      const rule = (from: string): Rule => ({
        from,
        family: from.includes(':') ? 6 : 4,
        table: style.table,
        // To the kernel, one from everywhere is like any other of its priority when it looks for one to delete, or like the new one.
        priority: style.priority + (from.endsWith('/0') ? 1 : 0),
      });
      if (gone.length) this.#host.removeRules(gone.map(rule));
      if (fresh.length) this.#host.addRules(fresh.map(rule));
    }
  }

  #isCovered(text: string): boolean {
    if (!this.#covered.length) return false;
    const prefix = parsePrefix(text);
    return this.#covered.some((cover) => prefixCovers(cover, prefix));
  }
}
