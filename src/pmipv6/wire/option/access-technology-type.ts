/** Access Technology Type (RFC 5213 §8.5). */
import { AccessTechnology, nameOf } from '../numbers.ts';
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';

export interface AccessTechnologyType {
  readonly option: 'access-technology-type';
  readonly technology: number;
}

export const accessTechnologyType = defineOption<AccessTechnologyType>({
  type: 24,
  option: 'access-technology-type',
  alignment: NO_ALIGNMENT,
  decode(value) {
    value.skip(1);
    return { option: 'access-technology-type', technology: value.u8() };
  },
  encode({ technology }, writer) {
    writer.u8(0);
    writer.u8(technology);
  },
  describe: ({ technology }) => nameOf(AccessTechnology, technology),
});
