/** Mobile Node Identifier (RFC 4283 §3). */
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';
import { type Identifier, identifierText } from './identifier.ts';

export interface MnIdentifier extends Identifier {
  readonly option: 'mn-identifier';
}

export const mnIdentifier = defineOption<MnIdentifier>({
  type: 8,
  option: 'mn-identifier',
  alignment: NO_ALIGNMENT,
  decode: (value) => ({ option: 'mn-identifier', subtype: value.u8(), identifier: value.octets() }),
  encode(option, writer) {
    writer.u8(option.subtype);
    writer.octets(option.identifier);
  },
  describe: identifierText,
});
