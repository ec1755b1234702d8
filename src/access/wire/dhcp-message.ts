/** DHCPv4 messages (RFC 2131 §2, options of RFC 2132): octets of the UDP payload to objects and back. */
import { TunloomError } from '../../errors.ts';
import { formatAddress, parseAddress } from '../../ip.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

export const DhcpType = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;

/** Numbers of RFC 2132 that we use. */
export const DhcpOption = {
  PAD: 0,
  SUBNET_MASK: 1,
  ROUTER: 3,
  DNS: 6,
  INTERFACE_MTU: 26,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  OVERLOAD: 52,
  MESSAGE_TYPE: 53,
  SERVER_IDENTIFIER: 54,
  PARAMETER_REQUEST: 55,
  RENEWAL_TIME: 58,
  REBINDING_TIME: 59,
  CLIENT_IDENTIFIER: 61,
  END: 255,
} as const;

export interface DhcpMessage {
  /** 1 from clients, 2 from servers. */
  readonly op: number;
  readonly type: number;
  readonly transaction: number;
  readonly seconds: number;
  /** The client cannot take unicast before it has an address. */
  readonly broadcast: boolean;
  readonly clientAddress: string;
  readonly yourAddress: string;
  readonly relayAddress: string;
  /** chaddr: of Ethernet, 6 octets. */
  readonly hardwareAddress: Uint8Array;
  /** All but the message type, pieces of one option put together (RFC 3396). */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

export const UNSPECIFIED = '0.0.0.0';
const ETHERNET = 1;
const COOKIE = 0x6382_5363;
const SNAME_AT = 44;
const FILE_AT = 108;
const COOKIE_AT = 236;
const OPTIONS_AT = 240;
/** What a BOOTP client must be able to take (RFC 951, RFC 1542 §2.1). */
const LEAST_SIZE = 300;

/** Throws BAD_DHCP naming the octet, and nothing else, for octets that are no DHCP message over Ethernet. */
export function decodeDhcp(octets: Uint8Array): DhcpMessage {
  if (octets.length < OPTIONS_AT) throw bad(octets.length, `${octets.length} octets, at least ${OPTIONS_AT}`);
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const [op, hardwareType, hardwareLength] = octets;
  if (op !== 1 && op !== 2) throw bad(0, `op is ${op}`);
  if (hardwareType !== ETHERNET || hardwareLength !== 6) throw bad(1, 'the hardware is not Ethernet');
  if (view.getUint32(COOKIE_AT) !== COOKIE) throw bad(COOKIE_AT, 'no magic cookie: BOOTP is not served');
  const options = new Map<number, Uint8Array>();
  readOptions(octets, OPTIONS_AT, octets.length, options);
  // RFC 2131 §4.1: first the options field, then file, then sname.
  const overload = options.get(DhcpOption.OVERLOAD)?.[0] ?? 0;
  if (overload & 1) readOptions(octets, FILE_AT, COOKIE_AT, options);
  if (overload & 2) readOptions(octets, SNAME_AT, FILE_AT, options);
  const type = options.get(DhcpOption.MESSAGE_TYPE);
  if (type?.length !== 1) throw bad(OPTIONS_AT, 'no message type: BOOTP is not served');
  options.delete(DhcpOption.MESSAGE_TYPE);
  options.delete(DhcpOption.OVERLOAD);
  const address = (at: number): string => formatAddress(octets.subarray(at, at + 4));
  return {
    op,
    type: type[0]!,
    transaction: view.getUint32(4),
    seconds: view.getUint16(8),
    broadcast: (octets[10]! & 0x80) !== 0,
    clientAddress: address(12),
    yourAddress: address(16),
    relayAddress: address(24),
    hardwareAddress: octets.slice(28, 34),
    options,
  };
}

export function encodeDhcp(message: DhcpMessage): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(DhcpOption.MESSAGE_TYPE, 1, message.type)];
  for (const [number, value] of message.options) {
    // An option of more than 255 octets is cut (RFC 3396 §5).
    for (let at = 0; at === 0 || at < value.length; at += 255) {
      const piece = value.subarray(at, at + 255);
      parts.push(Uint8Array.of(number, piece.length), piece);
    }
  }
  parts.push(Uint8Array.of(DhcpOption.END));
  const size = OPTIONS_AT + parts.reduce((sum, part) => sum + part.length, 0);
  const octets = new Uint8Array(Math.max(LEAST_SIZE, size));
  const view = new DataView(octets.buffer);
  octets.set([message.op, ETHERNET, 6]);
  view.setUint32(4, message.transaction);
  view.setUint16(8, message.seconds);
  octets[10] = message.broadcast ? 0x80 : 0;
  octets.set(parseAddress(message.clientAddress).bytes, 12);
  octets.set(parseAddress(message.yourAddress).bytes, 16);
  octets.set(parseAddress(message.relayAddress).bytes, 24);
  octets.set(message.hardwareAddress.subarray(0, 6), 28);
  view.setUint32(COOKIE_AT, COOKIE);
  let at = OPTIONS_AT;
  for (const part of parts) {
    octets.set(part, at);
    at += part.length;
  }
  return octets;
}

/** Adds what stands in octets `from` to `to` to `options`. */
function readOptions(octets: Uint8Array, from: number, to: number, options: Map<number, Uint8Array>): void {
  for (let at = from; at < to;) {
    const number = octets[at]!;
    if (number === DhcpOption.END) return;
    if (number === DhcpOption.PAD) {
      at++;
      continue;
    }
    const length = octets[at + 1];
    if (at + 1 >= to || length === undefined || at + 2 + length > to) {
      throw bad(at, `option ${number} is cut off`);
    }
    const value = octets.slice(at + 2, at + 2 + length);
    const before = options.get(number);
    options.set(number, before ? Uint8Array.of(...before, ...value) : value);
    at += 2 + length;
  }
}

function bad(octet: number, reason: string): TunloomError {
  return new TunloomError('BAD_DHCP', `DHCP message, octet ${octet}: ${reason}`);
}
