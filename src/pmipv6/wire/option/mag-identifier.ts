/** MAG Identifier (RFC 8278 §4.2). Unlike Mobile Node Identifier it has a reserved octet after the subtype. */
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';
import { type Identifier, identifierText } from './identifier.ts';

export interface MagIdentifier extends Identifier {
  readonly option: 'mag-identifier';
}

export const magIdentifier = defineOption<MagIdentifier>({
  type: 64,
  option: 'mag-identifier',
  alignment: NO_ALIGNMENT,
  decode(value) {
    const subtype = value.u8();
    value.skip(1);
    return { option: 'mag-identifier', subtype, identifier: value.octets() };
  },
  encode(option, writer) {
    writer.u8(option.subtype);
    writer.u8(0);
    writer.octets(option.identifier);
  },
  describe: identifierText,
});
