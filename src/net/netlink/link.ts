/** Links (rtnetlink(7), RTM_NEWLINK; linux/if_link.h): list, up and down, MTU, queue length, veth pairs, delete. */
import { BodyWriter, Flag, read32, readAttributes, readText, viewOf } from './message.ts';
import type { Change, Listing } from './object.ts';

export const LinkType = { NEW: 16, DELETE: 17, GET: 18, SET: 19 } as const;
/** struct ifinfomsg: family 1, padding 1, type 2, index 4, flags 4, change 4. */
const LINK_HEADER = 16;
const Attribute = {
  ADDRESS: 1,
  NAME: 3,
  MTU: 4,
  QUEUE_LENGTH: 13,
  OPERATIONAL_STATE: 16,
  INFO: 18,
  STATISTICS: 23,
  FAMILY_SETTINGS: 26,
  NAMESPACE_FD: 28,
  GSO_MAX_SEGS: 40,
} as const;
const INFO_KIND = 1;
const INFO_DATA = 2;
const VETH_PEER = 1;
const ADDRESS_GENERATION = 8;
const AF_INET6 = 10;
// net/if.h
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IF_OPER_UP = 6;
const IFF_LOWER_UP = 0x1_0000;

export interface LinkStatistics {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** Switched on by the operator. */
  readonly up: boolean;
  /** The link below is there (IFF_LOWER_UP). */
  readonly carrier: boolean;
  /** The kernel's protocols have noticed that both are so (RFC 2863 ifOperStatus), which takes up to a second. */
  readonly operational: boolean;
  readonly loopback: boolean;
  readonly mtu: number;
  readonly queueLength: number;
  /** Link-layer address as aa:bb:cc:dd:ee:ff; null if there is none. */
  readonly address: string | null;
  /** Such as veth, tun, vlan; null for hardware. */
  readonly kind: string | null;
  readonly statistics: LinkStatistics;
}

export interface LinkSettings {
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly queueLength?: number | undefined;
  /** false: the kernel gives the link no IPv6 link-local address. */
  readonly linkLocal?: boolean | undefined;
  /** Segments that a super-packet (segmentation offload) may have when it reaches the driver; 1: none reaches it. */
  readonly maxSegments?: number | undefined;
}

/** Changes an existing link. */
export function setLink(name: string, settings: LinkSettings): Change {
  const words = Object.entries(settings).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} ${value}`],
  );
  return {
    text: `link set ${name} ${words.join(' ')}`,
    encode: (indexOf) => {
      const body = header(indexOf(name), settings.up);
      if (settings.mtu !== undefined) body.attribute32(Attribute.MTU, settings.mtu);
      if (settings.queueLength !== undefined) body.attribute32(Attribute.QUEUE_LENGTH, settings.queueLength);
      if (settings.maxSegments !== undefined) {
        body.attribute32(Attribute.GSO_MAX_SEGS, settings.maxSegments);
      }
      if (settings.linkLocal !== undefined) {
        const mode = settings.linkLocal ? 0 : 1;
        body.nested(Attribute.FAMILY_SETTINGS, (families) =>
          families.nested(AF_INET6, (inet6) => inet6.attribute8(ADDRESS_GENERATION, mode)),
        );
      }
      return { type: LinkType.NEW, flags: 0, body: body.finish() };
    },
  };
}

/**
 * Creates a veth(4) pair; `namespaceFd` is an open /run/netns file that the peer is born in, null: it stays here.
 * `address` is the link-layer address of our end.
 */
export function addVeth(
  name: string,
  peer: { readonly name: string; readonly namespaceFd: number | null; readonly address?: string },
  address?: string,
): Change {
  return {
    text: `link add ${name} type veth peer ${peer.name}`,
    encode: () => {
      const body = header(0).attributeText(Attribute.NAME, name);
      if (address !== undefined) body.attribute(Attribute.ADDRESS, macBytes(address));
      body.nested(Attribute.INFO, (info) => {
        info.attributeText(INFO_KIND, 'veth');
        info.nested(INFO_DATA, (data) =>
          data.nested(VETH_PEER, (other) => {
            for (let i = 0; i < LINK_HEADER; i += 4) other.u32(0);
            other.attributeText(Attribute.NAME, peer.name);
            if (peer.address !== undefined) other.attribute(Attribute.ADDRESS, macBytes(peer.address));
            if (peer.namespaceFd !== null) other.attribute32(Attribute.NAMESPACE_FD, peer.namespaceFd);
          }),
        );
      });
      return { type: LinkType.NEW, flags: Flag.CREATE | Flag.EXCLUSIVE, body: body.finish() };
    },
  };
}

export function deleteLink(name: string): Change {
  return {
    text: `link delete ${name}`,
    encode: (indexOf) => ({ type: LinkType.DELETE, flags: 0, body: header(indexOf(name)).finish() }),
  };
}

export const LINKS: Listing<Link> = {
  request: { type: LinkType.GET, flags: Flag.DUMP, body: header(0).finish() },
  type: LinkType.NEW,
  decode: decodeLink,
};

/** Reads RTM_NEWLINK or RTM_DELLINK; null for what is no link of its own (such as a bridge's view of its ports). */
export function decodeLink(body: Uint8Array): Link | null {
  const view = viewOf(body);
  if (body.length < LINK_HEADER || view.getUint8(0) !== 0) return null;
  const flags = view.getUint32(8, true);
  const attributes = readAttributes(body, LINK_HEADER);
  const address = attributes.get(Attribute.ADDRESS);
  const info = attributes.get(Attribute.INFO);
  return {
    index: view.getInt32(4, true),
    name: readText(attributes.get(Attribute.NAME)) ?? '',
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    operational: attributes.get(Attribute.OPERATIONAL_STATE)?.[0] === IF_OPER_UP,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    mtu: read32(attributes.get(Attribute.MTU)) ?? 0,
    queueLength: read32(attributes.get(Attribute.QUEUE_LENGTH)) ?? 0,
    address: address?.length === 6 ? formatMac(address) : null,
    kind: (info && readText(readAttributes(info, 0).get(INFO_KIND))) ?? null,
    statistics: readStatistics(attributes.get(Attribute.STATISTICS)),
  };
}

/** struct rtnl_link_stats64: rx packets, tx packets, rx octets, tx octets, 64 bits each, then what we do not use. */
function readStatistics(value: Uint8Array | undefined): LinkStatistics {
  if (!value || value.length < 32) return { rxPackets: 0, txPackets: 0, rxBytes: 0, txBytes: 0 };
  const word = (index: number): number => Number(viewOf(value).getBigUint64(index * 8, true));
  return { rxPackets: word(0), txPackets: word(1), rxBytes: word(2), txBytes: word(3) };
}

function header(index: number, up?: boolean): BodyWriter {
  const body = new BodyWriter();
  body.u8(0).u8(0).u16(0).u32(index);
  return body.u32(up ? IFF_UP : 0).u32(up === undefined ? 0 : IFF_UP);
}

/** Six octets as aa:bb:cc:dd:ee:ff. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':').map((octet) => parseInt(octet, 16)));
}
