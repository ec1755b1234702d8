/**
 * What the simulator knows of each inner packet, outside the octets that travel: a ring of records in typed arrays. The record's
 * number is the tag that the packet carries in its first payload octets, so the packet that comes out of the far end's WASM
 * is recognised by its own bytes.
 */
import { TunloomError } from '../errors.ts';

/** SACK blocks of an acknowledgement (first, after last), as many as fit beside timestamps (RFC 2018 §3). */
export const SACK_BLOCKS = 3;
/** Words of `options`: timestamp and echo (RFC 7323) in milliseconds, window in segments, blocks. */
export const STAMP = 0;
export const ECHO = 1;
export const WINDOW = 2;
export const SACKS = 3;
export const OPTION_WORDS = SACKS + 2 * SACK_BLOCKS;

/** A copy of it has come out of the path; and out of the resequencer. */
export const IN_TUNNEL = 0;
export const ARRIVED = 1;
export const DELIVERED = 2;

export class PacketStore {
  readonly #mask: number;
  readonly #tags: Int32Array;
  /** Number of the packet's stream in the simulation. */
  readonly streams: Int32Array;
  /** Packets that the stream has sent before. */
  readonly numbers: Int32Array;
  /** Inner octets. */
  readonly sizes: Int32Array;
  /** How far it has come: IN_TUNNEL, ARRIVED or DELIVERED. */
  readonly progress: Uint8Array;
  /** A data segment's number, an acknowledgement's cumulative one. */
  readonly segments: Int32Array;
  /** What else a TCP segment says, OPTION_WORDS each. */
  readonly options: Int32Array;
  #next = 1;

  /** `capacity` is a power of two above the number of packets that can be on their way at once. */
  constructor(capacity = 1 << 18) {
    this.#mask = capacity - 1;
    this.#tags = new Int32Array(capacity);
    this.streams = new Int32Array(capacity);
    this.numbers = new Int32Array(capacity);
    this.sizes = new Int32Array(capacity);
    this.progress = new Uint8Array(capacity);
    this.segments = new Int32Array(capacity);
    this.options = new Int32Array(capacity * OPTION_WORDS);
  }

  /** Gives the position of a new record. */
  add(stream: number, number: number, size: number): number {
    const tag = this.#next++ | 0;
    const at = tag & this.#mask;
    this.#tags[at] = tag;
    this.streams[at] = stream;
    this.numbers[at] = number;
    this.sizes[at] = size;
    this.progress[at] = IN_TUNNEL;
    return at;
  }

  tagAt(at: number): number {
    return this.#tags[at]!;
  }

  /** Position of the record in the arrays. Throws STORE_TOO_SMALL if it was overwritten. */
  find(tag: number): number {
    const at = tag & this.#mask;
    if (this.#tags[at] !== tag) {
      throw new TunloomError(
        'STORE_TOO_SMALL',
        `more than ${this.#tags.length} packets were sent while one was on its way: the simulator does not keep more`,
      );
    }
    return at;
  }
}
