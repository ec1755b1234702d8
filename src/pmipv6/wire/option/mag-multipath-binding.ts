/** MAG Multipath Binding (RFC 8278 §4.1). What its values mean is for the state machines to check. */
import { AccessTechnology, nameOf } from '../numbers.ts';
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';

export interface MagMultipathBinding {
  readonly option: 'mag-multipath-binding';
  /** If-ATT, the registry of Access Technology Type. */
  readonly technology: number;
  /** If-Label, 0..255. */
  readonly label: number;
  /** Binding Identifier; 1..254 are valid. */
  readonly bid: number;
  /** B: re-registers all of the node's bindings at once. */
  readonly bulk: boolean;
  /** O: this binding replaces all others of the node. */
  readonly overwrite: boolean;
}

export const magMultipathBinding = defineOption<MagMultipathBinding>({
  type: 63,
  option: 'mag-multipath-binding',
  alignment: NO_ALIGNMENT,
  decode(value) {
    const technology = value.u8();
    const label = value.u8();
    const bid = value.u8();
    const flags = value.u8();
    value.skip(2);
    return {
      option: 'mag-multipath-binding',
      technology,
      label,
      bid,
      bulk: (flags & 0x80) !== 0,
      overwrite: (flags & 0x40) !== 0,
    };
  },
  encode(option, writer) {
    writer.u8(option.technology);
    writer.u8(option.label);
    writer.u8(option.bid);
    writer.u8((option.bulk ? 0x80 : 0) | (option.overwrite ? 0x40 : 0));
    writer.zeros(2);
  },
  describe: ({ technology, label, bid, bulk, overwrite }) =>
    `BID ${bid}, If-ATT ${nameOf(AccessTechnology, technology)}, If-Label ${label}` +
    `${bulk ? ', bulk re-registration' : ''}${overwrite ? ', overwrite' : ''}`,
});
