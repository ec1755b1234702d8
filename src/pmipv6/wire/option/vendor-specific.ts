/** Vendor Specific (RFC 5094). */
import { hex } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export interface VendorSpecific {
  readonly option: 'vendor-specific';
  /** IANA enterprise number. */
  readonly vendor: number;
  readonly subtype: number;
  readonly data: Uint8Array;
}

export const vendorSpecific = defineOption<VendorSpecific>({
  type: 19,
  option: 'vendor-specific',
  alignment: [4, 2],
  decode: (value) => ({
    option: 'vendor-specific',
    vendor: value.u32(),
    subtype: value.u8(),
    data: value.octets(),
  }),
  encode({ vendor, subtype, data }, writer) {
    writer.u32(vendor);
    writer.u8(subtype);
    writer.octets(data);
  },
  describe: ({ vendor, subtype, data }) => `vendor ${vendor}, sub-type ${subtype}, 0x${hex(data)}`,
});
