/**
 * The control thread's side of the look-up tables: prefixes to sessions, peers by address, paths by
 * (local end, peer, key or session). See assembly/classify for the readers.
 */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import { parsePrefix } from '../ip.ts';
import type { GracePeriods } from './grace.ts';
import type { DataplaneMemory } from './memory.ts';
import { type TableForm, TableWriter } from './table-writer.ts';
import type { HotPath } from './wasm.ts';

/** What identifies the sender of an outer packet. */
export interface PeerAddress {
  /** 16 octets, IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** UDP source port, 0 where it does not identify. */
  readonly port: number;
}

const KEY = L.CONTROL + L.CONTROL_KEY;

export class LookupTables {
  readonly #memory: DataplaneMemory;
  readonly #make: (form: TableForm, reference: number) => TableWriter;
  readonly #prefixes = new Map<number, TableWriter>();
  readonly #peerTable: TableWriter;
  readonly #pathTable: TableWriter;
  readonly #peers = new Map<string, { number: number; uses: number }>();
  readonly #freePeers: number[] = [];

  constructor(memory: DataplaneMemory, wasm: HotPath, grace: GracePeriods) {
    this.#memory = memory;
    this.#make = (form, reference) => new TableWriter(memory, wasm, grace, form, reference);
    this.#peerTable = this.#make(L.TABLE_FORM16, L.CONTROL + L.CONTROL_PEER_TABLE);
    this.#pathTable = this.#make(L.TABLE_FORM8, L.CONTROL + L.CONTROL_PATH_TABLE);
  }

  /** Maps `prefix` (CIDR text) to session number `number`. Throws PREFIX_IN_USE if another session has it. */
  addPrefix(prefix: string, number: number): void {
    const { table, lengthBit } = this.#prefix(prefix);
    const owner = table.get();
    if (owner && owner !== number) {
      throw new TunloomError('PREFIX_IN_USE', `prefix ${prefix} belongs to another session already`);
    }
    table.set(number);
    this.#setLength(lengthBit, true);
  }

  /** A prefix that has a session goes over to another one. */
  movePrefix(prefix: string, number: number): void {
    this.#prefix(prefix).table.set(number);
  }

  removePrefix(prefix: string): void {
    const { table, lengthBit } = this.#prefix(prefix);
    table.delete();
    if (!table.size) this.#setLength(lengthBit, false);
  }

  /** Number of a peer, counting one more use of it. Throws OUT_OF_MEMORY. */
  acquirePeer(peer: PeerAddress): number {
    const name = peerName(peer);
    let entry = this.#peers.get(name);
    if (!entry) {
      entry = { number: this.#freePeers.at(-1) ?? this.#peers.size + 1, uses: 0 };
      this.#peerKey(peer);
      this.#peerTable.set(entry.number);
      this.#freePeers.pop();
      this.#peers.set(name, entry);
    }
    entry.uses++;
    return entry.number;
  }

  releasePeer(peer: PeerAddress): void {
    const name = peerName(peer);
    const entry = this.#peers.get(name);
    if (!entry || --entry.uses > 0) return;
    this.#peers.delete(name);
    this.#freePeers.push(entry.number);
    this.#peerKey(peer);
    this.#peerTable.delete();
  }

  /** Maps (local end, peer, selector) to path number `path`; the selector is a GRE key if `keyed`, else a session. Throws OUT_OF_MEMORY. */
  setPath(local: number, peer: number, keyed: boolean, selector: number, path: number): void {
    this.#pathKey(local, peer, keyed, selector);
    this.#pathTable.set(path + 1);
  }

  /** Path number, -1 if there is none. */
  getPath(local: number, peer: number, keyed: boolean, selector: number): number {
    this.#pathKey(local, peer, keyed, selector);
    return this.#pathTable.get() - 1;
  }

  removePath(local: number, peer: number, keyed: boolean, selector: number): void {
    this.#pathKey(local, peer, keyed, selector);
    this.#pathTable.delete();
  }

  /** Puts the key of a prefix into CONTROL_KEY and gives its table and its bit among the lengths in use. */
  #prefix(text: string): { table: TableWriter; lengthBit: number } {
    const { family, bytes, length } = parsePrefix(text);
    let form: TableForm = L.TABLE_FORM4;
    let reference = L.CONTROL + L.CONTROL_PREFIX_TABLES4 + length * 8;
    this.#memory.bytes.fill(0, KEY, KEY + 32);
    // Keys are in network order (assembly/classify/prefix-table.ts).
    this.#memory.bytes.set(bytes, KEY);
    if (family === 6) {
      form = length <= L.TABLE_FORM8_MAX_LENGTH ? L.TABLE_FORM8 : L.TABLE_FORM16;
      reference = L.CONTROL + L.CONTROL_PREFIX_TABLES6 + length * 8;
    }
    let table = this.#prefixes.get(reference);
    if (!table) {
      table = this.#make(form, reference);
      this.#prefixes.set(reference, table);
    }
    const lengths = L.CONTROL + (family === 4 ? L.CONTROL_LENGTHS4 : L.CONTROL_LENGTHS6);
    return { table, lengthBit: lengths * 8 + length };
  }

  #setLength(bit: number, on: boolean): void {
    const word = Math.floor(bit / 64);
    const mask = 1n << BigInt(bit % 64);
    if (on) Atomics.or(this.#memory.u64, word, mask);
    else Atomics.and(this.#memory.u64, word, BigInt.asUintN(64, ~mask));
  }

  #peerKey(peer: PeerAddress): void {
    const words = new DataView(peer.address.buffer, peer.address.byteOffset, 16);
    this.#memory.view.setBigUint64(KEY, words.getBigUint64(0), true);
    this.#memory.view.setBigUint64(KEY + 8, words.getBigUint64(8), true);
    this.#memory.view.setUint32(KEY + 16, peer.port, true);
  }

  #pathKey(local: number, peer: number, keyed: boolean, selector: number): void {
    this.#memory.view.setUint32(KEY, selector, true);
    this.#memory.view.setUint32(KEY + 4, ((peer << 9) | (keyed ? 256 : 0) | local) >>> 0, true);
  }
}

function peerName(peer: PeerAddress): string {
  return `${Array.from(peer.address, (octet) => octet.toString(16).padStart(2, '0')).join('')}|${peer.port}`;
}
