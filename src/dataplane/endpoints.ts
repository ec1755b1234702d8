/**
 * Local ends of paths. Paths whose packets come to the same sockets share an endpoint: one device a worker. IP-in-IP has two
 * (protocols 4 and 41) that share one local number. Counted by use.
 */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import type { DataplaneMemory } from './memory.ts';
import type { DeviceHandle } from './device/device.ts';
import { ENCAPSULATION_NUMBERS, addressKey } from './path-template.ts';
import type { Encapsulation, PathSpec } from './session-spec.ts';
import type { EndpointHandle } from './worker-task.ts';

/** What an endpoint is, for whoever opens its devices. */
export interface EndpointSpec {
  readonly family: 4 | 6;
  readonly local: string;
  readonly encapsulation: Encapsulation;
  /** Protocol or next header: 4, 41, 47, or 17 for UDP. */
  readonly protocol: number;
  /** UDP port, 0 without UDP. */
  readonly port: number;
  readonly interface?: string | undefined;
  readonly hopLimit: number;
  readonly dontFragment: boolean;
}

/** Opens the devices of endpoints and of the TUN: sockets on a host, rings in memory. */
export interface PortProvider {
  /** MODE_* of the endpoint's devices. */
  mode(endpoint: EndpointSpec): number;
  /** ENDPOINT_OFFLOAD_* of the endpoint's devices. */
  offload(endpoint: EndpointSpec): number;
  /** One device for each worker. Throws if the system refuses. */
  open(endpoint: EndpointSpec, workers: number): DeviceHandle[];
  close(devices: readonly DeviceHandle[]): void;
  /** Sockets for paths that go straight to their next hop, one for each worker; null: paths keep to their own. */
  openLinks?(workers: number): DeviceHandle[] | null;
  /** Takes over an interface for paths that go straight to their next hop; null: paths keep to packet and raw sockets. */
  readonly openXdp?: OpenXdp | null;
  /** Sends one packet, as the endpoint's mode wants it, to a struct sockaddr. Ports without it have no probes. Throws SystemCallError. */
  send?(device: DeviceHandle, packet: Uint8Array, sockaddr: Uint8Array, length: number): void;
  /**
   * A path from `remote` comes to the endpoint's local address, or is gone again: what comes from nobody's path may be dropped
   * before it costs anything. Each admit() has its dismiss().
   */
  admit?(endpoint: EndpointSpec, remote: string): void;
  dismiss?(endpoint: EndpointSpec, remote: string): void;
  /** What was dropped before it reached a worker, by reason (docs/drops.md). */
  drops?(): Readonly<Record<string, number>>;
}

/** Packets that an interface receives for a path. */
export interface XdpFlow {
  readonly remote: string;
  readonly local: string;
  readonly protocol: number;
}

/** An interface taken over by AF_XDP (src/node/xdp-interface.ts). */
export interface XdpPort {
  readonly name: string;
  /** A socket for each of its first receive queues. */
  readonly fds: readonly number[];
  /** What comes of this flow belongs to an endpoint from now on; false: there is no room. */
  admit(flow: XdpFlow, endpoint: number): boolean;
  dismiss(flow: XdpFlow): void;
  drops(): number;
  close(): void;
}

/** Takes over an interface with as many of the records as it has queues. Throws TunloomError. */
export type OpenXdp = (index: number, memory: DataplaneMemory, records: readonly number[]) => XdpPort;

interface Endpoint {
  readonly index: number;
  readonly key: string;
  readonly spec: EndpointSpec;
  readonly devices: readonly DeviceHandle[];
  /** Number of a record for its packets with all headers, as AF_XDP gives them; null: not needed yet. */
  whole: number | null;
}

interface Local {
  readonly number: number;
  readonly endpoints: readonly Endpoint[];
  uses: number;
}

/** What a path gets: the endpoint it sends on and the number that its path key carries. */
export interface PathEnds {
  readonly key: string;
  readonly local: number;
  readonly endpoint: number;
}

const PROTOCOL_IPV4 = 4;
const PROTOCOL_IPV6 = 41;
const PROTOCOL_UDP = 17;
const PROTOCOL_GRE = 47;

export class EndpointRegistry {
  readonly #memory: DataplaneMemory;
  readonly #ports: PortProvider;
  readonly #announce: (handles: readonly EndpointHandle[], worker: number) => void;
  readonly #locals = new Map<string, Local>();
  readonly #used = new Set<number>();
  readonly #usedLocals = new Set<number>();
  /** Packet sockets, open from the start, so that every worker has them before a path uses them. */
  readonly #links: readonly DeviceHandle[] | null;
  /** Endpoints that only link records name: that of the packet sockets, and one for each interface that is taken over. */
  readonly #linkEndpoints = new Map<number, readonly DeviceHandle[]>();
  /** Number of the endpoint that link records name (path-links.ts) where nothing else is said, null without. */
  readonly links: number | null;

  /** `announce` tells a worker of endpoints that came or went. */
  constructor(
    memory: DataplaneMemory,
    ports: PortProvider,
    announce: (handles: readonly EndpointHandle[], worker: number) => void,
  ) {
    this.#memory = memory;
    this.#ports = ports;
    this.#announce = announce;
    this.#links = ports.openLinks?.(memory.sizes.workers) ?? null;
    this.links = this.#links && this.#addLinks(this.#links);
  }

  /** Takes over interfaces, null where that is not wanted. */
  get openXdp(): OpenXdp | null {
    return this.#ports.openXdp ?? null;
  }

  /** Another endpoint for link records: `deviceOf` gives each worker's device, which may be its packet socket. Throws TOO_MANY_ENDPOINTS. */
  addLinks(deviceOf: (worker: number, link: DeviceHandle) => DeviceHandle): number {
    const devices = this.#links!.map((link, worker) => deviceOf(worker, link));
    const number = this.#addLinks(devices);
    devices.forEach((device, worker) => this.#announce([{ index: number, device }], worker));
    return number;
  }

  #addLinks(devices: readonly DeviceHandle[]): number {
    const number = takeNumber(this.#used, L.MAX_ENDPOINTS, 'endpoints');
    const at = (this.#memory.endpoints + number * L.ENDPOINT_STRIDE) / 4;
    this.#memory.u32.fill(0, at, at + L.ENDPOINT_STRIDE / 4);
    this.#memory.u32[at + L.ENDPOINT_MODE / 4] = L.MODE_LINK;
    this.#linkEndpoints.set(number, devices);
    return number;
  }

  /** Workers are told to let go of what addLinks() gave; the returned function is to be called when they have. */
  removeLinks(number: number): () => void {
    const devices = this.#linkEndpoints.get(number) ?? [];
    this.#linkEndpoints.delete(number);
    devices.forEach((_, worker) => this.#announce([{ index: number, device: null }], worker));
    return () => this.#used.delete(number);
  }

  /** Endpoint numbers under which a path's packets are taken with all their headers, by protocol. Throws TOO_MANY_ENDPOINTS. */
  wholeEnds(ends: PathEnds): { protocol: number; number: number }[] {
    return (this.#locals.get(ends.key)?.endpoints ?? []).map((endpoint) => {
      endpoint.whole ??= this.#writeWhole(endpoint.index);
      return { protocol: endpoint.spec.protocol, number: endpoint.whole };
    });
  }

  #writeWhole(index: number): number {
    const number = takeNumber(this.#used, L.MAX_ENDPOINTS, 'endpoints');
    const [from, to] = [index, number].map((each) => this.#memory.endpoints + each * L.ENDPOINT_STRIDE);
    this.#memory.bytes.copyWithin(to!, from!, from! + L.ENDPOINT_STRIDE);
    this.#memory.u32[(to! + L.ENDPOINT_MODE) / 4] = L.MODE_WHOLE;
    return number;
  }

  /** The handles that worker `worker` needs now. */
  handles(worker: number): EndpointHandle[] {
    const endpoints = [...this.#locals.values()].flatMap(({ endpoints }) => endpoints);
    const links = [...this.#linkEndpoints].map(([index, devices]) => ({ index, devices }));
    return [...endpoints, ...links].map(({ index, devices }) => ({ index, device: devices[worker]! }));
  }

  /** UDP endpoints, and how many of them use UDP_SEGMENT and UDP_GRO now. */
  offloads(): { udp: number; segment: number; merge: number } {
    const counts = { udp: 0, segment: 0, merge: 0 };
    for (const local of this.#locals.values()) {
      for (const { index } of local.endpoints) {
        const at = (this.#memory.endpoints + index * L.ENDPOINT_STRIDE) / 4;
        if (this.#memory.u32[at + L.ENDPOINT_PROTOCOL / 4] !== PROTOCOL_UDP) continue;
        const flags = Atomics.load(this.#memory.u32, at + L.ENDPOINT_OFFLOAD / 4);
        counts.udp++;
        if (flags & L.ENDPOINT_OFFLOAD_SEGMENT) counts.segment++;
        if (flags & L.ENDPOINT_OFFLOAD_MERGE) counts.merge++;
      }
    }
    return counts;
  }

  /** Takes the endpoints for a path, opening them if they are new. */
  acquire(path: PathSpec): PathEnds {
    const key = endKey(path);
    let local = this.#locals.get(key);
    if (!local) {
      local = this.#create(key, path);
      this.#locals.set(key, local);
      for (let worker = 0; worker < this.#memory.sizes.workers; worker++) {
        this.#announce(
          local.endpoints.map((endpoint) => ({ index: endpoint.index, device: endpoint.devices[worker]! })),
          worker,
        );
      }
    }
    local.uses++;
    this.#ports.admit?.(local.endpoints[0]!.spec, path.remote);
    return { key, local: local.number, endpoint: local.endpoints[0]!.index };
  }

  /**
   * Gives the endpoints of a path back. If nobody else uses them, workers are told to let them go; the returned
   * function does the rest (closes the devices) and is to be called when they have.
   */
  release(ends: PathEnds, remote: string): () => void {
    const local = this.#locals.get(ends.key);
    if (!local) return () => {};
    const dismiss = (): void => this.#ports.dismiss?.(local.endpoints[0]!.spec, remote);
    if (--local.uses > 0) return dismiss;
    this.#locals.delete(ends.key);
    for (let worker = 0; worker < this.#memory.sizes.workers; worker++) {
      this.#announce(
        local.endpoints.map((endpoint) => ({ index: endpoint.index, device: null })),
        worker,
      );
    }
    return () => {
      dismiss();
      for (const endpoint of local.endpoints) {
        this.#ports.close(endpoint.devices);
        this.#used.delete(endpoint.index);
        if (endpoint.whole !== null) this.#used.delete(endpoint.whole);
      }
      this.#usedLocals.delete(local.number);
    };
  }

  /** Whether the control thread can send on endpoints. */
  get canSend(): boolean {
    return this.#ports.send !== undefined;
  }

  /** MODE_* of a path's endpoint. */
  mode(ends: PathEnds): number {
    return this.#memory.u32[
      (this.#memory.endpoints + ends.endpoint * L.ENDPOINT_STRIDE + L.ENDPOINT_MODE) / 4
    ]!;
  }

  /** Sends a packet of the control thread by a path's endpoint. Throws SystemCallError. */
  send(ends: PathEnds, packet: Uint8Array, sockaddr: Uint8Array, length: number): void {
    const device = this.#locals.get(ends.key)?.endpoints[0]?.devices[0];
    if (device) this.#ports.send?.(device, packet, sockaddr, length);
  }

  /** Closes everything; no worker may run any more. */
  closeAll(): void {
    for (const local of this.#locals.values()) {
      for (const endpoint of local.endpoints) this.#ports.close(endpoint.devices);
    }
    this.#locals.clear();
    if (this.#links) this.#ports.close(this.#links);
  }

  #create(key: string, path: PathSpec): Local {
    const address = addressKey(path.local);
    const family = path.local.includes(':') ? 6 : 4;
    const usesUdp = path.encapsulation.includes('udp');
    const protocols =
      path.encapsulation === 'ipip'
        ? [PROTOCOL_IPV4, PROTOCOL_IPV6]
        : [usesUdp ? PROTOCOL_UDP : PROTOCOL_GRE];
    const number = takeNumber(this.#usedLocals, 256, `local ends of paths (${key})`);
    const endpoints: Endpoint[] = [];
    try {
      for (const protocol of protocols) {
        const spec: EndpointSpec = {
          family,
          local: path.local,
          encapsulation: path.encapsulation,
          protocol,
          port: usesUdp ? path.localPort : 0,
          interface: path.interface,
          hopLimit: path.hopLimit,
          dontFragment: path.dontFragment !== 'clear',
        };
        const index = takeNumber(this.#used, L.MAX_ENDPOINTS, `endpoints (${key})`);
        try {
          const devices = this.#ports.open(spec, this.#memory.sizes.workers);
          endpoints.push({ index, key, spec, devices, whole: null });
        } catch (error) {
          this.#used.delete(index);
          throw error;
        }
        const at = this.#memory.endpoints + index * L.ENDPOINT_STRIDE;
        this.#memory.bytes.fill(0, at, at + L.ENDPOINT_STRIDE);
        const words = this.#memory.u32;
        words[(at + L.ENDPOINT_MODE) / 4] = this.#ports.mode(spec);
        words[(at + L.ENDPOINT_PROTOCOL) / 4] = protocol;
        words[(at + L.ENDPOINT_LOCAL) / 4] = number;
        words[(at + L.ENDPOINT_PORT) / 4] = spec.port;
        words[(at + L.ENDPOINT_ENCAPSULATION) / 4] = ENCAPSULATION_NUMBERS[path.encapsulation];
        words[(at + L.ENDPOINT_OFFLOAD) / 4] = this.#ports.offload(spec);
        this.#memory.bytes.set(address, at + L.ENDPOINT_ADDRESS);
      }
    } catch (error) {
      for (const endpoint of endpoints) {
        this.#ports.close(endpoint.devices);
        this.#used.delete(endpoint.index);
      }
      this.#usedLocals.delete(number);
      throw error;
    }
    return { number, endpoints, uses: 0 };
  }
}

/**
 * What paths of one endpoint have in common. The kernel gives a UDP packet to one socket of those that are bound to its port, whatever is in it:
 * `udp` and `udp-gre` are told apart by the packet itself. Only UDP sockets have a hop limit and a DF bit of their own.
 */
function endKey({ local, encapsulation, localPort, interface: device = '', ...path }: PathSpec): string {
  if (!encapsulation.includes('udp')) return [local, device, encapsulation].join('|');
  const form = encapsulation === 'gre-in-udp' ? 'gre' : 'tlv';
  return [local, device, localPort, form, path.hopLimit, path.dontFragment !== 'clear'].join('|');
}

function takeNumber(used: Set<number>, limit: number, what: string): number {
  for (let number = 0; number < limit; number++) {
    if (!used.has(number)) {
      used.add(number);
      return number;
    }
  }
  throw new TunloomError('TOO_MANY_ENDPOINTS', `more than ${limit} ${what}`);
}
