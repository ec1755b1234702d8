/** Service Selection (RFC 5149 §3). */
import { textOrHex } from '../octets.ts';
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';

export interface ServiceSelection {
  readonly option: 'service-selection';
  /** UTF-8. */
  readonly service: Uint8Array;
}

export const serviceSelection = defineOption<ServiceSelection>({
  type: 20,
  option: 'service-selection',
  alignment: NO_ALIGNMENT,
  decode: (value) => ({ option: 'service-selection', service: value.octets() }),
  encode: ({ service }, writer) => writer.octets(service),
  describe: ({ service }) => textOrHex(service),
});
