/**
 * Lets paths without UDP go straight to their next hop (src/dataplane/path-links.ts) wherever the kernel's IP output would do nothing
 * but put an Ethernet header in front, and takes that back as soon as it would do more: a neighbour that is not known, another route,
 * packet filters, IPsec. Looks again when the kernel says that links, neighbours, routes or rules changed, and every second.
 */
import { type LinkedEnds, type NextHop, mayGoByLink } from '../dataplane/path-links.ts';
import type { PathSpec } from '../dataplane/session-spec.ts';
import { TunloomError } from '../errors.ts';
import { close, receive } from '../net/libc.ts';
import { Netlink, openNetlink } from '../net/netlink.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { resolveNextHop } from '../net/next-hop.ts';
import { outputIsTreated } from '../net/output-treatment.ts';
import type { Readiness } from '../net/readiness.ts';

// RTMGRP_LINK, RTMGRP_NEIGH, RTMGRP_IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and _IPV6_RULE by its number (19).
const GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | (1 << 18);
const ROUND_MS = 1000;
/** Changes come in swarms. */
const PAUSE_MS = 20;
/** Pairs of addresses that a round asks about; of the rest, paths keep to their sockets. */
const PAIRS = 256;

export interface LinkMonitorOptions {
  readonly namespace: string | null;
  /** `on`: also past packet filters and IPsec. */
  readonly mode: 'auto' | 'on';
  readonly readiness: Readiness;
  /** Of all sessions. */
  readonly paths: () => readonly PathSpec[];
  /** Null: the path's own socket. */
  readonly setNextHops: (hopOf: (path: PathSpec) => NextHop | null) => void;
}

export class LinkMonitor {
  readonly #options: LinkMonitorOptions;
  readonly #netlink: Netlink;
  readonly #events: number;
  readonly #unwatch: () => void;
  readonly #timer: NodeJS.Timeout;
  #soon: NodeJS.Timeout | null = null;
  #linked = false;

  constructor(options: LinkMonitorOptions) {
    this.#options = options;
    this.#netlink = new Netlink(options.namespace);
    this.#events = withNamespace(options.namespace, () => openNetlink(GROUPS));
    this.#unwatch = options.readiness.watch(this.#events, () => this.#changed());
    this.#timer = setInterval(() => this.round(), ROUND_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#soon) clearTimeout(this.#soon);
    this.#unwatch();
    close(this.#events);
    this.#netlink.close();
  }

  /** Brings all paths in line with what the kernel would do now. */
  round(): void {
    const paths = this.#options.paths().filter(mayGoByLink);
    if (!paths.length && !this.#linked) return;
    let hops = new Map<string, NextHop>();
    try {
      hops = this.#resolve(paths);
      this.#options.setNextHops((path) => hops.get(keyOf(path)) ?? null);
    } catch (error) {
      // The kernel does not tell, or there is no memory for link records: paths have their own sockets.
      if (!(error instanceof TunloomError)) throw error;
      hops.clear();
      this.#options.setNextHops(() => null);
    }
    this.#linked = hops.size > 0;
  }

  #resolve(paths: readonly PathSpec[]): Map<string, NextHop> {
    const hops = new Map<string, NextHop>();
    const { namespace, mode } = this.#options;
    if (mode === 'auto' && outputIsTreated(namespace)) return hops;
    const pairs = new Map(paths.map((path) => [keyOf(path), path]));
    const links = this.#netlink.links();
    for (const [key, pair] of [...pairs].slice(0, PAIRS)) {
      const hop = resolveNextHop(this.#netlink, links, pair);
      if (hop) hops.set(key, hop);
    }
    return hops;
  }

  #changed(): void {
    const scratch = new Uint8Array(1 << 16);
    // What changed does not matter; an overflow (ENOBUFS) only says: a lot.
    for (let left = 64; left > 0 && receive(this.#events, scratch) > 0;) left--;
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.round();
    }, PAUSE_MS);
  }
}

function keyOf({ local, remote, interface: device }: LinkedEnds): string {
  return `${local} ${remote} ${device ?? ''}`;
}
