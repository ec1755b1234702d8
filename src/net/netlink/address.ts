/** Interface addresses (rtnetlink(7), RTM_NEWADDR; linux/if_addr.h). */
import { formatAddress, parseAddress } from '../../ip.ts';
import { BodyWriter, Flag, read32, readAttributes, viewOf } from './message.ts';
import type { Change, Listing } from './object.ts';

export const AddressType = { NEW: 20, DELETE: 21, GET: 22 } as const;
/** struct ifaddrmsg: family 1, prefix length 1, flags 1, scope 1, index 4. */
const ADDRESS_HEADER = 8;
const Attribute = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;
const F_NODAD = 0x02;
const F_DADFAILED = 0x08;
const F_TENTATIVE = 0x40;

export interface InterfaceAddress {
  readonly index: number;
  readonly device: string;
  readonly family: 4 | 6;
  readonly address: string;
  readonly prefixLength: number;
  /** universe 0, site 200, link 253, host 254 (rtnetlink(7)). */
  readonly scope: number;
  /** false while duplicate address detection goes on or has failed (RFC 4862 §5.4). */
  readonly usable: boolean;
}

/** Adds `address/length`, or replaces its settings; IPv6 without duplicate address detection unless `detect`. */
export function replaceAddress(device: string, cidr: string, detect = false): Change {
  return {
    text: `address replace ${cidr} dev ${device}`,
    encode: (indexOf) => ({
      type: AddressType.NEW,
      flags: Flag.CREATE | Flag.REPLACE,
      body: encode(indexOf(device), cidr, detect),
    }),
  };
}

export function deleteAddress(device: string, cidr: string): Change {
  return {
    text: `address delete ${cidr} dev ${device}`,
    encode: (indexOf) => ({
      type: AddressType.DELETE,
      flags: 0,
      body: encode(indexOf(device), cidr, true),
    }),
  };
}

export const ADDRESSES: Listing<InterfaceAddress> = {
  request: { type: AddressType.GET, flags: Flag.DUMP, body: new Uint8Array(ADDRESS_HEADER) },
  type: AddressType.NEW,
  decode: decodeAddress,
};

/** Reads an RTM_NEWADDR body (rtnetlink(7)); null: it has no address. `nameOf`: names of devices by index. */
export function decodeAddress(body: Uint8Array, nameOf: (index: number) => string): InterfaceAddress | null {
  if (body.length < ADDRESS_HEADER) return null;
  const view = viewOf(body);
  const family = view.getUint8(0) === 2 ? 4 : 6;
  const attributes = readAttributes(body, ADDRESS_HEADER);
  // On a point-to-point IPv4 link ADDRESS is the peer's.
  const bytes = attributes.get(Attribute.LOCAL) ?? attributes.get(Attribute.ADDRESS);
  if (bytes?.length !== (family === 4 ? 4 : 16)) return null;
  const flags = read32(attributes.get(Attribute.FLAGS)) ?? view.getUint8(2);
  const index = view.getUint32(4, true);
  return {
    index,
    device: nameOf(index),
    family,
    address: formatAddress(bytes),
    prefixLength: view.getUint8(1),
    scope: view.getUint8(3),
    usable: family === 4 || (flags & (F_TENTATIVE | F_DADFAILED)) === 0,
  };
}

function encode(index: number, cidr: string, detect: boolean): Uint8Array {
  const [text = '', length] = cidr.split('/');
  const { family, bytes } = parseAddress(text);
  const body = new BodyWriter();
  body.u8(family === 4 ? 2 : 10).u8(length === undefined ? bytes.length * 8 : Number(length));
  body.u8(0).u8(0).u32(index);
  body.attribute(Attribute.LOCAL, bytes).attribute(Attribute.ADDRESS, bytes);
  if (family === 6 && !detect) body.attribute32(Attribute.FLAGS, F_NODAD);
  return body.finish();
}
