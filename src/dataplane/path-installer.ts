/**
 * Path records: takes a free one, opens its endpoint, writes it, and publishes it in the look-up tables; and all of that back. The session
 * store says when.
 */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import { type PathCounters, clearPathCounters, readPathCounters } from './counters.ts';
import type { EndpointRegistry, PathEnds } from './endpoints.ts';
import type { GracePeriods } from './grace.ts';
import type { InstalledPath } from './installed-session.ts';
import type { LookupTables } from './lookup-tables.ts';
import type { DataplaneMemory } from './memory.ts';
import { PathLinks } from './path-links.ts';
import { addressKey, isKeyed } from './path-template.ts';
import { writePath } from './session-record.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';
import { XdpPaths } from './xdp-paths.ts';

/** A path that joins a busy session is not taken for silent for so long: the far end may have yet to hear that it can be used. */
const JOINING_US = 1_000_000n;

export class PathInstaller {
  readonly links: PathLinks;
  /** Null where no interface may be taken over. */
  readonly xdp: XdpPaths | null;
  readonly #memory: DataplaneMemory;
  readonly #grace: GracePeriods;
  readonly #endpoints: EndpointRegistry;
  readonly #tables: LookupTables;
  /** By number of the path record. */
  readonly #owners = new Map<number, { readonly session: string; readonly bid: number }>();
  readonly #freePaths: number[] = [];
  #nextPath = 0;

  constructor(
    memory: DataplaneMemory,
    grace: GracePeriods,
    endpoints: EndpointRegistry,
    tables: LookupTables,
  ) {
    this.#memory = memory;
    this.#grace = grace;
    this.#endpoints = endpoints;
    this.#tables = tables;
    const { links, openXdp } = endpoints;
    this.xdp = links !== null && openXdp ? new XdpPaths(memory, grace, endpoints, openXdp) : null;
    this.links = new PathLinks(memory, grace, links, this.xdp);
  }

  /** Whose the record is, or was last; null if it never was anybody's. */
  owner(number: number): { readonly session: string; readonly bid: number } | null {
    return this.#owners.get(number) ?? null;
  }

  /** Of this record and of those that the path had before. */
  counters(path: InstalledPath): PathCounters {
    const now = readPathCounters(this.#memory, path.number);
    return {
      txPackets: path.before.txPackets + now.txPackets,
      txBytes: path.before.txBytes + now.txBytes,
      rxPackets: path.before.rxPackets + now.rxPackets,
      rxBytes: path.before.rxBytes + now.rxBytes,
    };
  }

  /**
   * Opens, writes and publishes a path of session record `index`; `mayTake`: whether the key may be taken over from record `owner`.
   * Throws TOO_MANY_PATHS, KEY_IN_USE, OUT_OF_MEMORY, or what opening sockets throws.
   */
  install(
    index: number,
    session: SessionSpec,
    path: PathSpec,
    before: PathCounters,
    mayTake: (owner: number) => boolean,
  ): InstalledPath {
    const number = this.#freePaths.pop() ?? this.#nextPath++;
    if (number >= this.#memory.sizes.paths) {
      this.#nextPath--;
      throw new TunloomError('TOO_MANY_PATHS', `no room for a path of "${session.name}"; raise memory.paths`);
    }
    const keyed = isKeyed(path);
    const byPort = path.encapsulation === 'udp' || path.encapsulation === 'udp-gre';
    const selector = keyed ? (session.receiveKey ?? 0) : index + 1;
    const peer = { address: addressKey(path.remote), port: byPort ? path.remotePort : 0 };
    let ends: PathEnds;
    try {
      ends = this.#endpoints.acquire(path);
    } catch (error) {
      this.#freePaths.push(number);
      throw error;
    }
    let peerNumber: number;
    try {
      peerNumber = this.#tables.acquirePeer(peer);
    } catch (error) {
      this.#giveBack(number, ends, path.remote);
      throw error;
    }
    const installed = {
      spec: path,
      number,
      ends,
      peer,
      peerNumber,
      keyed,
      selector,
      before,
      word: 'up' as const,
      measured: 'up' as const,
      state: 'up' as const,
      divisor: 1,
    };
    const owner = this.#tables.getPath(ends.local, peerNumber, keyed, selector);
    if (owner >= 0 && !mayTake(owner)) {
      this.retire(installed, [{ ...installed, number: owner }]);
      throw new TunloomError(
        'KEY_IN_USE',
        `session "${session.name}", BID ${path.bid}: packets from ${path.remote} to ${path.local} ` +
          `${keyed ? `with key ${selector} ` : ''}belong to another path already`,
      );
    }
    this.#owners.set(number, { session: session.name, bid: path.bid });
    clearPathCounters(this.#memory, number);
    writePath(this.#memory, number, index, path, session.sendKey, ends);
    const clock = this.#memory.u64[(this.#memory.session(index) + L.SESSION_CLOCK) / 8]!;
    if (clock) this.#memory.u64[(this.#memory.path(number) + L.PATH_RX_CLOCK) / 8] = clock + JOINING_US;
    try {
      this.#tables.setPath(ends.local, peerNumber, keyed, selector, number);
    } catch (error) {
      this.retire(installed);
      throw error;
    }
    return installed;
  }

  /** Whether what comes for the path's key is still taken for its; another path may have taken the key over. */
  receives({ ends, peerNumber, keyed, selector, number }: InstalledPath): boolean {
    return this.#tables.getPath(ends.local, peerNumber, keyed, selector) === number;
  }

  /** Unpublishes a path and frees it a grace period later; `successors` may have taken its key over. */
  retire(path: InstalledPath, successors: readonly InstalledPath[] = []): void {
    if (this.receives(path)) {
      const previous = successors.find(
        (other) =>
          other.number !== path.number &&
          other.ends.local === path.ends.local &&
          other.peerNumber === path.peerNumber &&
          other.keyed === path.keyed &&
          other.selector === path.selector,
      );
      if (previous) {
        this.#tables.setPath(path.ends.local, path.peerNumber, path.keyed, path.selector, previous.number);
      } else {
        this.#tables.removePath(path.ends.local, path.peerNumber, path.keyed, path.selector);
      }
    }
    this.#tables.releasePeer(path.peer);
    this.#giveBack(path.number, path.ends, path.spec.remote);
  }

  /** Frees a record and its endpoints a grace period later. */
  #giveBack(number: number, ends: PathEnds, remote: string): void {
    const close = this.#endpoints.release(ends, remote);
    this.#grace.retire(() => {
      close();
      this.links.forget(number);
      this.#freePaths.push(number);
    });
  }
}
