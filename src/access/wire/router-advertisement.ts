/** Router Advertisements (RFC 4861 §4.2, 4.6; RFC 8106 §5.1), sent to mobile nodes with their home network prefixes. */
import { parseAddress, parsePrefix } from '../../ip.ts';

const ROUTER_ADVERTISEMENT = 134;
const Option = { SOURCE_LINK_LAYER_ADDRESS: 1, PREFIX_INFORMATION: 3, MTU: 5, RECURSIVE_DNS: 25 } as const;
const PREFIX_ON_LINK = 0x80;
const PREFIX_AUTONOMOUS = 0x40;
const INFINITE = 0xffff_ffff;

export interface PrefixInformation {
  readonly prefix: string;
  /** L flag: other addresses of the prefix are on the link. */
  readonly onLink: boolean;
  /** A flag: hosts make themselves addresses (RFC 4862). */
  readonly autonomous: boolean;
  /** Seconds. */
  readonly validLifetime: number;
  readonly preferredLifetime: number;
}

export interface RouterAdvertisement {
  readonly hopLimit: number;
  /** Seconds as default router, at most 65,535 (RFC 8319); 0: none. */
  readonly routerLifetime: number;
  /** Our link-layer address, null: not told. */
  readonly linkLayer: Uint8Array | null;
  readonly mtu: number | null;
  readonly prefixes: readonly PrefixInformation[];
  readonly dns: { readonly servers: readonly string[]; readonly lifetime: number } | null;
}

/** The ICMPv6 message with checksum 0. */
export function encodeRouterAdvertisement(advertisement: RouterAdvertisement): Uint8Array {
  const { linkLayer, mtu, prefixes, dns } = advertisement;
  const parts = [fixedPart(advertisement)];
  if (linkLayer) parts.push(option(Option.SOURCE_LINK_LAYER_ADDRESS, linkLayer));
  if (mtu !== null) {
    const body = new Uint8Array(6);
    new DataView(body.buffer).setUint32(2, mtu);
    parts.push(option(Option.MTU, body));
  }
  for (const prefix of prefixes) parts.push(option(Option.PREFIX_INFORMATION, prefixBody(prefix)));
  if (dns?.servers.length) {
    const body = new Uint8Array(6 + dns.servers.length * 16);
    new DataView(body.buffer).setUint32(2, clampLifetime(dns.lifetime));
    dns.servers.forEach((server, index) => body.set(parseAddress(server).bytes, 6 + index * 16));
    parts.push(option(Option.RECURSIVE_DNS, body));
  }
  const message = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

/** Reachable time and retransmission timer stay 0: not specified by this router. */
function fixedPart({ hopLimit, routerLifetime }: RouterAdvertisement): Uint8Array {
  const fixed = new Uint8Array(16);
  fixed[0] = ROUTER_ADVERTISEMENT;
  fixed[4] = hopLimit;
  new DataView(fixed.buffer).setUint16(6, Math.min(0xffff, Math.max(0, Math.floor(routerLifetime))));
  return fixed;
}

function prefixBody(information: PrefixInformation): Uint8Array {
  const { bytes, length } = parsePrefix(information.prefix);
  const body = new Uint8Array(30);
  const view = new DataView(body.buffer);
  body[0] = length;
  body[1] = (information.onLink ? PREFIX_ON_LINK : 0) | (information.autonomous ? PREFIX_AUTONOMOUS : 0);
  view.setUint32(2, clampLifetime(information.validLifetime));
  view.setUint32(6, clampLifetime(information.preferredLifetime));
  body.set(bytes, 14);
  return body;
}

/** Type, length in units of 8 octets, body, zeros up to that. */
function option(type: number, body: Uint8Array): Uint8Array {
  const units = Math.ceil((2 + body.length) / 8);
  const octets = new Uint8Array(units * 8);
  octets.set([type, units]);
  octets.set(body, 2);
  return octets;
}

/** All ones would mean for ever. */
function clampLifetime(seconds: number): number {
  return Math.min(INFINITE - 1, Math.max(0, Math.floor(seconds)));
}
