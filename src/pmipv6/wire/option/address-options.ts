/** The two options that are one IPv6 address: Alternate Care-of Address (RFC 6275 §6.2.5), Link-local Address (RFC 5213 §8.7). */
import { defineOption } from '../option-codec.ts';

export interface AlternateCareOfAddress {
  readonly option: 'alternate-care-of-address';
  readonly address: string;
}

export interface LinkLocalAddress {
  readonly option: 'link-local-address';
  /** :: asks the LMA to choose (RFC 5213 §6.9.1.1). */
  readonly address: string;
}

export const alternateCareOfAddress = defineOption<AlternateCareOfAddress>({
  type: 3,
  option: 'alternate-care-of-address',
  alignment: [8, 6],
  decode: (value) => ({ option: 'alternate-care-of-address', address: value.address(16) }),
  encode: ({ address }, writer) => writer.address(address, 16),
  describe: ({ address }) => address,
});

export const linkLocalAddress = defineOption<LinkLocalAddress>({
  type: 26,
  option: 'link-local-address',
  alignment: [8, 6],
  decode: (value) => ({ option: 'link-local-address', address: value.address(16) }),
  encode: ({ address }, writer) => writer.address(address, 16),
  describe: ({ address }) => address,
});
