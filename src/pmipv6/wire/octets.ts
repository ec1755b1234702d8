/** Reading and writing of big-endian octets, with bounds that cannot be missed. */
import { formatAddress, parseAddress } from '../../ip.ts';
import { TunloomError } from '../../errors.ts';

/** A value ended before its last field, or held what no field allows; `OptionWalk` turns it into a malformed option. */
export class BadValue extends Error {}

/** Reads fields one after the other; throws BadValue past the end. */
export class OctetReader {
  private readonly bytes: Uint8Array;
  private at: number;
  private readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  /** Octets not read yet. */
  get left(): number {
    return this.end - this.at;
  }

  private take(count: number): number {
    const start = this.at;
    if (count > this.end - start) throw new BadValue(`${this.end - start} octets left, ${count} needed`);
    this.at = start + count;
    return start;
  }

  private pair(at: number): number {
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u8(): number {
    return this.bytes[this.take(1)]!;
  }

  u16(): number {
    return this.pair(this.take(2));
  }

  u32(): number {
    const at = this.take(4);
    return this.pair(at) * 0x1_0000 + this.pair(at + 2);
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** A copy of the next `count` octets; all that are left if not given. */
  octets(count = this.left): Uint8Array {
    const start = this.take(count);
    return this.bytes.slice(start, start + count);
  }

  /** The next 4 or 16 octets as text. */
  address(length: 4 | 16): string {
    const start = this.take(length);
    return formatAddress(this.bytes.subarray(start, start + length));
  }

  skip(count: number): void {
    this.take(count);
  }

  /** A reader of the next `count` octets. */
  part(count: number): OctetReader {
    const start = this.take(count);
    return new OctetReader(this.bytes, start, start + count);
  }
}

/** Memory of writers that are finished: the next one needs none of its own. */
const spare: Uint8Array<ArrayBuffer>[] = [];
const NOTHING = new Uint8Array(0);

/** Grows as needed; offsets are those of the message, so alignment can be worked out while writing. */
export class OctetWriter {
  private bytes = spare.pop() ?? new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  /** Octets written so far. */
  length = 0;

  private room(count: number): number {
    const start = this.length;
    if (start + count > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, start + count));
      larger.set(this.bytes.subarray(0, start));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    this.length = start + count;
    return start;
  }

  u8(value: number): void {
    // Room first: it may replace the buffer.
    const at = this.room(1);
    this.bytes[at] = inRange(value, 0xff);
  }

  u16(value: number): void {
    const at = this.room(2);
    this.view.setUint16(at, inRange(value, 0xffff));
  }

  u32(value: number): void {
    const at = this.room(4);
    this.view.setUint32(at, inRange(value, 0xffff_ffff));
  }

  u64(value: bigint): void {
    if (value < 0n || value >= 1n << 64n)
      throw new TunloomError('BAD_FIELD', `${value} has more than 64 bits`);
    const at = this.room(8);
    this.view.setBigUint64(at, value);
  }

  octets(value: Uint8Array): void {
    const at = this.room(value.length);
    this.bytes.set(value, at);
  }

  zeros(count: number): void {
    const start = this.room(count);
    this.bytes.fill(0, start, start + count);
  }

  /** Throws BAD_FIELD for text of the other family. */
  address(text: string, length: 4 | 16): void {
    const { bytes } = parseAddress(text);
    if (bytes.length !== length) throw new TunloomError('BAD_FIELD', `"${text}" is of the wrong family here`);
    this.octets(bytes);
  }

  /** Overwrites one octet or two written before. */
  patch8(at: number, value: number): void {
    this.bytes[at] = inRange(value, 0xff);
  }

  patch16(at: number, value: number): void {
    this.view.setUint16(at, inRange(value, 0xffff));
  }

  /** A copy of what was written; the writer is of no use afterwards. */
  finish(): Uint8Array {
    const octets = this.bytes.slice(0, this.length);
    spare.push(this.bytes);
    this.bytes = NOTHING;
    return octets;
  }
}

function inRange(value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new TunloomError('BAD_FIELD', `${value} does not fit into a field of 0..${max}`);
  }
  return value;
}

/** Address and length of `address/length`; unlike parsePrefix, host bits may be set (home addresses, foreign peers). */
export function splitPrefix(text: string): { address: string; length: number } {
  const slash = text.lastIndexOf('/');
  if (slash < 0) throw new TunloomError('BAD_FIELD', `"${text}" has no prefix length`);
  return { address: text.slice(0, slash), length: Number(text.slice(slash + 1)) };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Printable UTF-8 as it is, anything else as 0x... hex. */
export function textOrHex(bytes: Uint8Array): string {
  // Nearly all are ASCII, for which the decoder is too much.
  // Spread, a typed array goes through its iterator, which takes five times as long.
  if (isPrintableAscii(bytes)) return String.fromCharCode.apply(null, bytes as unknown as number[]);
  try {
    const text = utf8.decode(bytes);
    // Control characters of a hostile peer must not reach a terminal or a log.
    // eslint-disable-next-line no-control-regex
    if (!/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)) return text;
  } catch {
    // Not UTF-8.
  }
  return `0x${hex(bytes)}`;
}

function isPrintableAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! < 0x20 || bytes[i]! >= 0x7f) return false;
  return true;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
