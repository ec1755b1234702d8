/** What every file in message/ supplies, and what all messages have in common. */
import type { OctetReader, OctetWriter } from './octets.ts';
import type { MobilityOption } from './options.ts';

export interface WithOptions {
  readonly options: readonly MobilityOption[];
}

/** The fixed part of one message type: what stands between checksum and options. */
export interface MessageCodec<T extends WithOptions & { readonly message: string }> {
  readonly type: number;
  readonly message: T['message'];
  /** Octets from the start of the Mobility Header to the first option. */
  readonly fixedLength: number;
  decode(fixed: OctetReader, options: readonly MobilityOption[]): T;
  encode(message: T, writer: OctetWriter): void;
  /** The fixed part in a few words, without the name of the message. */
  describe(message: T): string;
}

export function defineMessage<T extends WithOptions & { readonly message: string }>(
  codec: MessageCodec<T>,
): MessageCodec<T> {
  return codec;
}

/** Flags of a field in words, those that are set: `A|P`. */
export function flagNames(table: readonly (readonly [string, number])[], value: number): string {
  return table.flatMap(([name, bit]) => (value & bit ? [name] : [])).join('|') || 'none';
}
