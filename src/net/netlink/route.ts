/** Routes (rtnetlink(7), RTM_NEWROUTE): unicast routes through a device or a gateway, and unreachable ones. */
import { formatAddress, parseAddress, parsePrefix } from '../../ip.ts';
import { BodyWriter, Flag, read32, readAttributes, viewOf } from './message.ts';
import type { Change, Listing } from './object.ts';

const RouteType = { NEW: 24, DELETE: 25, GET: 26 } as const;
/** struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type: 1 each; flags 4. */
const ROUTE_HEADER = 12;
const Attribute = { DESTINATION: 1, OUTPUT: 4, GATEWAY: 5, PRIORITY: 6, SOURCE: 7, TABLE: 15 } as const;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const SCOPE_NOWHERE = 255;
const UNICAST = 1;
const UNREACHABLE = 7;
export const MAIN_TABLE = 254;
/** Cached clones of IPv6 (RTM_F_CLONED). */
const F_CLONED = 0x200;

export interface Route {
  readonly prefix: string;
  /** null: packets to the prefix are refused as unreachable. */
  readonly device: string | null;
  /** The main one if left out. */
  readonly table?: number | undefined;
  readonly via?: string | undefined;
  /** Source address that the host prefers for its own packets. */
  readonly source?: string | undefined;
  readonly metric?: number | undefined;
}

/** A route as the kernel lists it. */
export interface ListedRoute extends Route {
  readonly table: number;
  readonly protocol: number;
}

/** Adds the route or replaces that to the same prefix, table and metric; `protocol` says whose it is. */
export function replaceRoute(route: Route, protocol: number): Change {
  return {
    text: `route replace ${describe(route)}`,
    encode: (indexOf) => ({
      type: RouteType.NEW,
      flags: Flag.CREATE | Flag.REPLACE,
      body: encode(route, protocol, false, indexOf),
    }),
  };
}

/** Adds the route; fails with EEXIST if there is one to the same prefix, table and metric, whosever it is. */
export function addRoute(route: Route, protocol: number): Change {
  return {
    text: `route add ${describe(route)}`,
    encode: (indexOf) => ({
      type: RouteType.NEW,
      flags: Flag.CREATE | Flag.EXCLUSIVE,
      body: encode(route, protocol, false, indexOf),
    }),
  };
}

/** Deletes what replaceRoute or addRoute with the same arguments added. */
export function deleteRoute(route: Route, protocol: number): Change {
  return {
    text: `route delete ${describe(route)}`,
    encode: (indexOf) => ({
      type: RouteType.DELETE,
      flags: 0,
      body: encode(route, protocol, true, indexOf),
    }),
  };
}

/** Routes of one family; with a table or protocol, which the kernel filters by (NETLINK_GET_STRICT_CHK), only those. */
export function routes(family: 4 | 6, filter: { table?: number; protocol?: number }): Listing<ListedRoute> {
  const body = new BodyWriter();
  body.u32(family === 4 ? 2 : 10);
  body.u8(filter.table !== undefined && filter.table < 256 ? filter.table : 0).u8(filter.protocol ?? 0);
  body.u8(0).u8(0).u32(0);
  if (filter.table !== undefined) body.attribute32(Attribute.TABLE, filter.table);
  return {
    request: { type: RouteType.GET, flags: Flag.DUMP, body: body.finish() },
    type: RouteType.NEW,
    decode: decodeRoute,
  };
}

function decodeRoute(body: Uint8Array, nameOf: (index: number) => string): ListedRoute | null {
  if (body.length < ROUTE_HEADER) return null;
  const view = viewOf(body);
  const attributes = readAttributes(body, ROUTE_HEADER);
  const output = read32(attributes.get(Attribute.OUTPUT));
  if (view.getUint32(8, true) & F_CLONED) return null;
  // Local, broadcast and multicast routes are the kernel's own business.
  if (view.getUint8(7) !== UNICAST && view.getUint8(7) !== UNREACHABLE) return null;
  const size = view.getUint8(0) === 2 ? 4 : 16;
  const destination = attributes.get(Attribute.DESTINATION) ?? new Uint8Array(size);
  const text = (value: Uint8Array | undefined): string | undefined => value && formatAddress(value);
  return {
    prefix: `${formatAddress(destination)}/${view.getUint8(1)}`,
    device: output === undefined || view.getUint8(7) === UNREACHABLE ? null : nameOf(output),
    table: read32(attributes.get(Attribute.TABLE)) ?? view.getUint8(4),
    protocol: view.getUint8(5),
    via: text(attributes.get(Attribute.GATEWAY)),
    source: text(attributes.get(Attribute.SOURCE)),
    metric: read32(attributes.get(Attribute.PRIORITY)),
  };
}

function encode(
  route: Route,
  protocol: number,
  remove: boolean,
  indexOf: (device: string) => number,
): Uint8Array {
  const { family, bytes, length } = parsePrefix(route.prefix);
  const table = route.table ?? MAIN_TABLE;
  const linkScope = family === 4 && route.via === undefined && route.device !== null;
  const scope = remove ? SCOPE_NOWHERE : linkScope ? SCOPE_LINK : SCOPE_UNIVERSE;
  const body = new BodyWriter();
  body
    .u8(family === 4 ? 2 : 10)
    .u8(length)
    .u8(0)
    .u8(0);
  body
    .u8(table < 256 ? table : 0)
    .u8(protocol)
    .u8(scope)
    .u8(route.device === null ? UNREACHABLE : UNICAST);
  body.u32(0).attribute(Attribute.DESTINATION, bytes).attribute32(Attribute.TABLE, table);
  if (route.device !== null) body.attribute32(Attribute.OUTPUT, indexOf(route.device));
  if (route.via !== undefined) body.attribute(Attribute.GATEWAY, parseAddress(route.via).bytes);
  if (route.source !== undefined) body.attribute(Attribute.SOURCE, parseAddress(route.source).bytes);
  if (route.metric !== undefined) body.attribute32(Attribute.PRIORITY, route.metric);
  return body.finish();
}

function describe({ prefix, device, via, table }: Route): string {
  const where = device === null ? ' unreachable' : `${via === undefined ? '' : ` via ${via}`} dev ${device}`;
  return `${prefix}${where}${table === undefined ? '' : ` table ${table}`}`;
}
