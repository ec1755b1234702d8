/** Neighbour Solicitations and Advertisements (RFC 4861 §4.3, 4.4): the former to ask whether a node is still there, both as its sign of life. */
import { type Icmp6Refusal, readIcmp6Packet } from './icmp6-packet.ts';

export const NEIGHBOUR_SOLICITATION = 135;
export const NEIGHBOUR_ADVERTISEMENT = 136;
const FIXED_LENGTH = 24;
const TARGET_AT = 8;
const SOURCE_LINK_LAYER_ADDRESS = 1;

export interface NeighbourMessage {
  /** 16 octets; null: the unspecified address, the node is about to choose one (RFC 4862 §5.4). */
  readonly source: Uint8Array | null;
}

export type NeighbourRefusal = Icmp6Refusal | 'otherMessage' | 'option';

/** The ICMPv6 message with checksum 0, from a node that has `linkLayer` itself (null: not told). */
export function encodeNeighbourSolicitation(target: Uint8Array, linkLayer: Uint8Array | null): Uint8Array {
  const message = new Uint8Array(FIXED_LENGTH + (linkLayer ? 8 : 0));
  message[0] = NEIGHBOUR_SOLICITATION;
  message.set(target, TARGET_AT);
  if (linkLayer) message.set([SOURCE_LINK_LAYER_ADDRESS, 1, ...linkLayer.subarray(0, 6)], FIXED_LENGTH);
  return message;
}

/** Reads a whole IPv6 packet with the checks of RFC 4861 §7.1 that concern a sign of life; what is wrong otherwise. */
export function readNeighbourMessage(packet: Uint8Array): NeighbourMessage | NeighbourRefusal {
  const icmp = readIcmp6Packet(packet);
  if (typeof icmp === 'string') return icmp;
  const { message, source } = icmp;
  if (message[0] !== NEIGHBOUR_SOLICITATION && message[0] !== NEIGHBOUR_ADVERTISEMENT) return 'otherMessage';
  if (message[1] !== 0 || message.length < FIXED_LENGTH) return 'malformed';
  // "Target Address is not a multicast address"
  if (message[TARGET_AT] === 0xff) return 'malformed';
  for (let at = FIXED_LENGTH; at < message.length;) {
    const length = (message[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > message.length) return 'option';
    at += length;
  }
  return { source: source.every((octet) => octet === 0) ? null : source.slice() };
}
