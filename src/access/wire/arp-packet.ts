/** ARP for IPv4 over Ethernet (RFC 826): what nodes ask for and what they are asked; whatever they say is a sign of life. */

const ETHERNET = 1;
const IPV4 = 0x0800;
const LENGTH = 28;
const SENDER_HARDWARE_AT = 8;
const SENDER_ADDRESS_AT = 14;
const TARGET_HARDWARE_AT = 18;
const TARGET_ADDRESS_AT = 24;
const REQUEST = 1;
const REPLY = 2;

export interface ArpPacket {
  readonly operation: 'request' | 'reply';
  /** 6 octets. */
  readonly senderLinkLayer: Uint8Array;
  /** 4 octets. */
  readonly senderAddress: Uint8Array;
  readonly targetAddress: Uint8Array;
}

/** `targetLinkLayer` null: not known, as it is what a request asks for. */
export function encodeArpPacket(
  { operation, senderLinkLayer, senderAddress, targetAddress }: ArpPacket,
  targetLinkLayer: Uint8Array | null,
): Uint8Array {
  const packet = new Uint8Array(LENGTH);
  const view = new DataView(packet.buffer);
  view.setUint16(0, ETHERNET);
  view.setUint16(2, IPV4);
  packet.set([6, 4], 4);
  view.setUint16(6, operation === 'request' ? REQUEST : REPLY);
  packet.set(senderLinkLayer.subarray(0, 6), SENDER_HARDWARE_AT);
  packet.set(senderAddress, SENDER_ADDRESS_AT);
  if (targetLinkLayer) packet.set(targetLinkLayer.subarray(0, 6), TARGET_HARDWARE_AT);
  packet.set(targetAddress, TARGET_ADDRESS_AT);
  return packet;
}

/** Reads a packet of any octets; null: not ARP for IPv4 over Ethernet. */
export function readArpPacket(packet: Uint8Array): ArpPacket | null {
  if (packet.length < LENGTH) return null;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (view.getUint16(0) !== ETHERNET || view.getUint16(2) !== IPV4) return null;
  if (packet[4] !== 6 || packet[5] !== 4) return null;
  const operation = view.getUint16(6);
  if (operation !== REQUEST && operation !== REPLY) return null;
  return {
    operation: operation === REQUEST ? 'request' : 'reply',
    senderLinkLayer: packet.slice(SENDER_HARDWARE_AT, SENDER_ADDRESS_AT),
    senderAddress: packet.slice(SENDER_ADDRESS_AT, TARGET_HARDWARE_AT),
    targetAddress: packet.slice(TARGET_ADDRESS_AT, LENGTH),
  };
}
