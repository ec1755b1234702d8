/** Delegated Mobile Network Prefix (RFC 7148 §4.1). */
import { splitPrefix } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export interface DelegatedMobileNetworkPrefix {
  readonly option: 'delegated-mobile-network-prefix';
  /** IPv4 or IPv6; ::/0 or 0.0.0.0/0 asks for assignment. */
  readonly prefix: string;
}

export const delegatedMobileNetworkPrefix = defineOption<DelegatedMobileNetworkPrefix>({
  type: 55,
  option: 'delegated-mobile-network-prefix',
  alignment: [8, 2],
  decode(value) {
    const v4 = (value.u8() & 0x80) !== 0;
    const length = value.u8();
    return { option: 'delegated-mobile-network-prefix', prefix: `${value.address(v4 ? 4 : 16)}/${length}` };
  },
  encode({ prefix }, writer) {
    const { address, length } = splitPrefix(prefix);
    const v4 = !address.includes(':');
    writer.u8(v4 ? 0x80 : 0);
    writer.u8(length);
    writer.address(address, v4 ? 4 : 16);
  },
  describe: ({ prefix }) => prefix,
});
