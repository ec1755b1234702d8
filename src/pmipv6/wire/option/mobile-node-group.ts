/** Mobile Node Group Identifier (RFC 6602 §4.3). */
import { defineOption } from '../option-codec.ts';

export interface MobileNodeGroup {
  readonly option: 'mobile-node-group';
  /** 1: bulk binding update group. */
  readonly subtype: number;
  /** 1: ALL-SESSIONS. */
  readonly group: number;
}

export const mobileNodeGroup = defineOption<MobileNodeGroup>({
  type: 50,
  option: 'mobile-node-group',
  alignment: [4, 0],
  decode(value) {
    const subtype = value.u8();
    value.skip(1);
    return { option: 'mobile-node-group', subtype, group: value.u32() };
  },
  encode({ subtype, group }, writer) {
    writer.u8(subtype);
    writer.u8(0);
    writer.u32(group);
  },
  describe: ({ subtype, group }) => `subtype ${subtype}, group ${group}`,
});
