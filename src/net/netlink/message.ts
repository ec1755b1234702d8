/**
 * The octets of rtnetlink(7): message headers and attributes, written and read. Numbers are in the machine's byte order, which
 * is little-endian on every machine that we have binaries for. Codecs of links, addresses, routes and rules build on it.
 */
import { TunloomError } from '../../errors.ts';

/** struct nlmsghdr: length 4, type 2, flags 2, sequence 4, port 4. */
export const HEADER_SIZE = 16;
const ATTRIBUTE_HEADER = 4;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

/** nlmsg_type of the protocol itself (netlink(7)). */
export const ControlType = { ERROR: 2, DONE: 3 } as const;

/** nlmsg_flags (netlink(7)). */
export const Flag = {
  REQUEST: 0x1,
  ACK: 0x4,
  /** A dump that a change ran into; to be repeated. */
  DUMP_INTERRUPTED: 0x10,
  /** Only new ones. */
  EXCLUSIVE: 0x200,
  REPLACE: 0x100,
  CREATE: 0x400,
  DUMP: 0x300,
  /** In answers: extended acknowledgement follows. */
  ACK_ATTRIBUTES: 0x200,
  /** In answers: the request is not repeated in full. */
  CAPPED: 0x100,
} as const;

/** A request without its header. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  /** The family's fixed header and its attributes. */
  readonly body: Uint8Array;
}

/** A received message. */
export interface Received {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** Grows as it is written. */
export class BodyWriter {
  #bytes = new Uint8Array(128);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8(value: number): this {
    this.#bytes[this.#reserve(1)] = value;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#reserve(2), value, true);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#reserve(4), value, true);
    return this;
  }

  /** An attribute whose value is an octet, a 32-bit number, octets, or what `value` writes (nested attributes). */
  attribute8(type: number, value: number): this {
    return this.attribute(type, Uint8Array.of(value));
  }

  attribute32(type: number, value: number): this {
    return this.attribute(type, new Uint8Array(Uint32Array.of(value).buffer));
  }

  attribute(type: number, value: Uint8Array): this {
    const padded = align(ATTRIBUTE_HEADER + value.length);
    const at = this.#reserve(padded);
    this.#view.setUint16(at, ATTRIBUTE_HEADER + value.length, true);
    this.#view.setUint16(at + 2, type, true);
    this.#bytes.set(value, at + ATTRIBUTE_HEADER);
    return this;
  }

  attributeText(type: number, text: string): this {
    return this.attribute(type, new TextEncoder().encode(`${text}\0`));
  }

  nested(type: number, write: (writer: BodyWriter) => void): this {
    const inner = new BodyWriter();
    write(inner);
    return this.attribute(type | NESTED, inner.finish());
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Puts requests behind each other; the first has sequence number `sequence`. */
export function joinRequests(requests: readonly Request[], sequence: number): Uint8Array {
  const size = requests.reduce((sum, { body }) => sum + align(HEADER_SIZE + body.length), 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  requests.forEach(({ type, flags, body }, index) => {
    view.setUint32(at, HEADER_SIZE + body.length, true);
    view.setUint16(at + 4, type, true);
    view.setUint16(at + 6, flags | Flag.REQUEST, true);
    view.setUint32(at + 8, sequence + index, true);
    bytes.set(body, at + HEADER_SIZE);
    at += align(HEADER_SIZE + body.length);
  });
  return bytes;
}

/** The messages of one datagram. Throws BAD_NETLINK if it is cut off. */
export function splitMessages(bytes: Uint8Array): Received[] {
  const messages: Received[] = [];
  for (let at = 0; at < bytes.length;) {
    const view = viewOf(bytes);
    const length = at + HEADER_SIZE <= bytes.length ? view.getUint32(at, true) : 0;
    if (length < HEADER_SIZE || at + length > bytes.length) {
      throw new TunloomError(
        'BAD_NETLINK',
        `netlink: a message of ${length} octets at octet ${at} is cut off`,
      );
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_SIZE, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Attributes by type, from octet `at` of a body; of repeated ones the last. Stops at the first that is cut off. */
export function readAttributes(body: Uint8Array, at: number): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  const view = viewOf(body);
  while (at + ATTRIBUTE_HEADER <= body.length) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || at + length > body.length) break;
    attributes.set(
      view.getUint16(at + 2, true) & TYPE_MASK,
      body.subarray(at + ATTRIBUTE_HEADER, at + length),
    );
    at += align(length);
  }
  return attributes;
}

/** A u32 attribute in the host's byte order; undefined: not there, or too short. */
export function read32(value: Uint8Array | undefined): number | undefined {
  return value && value.length >= 4 ? viewOf(value).getUint32(0, true) : undefined;
}

/** Text up to its zero octet. */
export function readText(value: Uint8Array | undefined): string | undefined {
  if (!value) return undefined;
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align(length: number): number {
  return (length + 3) & ~3;
}
