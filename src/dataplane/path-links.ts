/**
 * Paths whose packets go straight to their next hop's link-layer address, past the kernel's IP output: by packet(7) sockets instead of
 * the path's own raw(7) socket. src/node/link-monitor.ts says when, and to whom.
 */
import * as L from '../../assembly/layout.ts';
import type { GracePeriods } from './grace.ts';
import type { DataplaneMemory } from './memory.ts';
import type { InstalledPath } from './installed-session.ts';
import type { PathSpec } from './session-spec.ts';
import type { XdpPaths, XdpSeat } from './xdp-paths.ts';

/** Where on a link the packets of a path go. */
export interface NextHop {
  /** Number and MTU of the interface. */
  readonly index: number;
  readonly mtu: number;
  /** Link-layer address: six octets. */
  readonly address: Uint8Array;
}

/** What decides about a next hop. */
export type LinkedEnds = Pick<PathSpec, 'local' | 'remote' | 'interface'>;

/** Only whole packets can, and only those that the kernel would never cut. */
export function mayGoByLink(path: PathSpec): boolean {
  return !path.encapsulation.includes('udp') && (path.local.includes(':') || path.dontFragment === 'set');
}

const AF_PACKET = 17;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;

interface LinkRecord {
  readonly hop: NextHop;
  readonly address: number;
  /** Null: by packet sockets. */
  readonly seat: XdpSeat | null;
}

export class PathLinks {
  readonly #memory: DataplaneMemory;
  readonly #grace: GracePeriods;
  /** The endpoint of packet sockets; null: there is none, and paths keep to their own sockets. */
  readonly #endpoint: number | null;
  /** Link records in use, by number of the path record. */
  readonly #records = new Map<number, LinkRecord>();
  /** Interfaces that may be taken over, null where none may. */
  readonly #xdp: XdpPaths | null;

  constructor(
    memory: DataplaneMemory,
    grace: GracePeriods,
    endpoint: number | null,
    xdp: XdpPaths | null = null,
  ) {
    this.#memory = memory;
    this.#grace = grace;
    this.#endpoint = endpoint;
    this.#xdp = xdp;
  }

  /** Of `paths`, those without UDP, and how many of them go straight to their next hop. */
  count(paths: readonly InstalledPath[]): { raw: number; link: number } {
    const raw = paths.filter(({ spec }) => !spec.encapsulation.includes('udp'));
    return { raw: raw.length, link: raw.filter(({ number }) => this.#records.has(number)).length };
  }

  /** From the workers' next batches on; null: by the path's own socket. Throws OUT_OF_MEMORY. */
  set(path: InstalledPath, hop: NextHop | null): void {
    if (this.#endpoint === null) return;
    const { number, spec } = path;
    const before = this.#records.get(number);
    const stays = hop ? before !== undefined && isSame(before.hop, hop) : !before;
    if (stays && (!hop || !this.#xdp || before?.seat)) return;
    const seat = hop && this.#xdp ? this.#xdp.join(path, hop) : null;
    if (stays && !seat) return;
    let address = 0;
    try {
      if (hop) {
        const family = spec.local.includes(':') ? 6 : 4;
        address = this.#write(seat?.endpoint ?? this.#endpoint, family, hop);
      }
    } catch (error) {
      seat?.leave();
      throw error;
    }
    Atomics.store(this.#memory.u32, (this.#memory.path(number) + L.PATH_LINK_CELL) / 4, address);
    if (hop) this.#records.set(number, { hop, address, seat });
    else this.#records.delete(number);
    if (!before) return;
    before.seat?.leave();
    this.#grace.retire(() => this.#memory.heap.release(before.address, L.LINK_SIZE));
  }

  /** The path has gone, and no worker uses its record any more. */
  forget(path: number): void {
    const before = this.#records.get(path);
    if (!before) return;
    this.#records.delete(path);
    before.seat?.leave();
    this.#memory.heap.release(before.address, L.LINK_SIZE);
  }

  #write(endpoint: number, family: 4 | 6, { index, address: lladdr }: NextHop): number {
    const address = this.#memory.heap.allocate(L.LINK_SIZE);
    this.#memory.u32[(address + L.LINK_ENDPOINT) / 4] = endpoint;
    // struct sockaddr_ll: family 2, protocol 2, index 4, hardware 2, packet type 1, address length 1, address 8.
    const view = new DataView(this.#memory.bytes.buffer, address + L.LINK_SOCKADDR, L.LINK_SOCKADDR_LENGTH);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, family === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
    view.setInt32(4, index, true);
    view.setUint8(11, lladdr.length);
    this.#memory.bytes.set(lladdr, address + L.LINK_SOCKADDR + 12);
    return address;
  }
}

function isSame(a: NextHop, b: NextHop): boolean {
  return a.index === b.index && a.mtu === b.mtu && a.address.every((octet, i) => octet === b.address[i]);
}
