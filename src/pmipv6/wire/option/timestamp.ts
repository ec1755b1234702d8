/** Timestamp (RFC 5213 §8.8): 48 bits of seconds since 1970, 16 bits of fraction; not the format of NTP. */
import { defineOption } from '../option-codec.ts';

export interface Timestamp {
  readonly option: 'timestamp';
  /** Units of 1/65536 s since 1970-01-01 UTC. */
  readonly ticks: bigint;
}

/** Milliseconds since 1970 to the option's unit, rounded down. */
export function timestampOf(milliseconds: number): Timestamp {
  return { option: 'timestamp', ticks: (BigInt(Math.floor(milliseconds * 1024)) * 64n) / 1000n };
}

/** The option's unit to milliseconds since 1970. */
export function timestampMilliseconds({ ticks }: Pick<Timestamp, 'ticks'>): number {
  return (Number(ticks) * 1000) / 65536;
}

export const timestamp = defineOption<Timestamp>({
  type: 27,
  option: 'timestamp',
  alignment: [8, 2],
  decode: (value) => ({ option: 'timestamp', ticks: value.u64() }),
  encode: ({ ticks }, writer) => writer.u64(ticks),
  describe(option) {
    const milliseconds = timestampMilliseconds(option);
    // Date ends in the year 275760; a hostile peer's clock need not.
    return milliseconds < 8.64e15 ? new Date(milliseconds).toISOString() : `${option.ticks}/65536 s`;
  },
});
