/** Mobile Node Link-layer Identifier (RFC 5213 §8.6). */
import { hex } from '../octets.ts';
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';

export interface MnLinkLayerIdentifier {
  readonly option: 'mn-link-layer-identifier';
  readonly identifier: Uint8Array;
}

export const mnLinkLayerIdentifier = defineOption<MnLinkLayerIdentifier>({
  type: 25,
  option: 'mn-link-layer-identifier',
  alignment: NO_ALIGNMENT,
  decode(value) {
    value.skip(2);
    return { option: 'mn-link-layer-identifier', identifier: value.octets() };
  },
  encode({ identifier }, writer) {
    writer.zeros(2);
    writer.octets(identifier);
  },
  describe: ({ identifier }) => hex(identifier).replace(/(..)(?=.)/g, '$1:'),
});
