/** GRE Key (RFC 5845 §6.1): length 6 with a key, length 2 for GRE without keys. */
import { defineOption } from '../option-codec.ts';

export interface GreKey {
  readonly option: 'gre-key';
  /** In a PBU the downlink key (chosen by the MAG), in a PBA the uplink key (chosen by the LMA). */
  readonly key: number | null;
}

export const greKey = defineOption<GreKey>({
  type: 33,
  option: 'gre-key',
  alignment: [4, 0],
  decode(value) {
    value.skip(2);
    return { option: 'gre-key', key: value.left ? value.u32() : null };
  },
  encode({ key }, writer) {
    writer.zeros(2);
    if (key !== null) writer.u32(key);
  },
  describe: ({ key }) => (key === null ? 'GRE without key' : `0x${key.toString(16).padStart(8, '0')}`),
});
