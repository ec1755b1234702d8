/** What every file in option/ supplies. */
import type { OctetReader, OctetWriter } from './octets.ts';

/** "xn+y": the Type octet stands at a multiple of x plus y from the start of the Mobility Header (RFC 6275 §6.2). */
export type Alignment = readonly [multiple: number, offset: number];

export const NO_ALIGNMENT: Alignment = [1, 0];

/** One mobility option: octets of its value to an object, back, and to words. */
export interface OptionCodec<T extends { readonly option: string }> {
  readonly type: number;
  readonly option: T['option'];
  /** A fixed alignment, or one that depends on the option's content. */
  readonly alignment: Alignment | ((option: T) => Alignment);
  /** Reads the value (what follows the length). Throws BadValue; octets left unread make the option malformed too. */
  decode(value: OctetReader): T;
  /** Writes the value. Throws BAD_FIELD or BAD_ADDRESS for what does not fit. */
  encode(option: T, writer: OctetWriter): void;
  /** The value in words, for people. */
  describe(option: T): string;
}

/** Keeps the type parameter: `defineOption<Timestamp>({...})`. */
export function defineOption<T extends { readonly option: string }>(codec: OptionCodec<T>): OptionCodec<T> {
  return codec;
}
