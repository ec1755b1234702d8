/**
 * What the kernel would do with a packet from one address to another: by which interface it goes, and to whose link-layer address.
 * Asked of the kernel's own routing decision, rules included (RTM_GETROUTE, RTM_GETNEIGH of rtnetlink(7)).
 */
import { parseAddress } from '../ip.ts';
import type { Netlink } from './netlink.ts';
import type { Link } from './netlink/link.ts';
import { BodyWriter, read32, readAttributes, viewOf } from './netlink/message.ts';

const GET_ROUTE = 26;
/** struct rtmsg; the type is its eighth octet. */
const ROUTE_HEADER = 12;
const ROUTE_TYPE = 7;
const UNICAST = 1;
const RouteAttribute = {
  DESTINATION: 1,
  SOURCE: 2,
  OUTPUT: 4,
  GATEWAY: 5,
  VIA: 18,
  ENCAPSULATION: 22,
} as const;
const NEW_NEIGHBOUR = 28;
const GET_NEIGHBOUR = 30;
/** struct ndmsg: family 1, padding 3, interface 4, state 2, flags 1, type 1. */
const NEIGHBOUR_HEADER = 12;
const NEIGHBOUR_STATE = 8;
const NeighbourAttribute = { DESTINATION: 1, LINK_LAYER: 2 } as const;
/** NUD_*: states in which the kernel itself would use the address at once. */
const USABLE = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
const STALE = 0x04;
const NTF_USE = 1;

/** An interface's number and MTU, and a link-layer address of six octets on it. */
export interface ResolvedHop {
  readonly index: number;
  readonly mtu: number;
  readonly address: Uint8Array;
}

export interface HopQuestion {
  readonly local: string;
  readonly remote: string;
  readonly interface?: string | undefined;
}

/**
 * Null wherever the kernel would do more than put an Ethernet header in front: no route, one of its own addresses, an interface without
 * Ethernet header or that only stands for others (VRF), encapsulating routes, and neighbours that it has yet to ask for. A neighbour
 * that it has not heard of for long is used, and the kernel is told so, which makes it ask again (NTF_USE).
 */
export function resolveNextHop(
  netlink: Netlink,
  links: readonly Link[],
  { local, remote, interface: device }: HopQuestion,
): ResolvedHop | null {
  const bound = device === undefined ? undefined : links.find(({ name }) => name === device);
  if (device !== undefined && !bound) return null;
  const destination = parseAddress(remote).bytes;
  const route = askRoute(netlink, parseAddress(local).bytes, destination, bound?.index);
  if (!route) return null;
  const link = links.find(({ index }) => index === route.index);
  if (!link?.up || !link.carrier || link.loopback || !link.address || link.kind === 'vrf') return null;
  if (bound && bound.index !== link.index) return null;
  const address = askNeighbour(netlink, link.index, route.gateway ?? destination);
  return address && { index: link.index, mtu: link.mtu, address };
}

/** Index of the interface by which packets between the addresses leave, null if there is no plain route. */
export function outputInterface(netlink: Netlink, local: string, remote: string): number | null {
  return askRoute(netlink, parseAddress(local).bytes, parseAddress(remote).bytes, undefined)?.index ?? null;
}

function askRoute(
  netlink: Netlink,
  source: Uint8Array,
  destination: Uint8Array,
  output: number | undefined,
): { index: number; gateway: Uint8Array | undefined } | null {
  const bits = destination.length * 8;
  const body = new BodyWriter();
  body.u8(familyOf(destination)).u8(bits).u8(bits).u8(0).u32(0).u32(0);
  body.attribute(RouteAttribute.DESTINATION, destination).attribute(RouteAttribute.SOURCE, source);
  if (output !== undefined) body.attribute32(RouteAttribute.OUTPUT, output);
  const answer = netlink.ask({ type: GET_ROUTE, flags: 0, body: body.finish() });
  if (!answer || answer.body[ROUTE_TYPE] !== UNICAST) return null;
  const attributes = readAttributes(answer.body, ROUTE_HEADER);
  // A gateway of the other family, or another header in front.
  if (attributes.has(RouteAttribute.VIA) || attributes.has(RouteAttribute.ENCAPSULATION)) return null;
  const index = read32(attributes.get(RouteAttribute.OUTPUT));
  return index === undefined ? null : { index, gateway: attributes.get(RouteAttribute.GATEWAY) };
}

function askNeighbour(netlink: Netlink, index: number, address: Uint8Array): Uint8Array | null {
  const question = (flags: number): Uint8Array =>
    new BodyWriter()
      .u8(familyOf(address))
      .u8(0)
      .u16(0)
      .u32(index)
      .u16(0)
      .u8(flags)
      .u8(0)
      .attribute(NeighbourAttribute.DESTINATION, address)
      .finish();
  const answer = netlink.ask({ type: GET_NEIGHBOUR, flags: 0, body: question(0) });
  if (!answer || answer.type !== NEW_NEIGHBOUR || answer.body.length < NEIGHBOUR_HEADER) return null;
  const state = viewOf(answer.body).getUint16(NEIGHBOUR_STATE, true);
  const linkLayer = readAttributes(answer.body, NEIGHBOUR_HEADER).get(NeighbourAttribute.LINK_LAYER);
  if (!(state & USABLE) || linkLayer?.length !== 6) return null;
  if (state & STALE) netlink.tell({ type: NEW_NEIGHBOUR, flags: 0, body: question(NTF_USE) });
  return Uint8Array.from(linkLayer);
}

function familyOf(address: Uint8Array): number {
  return address.length === 4 ? 2 : 10;
}
