/** IPv4 options of RFC 5844 §3.3: Home Address Request and Reply, Default-Router Address, DHCP Support Mode. */
import { Ipv4Status, nameOf } from '../numbers.ts';
import { splitPrefix } from '../octets.ts';
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';

export interface Ipv4HomeAddressRequest {
  readonly option: 'ipv4-home-address-request';
  /** Address with prefix length (6 bits), such as 192.0.2.9/24; 0.0.0.0/0 asks for assignment. */
  readonly prefix: string;
}

export interface Ipv4HomeAddressReply {
  readonly option: 'ipv4-home-address-reply';
  /** See Ipv4Status; 128 and above reject. */
  readonly status: number;
  readonly prefix: string;
}

export interface Ipv4DefaultRouter {
  readonly option: 'ipv4-default-router';
  readonly address: string;
}

export interface Ipv4DhcpSupport {
  readonly option: 'ipv4-dhcp-support';
  /** S: the MAG is the DHCP server; otherwise it relays. */
  readonly server: boolean;
}

export const ipv4HomeAddressRequest = defineOption<Ipv4HomeAddressRequest>({
  type: 36,
  option: 'ipv4-home-address-request',
  alignment: [4, 0],
  decode(value) {
    const length = value.u8() >> 2;
    value.skip(1);
    return { option: 'ipv4-home-address-request', prefix: `${value.address(4)}/${length}` };
  },
  encode({ prefix }, writer) {
    const { address, length } = splitPrefix(prefix);
    writer.u8(length << 2);
    writer.u8(0);
    writer.address(address, 4);
  },
  describe: ({ prefix }) => prefix,
});

export const ipv4HomeAddressReply = defineOption<Ipv4HomeAddressReply>({
  type: 37,
  option: 'ipv4-home-address-reply',
  alignment: [4, 0],
  decode(value) {
    const status = value.u8();
    const length = value.u8() >> 2;
    return { option: 'ipv4-home-address-reply', status, prefix: `${value.address(4)}/${length}` };
  },
  encode({ status, prefix }, writer) {
    const { address, length } = splitPrefix(prefix);
    writer.u8(status);
    writer.u8(length << 2);
    writer.address(address, 4);
  },
  describe: ({ status, prefix }) => `${prefix}, status ${nameOf(Ipv4Status, status)}`,
});

export const ipv4DefaultRouter = defineOption<Ipv4DefaultRouter>({
  type: 38,
  option: 'ipv4-default-router',
  alignment: [4, 0],
  decode(value) {
    value.skip(2);
    return { option: 'ipv4-default-router', address: value.address(4) };
  },
  encode({ address }, writer) {
    writer.zeros(2);
    writer.address(address, 4);
  },
  describe: ({ address }) => address,
});

export const ipv4DhcpSupport = defineOption<Ipv4DhcpSupport>({
  type: 39,
  option: 'ipv4-dhcp-support',
  alignment: NO_ALIGNMENT,
  decode: (value) => ({ option: 'ipv4-dhcp-support', server: (value.u16() & 1) !== 0 }),
  encode: ({ server }, writer) => writer.u16(server ? 1 : 0),
  describe: ({ server }) => (server ? 'server' : 'relay'),
});
