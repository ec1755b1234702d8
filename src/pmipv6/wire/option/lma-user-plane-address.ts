/** LMA User-Plane Address (RFC 7389 §4.2). */
import { BadValue } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export interface LmaUserPlaneAddress {
  readonly option: 'lma-user-plane-address';
  /** null in a request. */
  readonly address: string | null;
}

export const lmaUserPlaneAddress = defineOption<LmaUserPlaneAddress>({
  type: 59,
  option: 'lma-user-plane-address',
  alignment: [8, 2],
  decode(value) {
    value.skip(2);
    const { left } = value;
    if (left !== 0 && left !== 4 && left !== 16) throw new BadValue(`address of ${left} octets`);
    return { option: 'lma-user-plane-address', address: left === 0 ? null : value.address(left) };
  },
  encode({ address }, writer) {
    writer.zeros(2);
    if (address !== null) writer.address(address, address.includes(':') ? 16 : 4);
  },
  describe: ({ address }) => address ?? 'requested',
});
