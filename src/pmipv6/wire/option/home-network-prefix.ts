/** Home Network Prefix (RFC 5213 §8.3; L bit of RFC 7864 §4.1). */
import { splitPrefix } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export interface HomeNetworkPrefix {
  readonly option: 'home-network-prefix';
  /** Such as 2001:db8:1::/64; ::/0 (ALL_ZERO) asks for assignment. */
  readonly prefix: string;
  /** L: the prefix is not on-link (RFC 7864 §4.1). */
  readonly offLink: boolean;
}

export const homeNetworkPrefix = defineOption<HomeNetworkPrefix>({
  type: 22,
  option: 'home-network-prefix',
  alignment: [8, 4],
  decode(value) {
    const offLink = (value.u8() & 0x80) !== 0;
    const length = value.u8();
    return { option: 'home-network-prefix', prefix: `${value.address(16)}/${length}`, offLink };
  },
  encode({ prefix, offLink }, writer) {
    const { address, length } = splitPrefix(prefix);
    writer.u8(offLink ? 0x80 : 0);
    writer.u8(length);
    writer.address(address, 16);
  },
  describe: ({ prefix, offLink }) => `${prefix}${offLink ? ', off-link' : ''}`,
});
