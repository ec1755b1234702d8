/** Binding Identifier (RFC 5648 §4.3 with the BID-PRI of RFC 6089 §4.1). */
import { BadValue } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export interface BindingIdentifier {
  readonly option: 'binding-identifier';
  /** 16 bits; an RFC 8278 BID is zero-extended. */
  readonly bid: number;
  readonly status: number;
  /** H: simultaneous home and foreign binding. */
  readonly simultaneous: boolean;
  /** BID-PRI, 0..127, lower is better; 0 in the format of RFC 5648. */
  readonly priority: number;
  readonly careOfAddress: string | null;
}

export const bindingIdentifier = defineOption<BindingIdentifier>({
  type: 35,
  option: 'binding-identifier',
  alignment: ({ careOfAddress }) => (careOfAddress === null ? [2, 0] : [8, 2]),
  decode(value) {
    const bid = value.u16();
    const status = value.u8();
    const last = value.u8();
    const { left } = value;
    if (left !== 0 && left !== 4 && left !== 16) throw new BadValue(`care-of address of ${left} octets`);
    return {
      option: 'binding-identifier',
      bid,
      status,
      simultaneous: (last & 0x80) !== 0,
      priority: last & 0x7f,
      careOfAddress: left === 0 ? null : value.address(left),
    };
  },
  encode(option, writer) {
    writer.u16(option.bid);
    writer.u8(option.status);
    writer.u8((option.simultaneous ? 0x80 : 0) | option.priority);
    const { careOfAddress } = option;
    if (careOfAddress !== null) writer.address(careOfAddress, careOfAddress.includes(':') ? 16 : 4);
  },
  describe: ({ bid, status, priority, careOfAddress }) =>
    `BID ${bid}, status ${status}, priority ${priority}${careOfAddress === null ? '' : `, ${careOfAddress}`}`,
});
