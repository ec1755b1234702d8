/** Router Solicitations (RFC 4861 §4.1), received from mobile nodes on an access interface. */
import { type Icmp6Refusal, readIcmp6Packet } from './icmp6-packet.ts';

export const ROUTER_SOLICITATION = 133;
const FIXED_LENGTH = 8;
const SOURCE_LINK_LAYER_ADDRESS = 1;

export interface RouterSolicitation {
  /** 16 octets; null: the unspecified address, the node has none yet. */
  readonly source: Uint8Array | null;
  /** Link-layer address that the node names, null if it does not. */
  readonly linkLayer: Uint8Array | null;
}

export type SolicitationRefusal = Icmp6Refusal | 'otherMessage' | 'option';

/** Reads a whole IPv6 packet with the checks of RFC 4861 §6.1.1; what is wrong otherwise. */
export function readRouterSolicitation(packet: Uint8Array): RouterSolicitation | SolicitationRefusal {
  const icmp = readIcmp6Packet(packet);
  if (typeof icmp === 'string') return icmp;
  const { message } = icmp;
  if (message[0] !== ROUTER_SOLICITATION) return 'otherMessage';
  // "ICMP Code is 0", "ICMP length is 8 or more octets"
  if (message[1] !== 0 || message.length < FIXED_LENGTH) return 'malformed';
  let linkLayer: Uint8Array | null = null;
  for (let at = FIXED_LENGTH; at < message.length;) {
    // "All included options have a length that is greater than zero", in units of 8 octets.
    const length = (message[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > message.length) return 'option';
    if (message[at] === SOURCE_LINK_LAYER_ADDRESS) linkLayer ??= message.slice(at + 2, at + length);
    at += length;
  }
  const unspecified = icmp.source.every((octet) => octet === 0);
  // "If the IP source address is the unspecified address, there is no source link-layer address option"
  if (unspecified && linkLayer) return 'option';
  return { source: unspecified ? null : icmp.source.slice(), linkLayer };
}
