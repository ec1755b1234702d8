/** Mobility Message Authentication (RFC 4285 §5); always the last option. */
import { hex } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export interface Authentication {
  readonly option: 'authentication';
  /** 1: MN-HA (here MAG-LMA), 2: MN-AAA. */
  readonly subtype: number;
  /** Mobility Security Parameter Index. */
  readonly spi: number;
  readonly authenticator: Uint8Array;
}

export const authentication = defineOption<Authentication>({
  type: 9,
  option: 'authentication',
  alignment: [4, 1],
  decode: (value) => ({
    option: 'authentication',
    subtype: value.u8(),
    spi: value.u32(),
    authenticator: value.octets(),
  }),
  encode({ subtype, spi, authenticator }, writer) {
    writer.u8(subtype);
    writer.u32(spi);
    writer.octets(authenticator);
  },
  describe: ({ subtype, spi, authenticator }) =>
    `subtype ${subtype}, SPI 0x${spi.toString(16)}, ${hex(authenticator)}`,
});
