/** Ports of a real host: sockets opened by the control thread, inside a network namespace if one is named. */
import * as L from '../../assembly/layout.ts';
import type { DeviceHandle } from '../dataplane/device/device.ts';
import type { EndpointSpec, OpenXdp, PortProvider } from '../dataplane/endpoints.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { close, replaceDescriptor, sendTo } from '../net/libc.ts';
import { SystemCallError } from '../net/errno.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { openLinkSocket } from '../net/packet-socket.ts';
import { openPathSocket, refuseSharedPort, socketDrops, udpOffloads } from '../net/path-socket.ts';
import { PeerAssignment } from '../net/peer-assignment.ts';
import {
  type Listening,
  attachFilter,
  attachSelector,
  nobodyFilter,
  rawFilter,
  udpSelector,
} from '../net/socket-filter.ts';
import type { OffloadOptions } from './offload-options.ts';
import { XdpInterface } from './xdp-interface.ts';

const PROTOCOL_UDP = 17;

interface OpenEndpoint {
  readonly spec: EndpointSpec;
  /** By worker. */
  readonly fds: readonly number[];
  /** UDP: the socket that strangers are led to, and that drops and thereby counts them. */
  readonly strangers: number | null;
}

/** A local end of UDP paths. */
export type UdpEnd = Pick<EndpointSpec, 'local' | 'port' | 'interface'>;

function keyOf({ local, port, interface: device }: UdpEnd): string {
  return `${local} ${port} ${device ?? ''}`;
}

export class HostPorts implements PortProvider {
  readonly #namespace: string | null;
  readonly #offload: { readonly segment: boolean; readonly merge: boolean };
  /** Whether paths may go straight to their next hop. */
  readonly #links: boolean;
  readonly openXdp: OpenXdp | null;
  readonly #endpoints = new Set<OpenEndpoint>();
  #assignment: PeerAssignment | null = null;
  /** Local addresses whose filters are out of date. */
  readonly #stale = new Set<string>();
  /** Local addresses whose filters the kernel has no room for (net.core.optmem_max). */
  readonly #crowded = new Set<string>();
  /** One descriptor of each UDP endpoint, by local end. */
  readonly #udp = new Map<string, number>();
  /** Drops of all sockets, also of those that are closed. */
  #full = 0;
  #strange = 0;
  /** What the kernel's counter said last, by descriptor; it has 32 bits. */
  readonly #seen = new Map<number, number>();

  /** `offload`: whether UDP_SEGMENT and UDP_GRO may be used where the kernel has them and packet sockets. */
  constructor(namespace: string | null, offload: Omit<OffloadOptions, 'tun'>) {
    this.#namespace = namespace;
    this.#links = offload.link !== 'off';
    const { xdp } = offload;
    this.openXdp =
      xdp === 'off'
        ? null
        : (index, memory, records) => new XdpInterface(namespace, index, xdp, memory, records);
    const has = offload.segment || offload.merge ? udpOffloads() : offload;
    this.#offload = { segment: offload.segment && has.segment, merge: offload.merge && has.merge };
  }

  mode(endpoint: EndpointSpec): number {
    if (endpoint.protocol === PROTOCOL_UDP) return endpoint.family === 4 ? L.MODE_UDP4 : L.MODE_UDP6;
    return endpoint.family === 4 ? L.MODE_RAW4 : L.MODE_RAW6;
  }

  offload(endpoint: EndpointSpec): number {
    if (endpoint.protocol !== PROTOCOL_UDP) return 0;
    return (
      (this.#offload.segment ? L.ENDPOINT_OFFLOAD_SEGMENT : 0) |
      (this.#offload.merge ? L.ENDPOINT_OFFLOAD_MERGE : 0)
    );
  }

  open(endpoint: EndpointSpec, workers: number): DeviceHandle[] {
    this.#assignment ??= new PeerAssignment(workers);
    const opened = this.#open(endpoint, workers);
    this.#endpoints.add(opened);
    const { fds } = opened;
    if (endpoint.protocol === PROTOCOL_UDP) this.#udp.set(keyOf(endpoint), fds[0]!);
    return fds.map((fd) => ({ kind: 'socket', fd }));
  }

  #open(spec: EndpointSpec, workers: number): OpenEndpoint {
    const fds: number[] = [];
    let strangers: number | null = null;
    const { local, port } = spec;
    const isOurs = [...this.#endpoints].some(
      (other) => other.spec.local === local && other.spec.port === port,
    );
    try {
      withNamespace(this.#namespace, () => {
        if (spec.protocol === PROTOCOL_UDP && !isOurs) refuseSharedPort({ ...spec, merge: false });
        for (let worker = 0; worker < workers; worker++) {
          fds.push(openPathSocket({ ...spec, merge: this.#offload.merge }));
        }
        if (spec.protocol === PROTOCOL_UDP) {
          // Not merging, so that each packet counts.
          strangers = openPathSocket({ ...spec, merge: false });
          attachFilter(strangers, nobodyFilter());
        }
      });
      const opened = { spec, fds, strangers };
      this.#filter(opened);
      return opened;
    } catch (error) {
      for (const fd of strangers === null ? fds : [...fds, strangers]) close(fd);
      throw error;
    }
  }

  openLinks(workers: number): DeviceHandle[] | null {
    if (!this.#links) return null;
    const devices: DeviceHandle[] = [];
    try {
      withNamespace(this.#namespace, () => {
        for (let worker = 0; worker < workers; worker++) devices.push({ kind: 'link', fd: openLinkSocket() });
      });
      return devices;
    } catch (error) {
      this.close(devices);
      // Not allowed, or a kernel without packet sockets: paths have their own.
      if (error instanceof SystemCallError) return null;
      throw error;
    }
  }

  /** Filters follow before the control thread does anything else, all changes of one moment at once. */
  admit({ local }: EndpointSpec, remote: string): void {
    if (this.#assignment?.add(local, parseAddress(remote).bytes)) this.#renew(local);
  }

  dismiss({ local }: EndpointSpec, remote: string): void {
    if (this.#assignment?.remove(local, parseAddress(remote).bytes)) this.#renew(local);
  }

  close(devices: readonly DeviceHandle[]): void {
    for (const device of devices) if (device.kind === 'link') close(device.fd);
    const [first] = devices;
    for (const endpoint of this.#endpoints) {
      if (first?.kind !== 'socket' || endpoint.fds[0] !== first.fd) continue;
      this.#count(endpoint);
      this.#endpoints.delete(endpoint);
      for (const [key, fd] of this.#udp) if (fd === first.fd) this.#udp.delete(key);
      // From the last one back: the kernel fills the place of a socket that leaves its SO_REUSEPORT group with the group's last
      // (reuseport_detach_sock()). Sockets that were opened for the same end meanwhile so take the places that selectors know them by.
      const { fds, strangers } = endpoint;
      for (const fd of (strangers === null ? fds : [...fds, strangers]).toReversed()) {
        this.#seen.delete(fd);
        close(fd);
      }
    }
  }

  send(device: DeviceHandle, packet: Uint8Array, sockaddr: Uint8Array, length: number): void {
    if (device.kind === 'socket') sendTo(device.fd, packet, sockaddr, length, 'probe');
  }

  /**
   * Another device has the name of this interface now: new sockets take the places of those that are bound to the old one, as a name is only
   * looked at when binding (socket(7), SO_BINDTODEVICE), and UDP sockets that are bound anew leave their SO_REUSEPORT group. Workers have to be
   * woken then. False: not all could be opened yet (the address is missing, say).
   */
  rebind(device: string): boolean {
    let done = true;
    for (const endpoint of this.#endpoints) {
      if (endpoint.spec.interface !== device) continue;
      try {
        const fresh = this.#open(endpoint.spec, endpoint.fds.length);
        this.#count(endpoint);
        const [from, to] = [fresh, endpoint].map(({ fds, strangers }) =>
          strangers === null ? fds : [...fds, strangers],
        );
        from!.forEach((fd, i) => {
          replaceDescriptor(fd, to![i]!);
          this.#seen.delete(to![i]!);
        });
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        done = false;
      }
    }
    return done;
  }

  /** Sends a datagram from the local end of a path; nothing if no path uses it. Throws SystemCallError. */
  sendFrom(end: UdpEnd, data: Uint8Array, remote: string, remotePort: number): void {
    const fd = this.#udp.get(keyOf(end));
    if (fd === undefined) return;
    const { bytes, length } = encodeSockaddr(parseAddress(remote), remotePort);
    sendTo(fd, data, bytes, length, `${end.local} to ${remote}`);
  }

  #renew(local: string): void {
    if (!this.#stale.size) queueMicrotask(() => this.#refresh());
    this.#stale.add(local);
  }

  #refresh(): void {
    for (const endpoint of this.#endpoints) {
      if (this.#stale.has(endpoint.spec.local)) this.#filter(endpoint);
    }
    this.#stale.clear();
  }

  /**
   * Gives an endpoint its filters. No packet is lost or doubled by that: a peer that stays keeps its worker, one filter takes the place
   * of another at once, and the packets of a peer that is new or gone have no session.
   */
  #filter(endpoint: OpenEndpoint): void {
    const { local, family } = endpoint.spec;
    const listening = this.#assignment!.listening(local, family);
    if (!this.#crowded.has(local)) {
      try {
        attachFilters(endpoint, listening);
        return;
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        this.#crowded.add(local);
      }
    }
    attachFilters(endpoint, { ...listening, peers: [], open: true });
  }

  /** What the kernel dropped before a worker could see it, by reason (docs/drops.md); reasons that never occurred are left out. */
  drops(): Record<string, number> {
    for (const endpoint of this.#endpoints) this.#count(endpoint);
    return {
      ...(this.#strange && { 'peer-filter': this.#strange }),
      ...(this.#full && { 'receive-queue-full': this.#full }),
    };
  }

  #count({ fds, strangers }: OpenEndpoint): void {
    for (const fd of fds) this.#full += this.#dropsSince(fd);
    if (strangers !== null) this.#strange += this.#dropsSince(strangers);
  }

  #dropsSince(fd: number): number {
    const drops = socketDrops(fd);
    const fresh = (drops - (this.#seen.get(fd) ?? 0)) >>> 0;
    this.#seen.set(fd, drops);
    return fresh;
  }
}

function attachFilters({ spec, fds }: OpenEndpoint, listening: Listening): void {
  if (spec.protocol === PROTOCOL_UDP) attachSelector(fds[0]!, udpSelector(listening));
  else fds.forEach((fd, worker) => attachFilter(fd, rawFilter(worker, listening)));
}
