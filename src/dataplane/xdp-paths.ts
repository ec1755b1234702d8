/**
 * Paths whose packets go past the kernel's stack both ways: by AF_XDP sockets on the interface that leads to the next hop. Interfaces are
 * taken over with the first path and given back after the last one. Where that is not possible, paths go by packet sockets and receive
 * by raw ones.
 */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import type { EndpointRegistry, OpenXdp, XdpFlow, XdpPort } from './endpoints.ts';
import type { GracePeriods } from './grace.ts';
import type { InstalledPath } from './installed-session.ts';
import type { DataplaneMemory } from './memory.ts';
import type { NextHop } from './path-links.ts';
import type { XdpInterfaceStatus } from './status.ts';

/** An interface that was refused is asked for again so much later: the kernel takes a while to let go of a queue that was given back. */
const AGAIN_MS = 2000;

interface Taken {
  readonly port: XdpPort;
  /** Endpoint number that link records name. */
  readonly endpoint: number;
  readonly records: readonly number[];
  readonly flows: Map<string, KnownFlow>;
  uses: number;
}

interface KnownFlow {
  readonly flow: XdpFlow;
  /** Paths by endpoint: two local ends may differ in what is not in the packet. */
  readonly paths: Map<number, number>;
  /** What the program knows. */
  admitted: number | null;
}

/** A path's place on an interface. */
export interface XdpSeat {
  readonly endpoint: number;
  /** From now on its packets come by its own socket; those on their way in the interface's rings are still taken. */
  leave(): void;
}

export class XdpPaths {
  readonly #memory: DataplaneMemory;
  readonly #grace: GracePeriods;
  readonly #endpoints: EndpointRegistry;
  readonly #open: OpenXdp;
  readonly #taken = new Map<number, Taken>();
  readonly #refused = new Map<number, { readonly problem: string; readonly again: number }>();
  readonly #records: number[];
  /** Given back, but workers may still look at them. */
  readonly #leaving = new Set<XdpPort>();
  /** Of ports that are closed. */
  #droppedBefore = 0;
  /** Workers take turns in having an interface's first queue. */
  #turn = 0;

  constructor(memory: DataplaneMemory, grace: GracePeriods, endpoints: EndpointRegistry, open: OpenXdp) {
    this.#memory = memory;
    this.#grace = grace;
    this.#endpoints = endpoints;
    this.#open = open;
    const count = memory.sizes.xdpSockets ?? 0;
    this.#records = Array.from({ length: count }, (_, i) => memory.xdp + i * L.XDP_STRIDE);
  }

  /** Null: not on this interface, see status(). Throws TOO_MANY_ENDPOINTS. */
  join(path: InstalledPath, { index, mtu }: NextHop): XdpSeat | null {
    if (path.spec.local.includes(':')) return null;
    const largest = L.XDP_CHUNK - L.XDP_HEADROOM - L.ETHERNET_HEADER;
    if (mtu > largest) return this.#refuse(index, `an MTU of ${mtu}, at most ${largest} is possible`);
    const flows = this.#endpoints.wholeEnds(path.ends).map(({ protocol, number }) => ({
      remote: path.spec.remote,
      local: path.spec.local,
      protocol,
      number,
    }));
    const taken = this.#taken.get(index) ?? this.#take(index);
    if (!taken) return null;
    for (const record of taken.records) this.#memory.u32[(record + L.XDP_MTU) / 4] = mtu;
    taken.uses++;
    for (const { number, ...flow } of flows) this.#use(taken, flow, number, 1);
    return {
      endpoint: taken.endpoint,
      leave: () => {
        for (const { number, ...flow } of flows) this.#use(taken, flow, number, -1);
        if (--taken.uses === 0) this.#giveBack(index, taken);
      },
    };
  }

  /** Interfaces that are taken over, and those that could not be. */
  status(): XdpInterfaceStatus[] {
    return [
      ...[...this.#taken].map(([index, { port, uses }]) => ({
        index,
        ...{ name: port.name, queues: port.fds.length, paths: uses, problem: null },
      })),
      ...[...this.#refused].map(([index, { problem }]) => ({
        index,
        ...{ name: null, queues: 0, paths: 0, problem },
      })),
    ];
  }

  /** What found no room in the rings of interfaces that are taken over. */
  drops(): number {
    return [...this.#taken.values()].reduce((sum, { port }) => sum + port.drops(), this.#droppedBefore);
  }

  /** Closes everything; no worker may run any more. */
  closeAll(): void {
    for (const port of [...this.#leaving, ...[...this.#taken.values()].map(({ port }) => port)])
      this.#close(port);
    this.#taken.clear();
  }

  #take(index: number): Taken | null {
    const refused = this.#refused.get(index);
    if (refused && performance.now() < refused.again) return null;
    const wanted = this.#records.splice(0, this.#memory.sizes.workers);
    try {
      if (!wanted.length) throw new TunloomError('NO_XDP', 'no room for another AF_XDP socket');
      const port = this.#open(index, this.#memory, wanted);
      const { fds } = port;
      this.#records.push(...wanted.splice(fds.length));
      const first = this.#turn++;
      let endpoint: number;
      try {
        endpoint = this.#endpoints.addLinks((worker, link) => {
          const queue = (worker + first) % this.#memory.sizes.workers;
          return queue < fds.length ? { kind: 'xdp', fd: fds[queue]!, record: wanted[queue]! } : link;
        });
      } catch (error) {
        port.close();
        throw error;
      }
      const taken = { port, endpoint, records: wanted, flows: new Map(), uses: 0 };
      this.#taken.set(index, taken);
      this.#refused.delete(index);
      return taken;
    } catch (error) {
      if (!(error instanceof TunloomError)) throw error;
      this.#records.push(...wanted);
      return this.#refuse(index, error.message);
    }
  }

  #refuse(index: number, problem: string): null {
    this.#refused.set(index, { problem, again: performance.now() + AGAIN_MS });
    return null;
  }

  /** One path more or less between two addresses. What belongs to several local ends is left to the stack, which knows more of them. */
  #use({ port, flows }: Taken, flow: XdpFlow, endpoint: number, change: 1 | -1): void {
    const key = `${flow.remote} ${flow.local} ${flow.protocol}`;
    const known: KnownFlow = flows.get(key) ?? { flow, paths: new Map(), admitted: null };
    flows.set(key, known);
    const uses = (known.paths.get(endpoint) ?? 0) + change;
    if (uses) known.paths.set(endpoint, uses);
    else known.paths.delete(endpoint);
    const [only, ...others] = known.paths.keys();
    const wanted = only === undefined || others.length ? null : only;
    if (wanted !== known.admitted) {
      if (known.admitted !== null) port.dismiss(flow);
      known.admitted = wanted !== null && port.admit(flow, wanted) ? wanted : null;
    }
    if (!known.paths.size) flows.delete(key);
  }

  #giveBack(index: number, { port, endpoint, records }: Taken): void {
    this.#taken.delete(index);
    this.#leaving.add(port);
    const forget = this.#endpoints.removeLinks(endpoint);
    this.#grace.retire(() => {
      this.#close(port);
      forget();
      this.#records.push(...records);
    });
  }

  #close(port: XdpPort): void {
    this.#leaving.delete(port);
    this.#droppedBefore += port.drops();
    port.close();
  }
}
