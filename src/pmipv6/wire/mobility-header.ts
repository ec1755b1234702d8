/** The Mobility Header (RFC 6275 §6.1): whole messages to objects and back. */
import { TunloomError } from '../../errors.ts';
import type { MessageCodec } from './message.ts';
import { bindingAck } from './message/binding-ack.ts';
import { bindingError } from './message/binding-error.ts';
import { bindingUpdate } from './message/binding-update.ts';
import { heartbeat } from './message/heartbeat.ts';
import { revocation } from './message/revocation.ts';
import { updateNotification, updateNotificationAck } from './message/update-notification.ts';
import { IPPROTO_MH } from './numbers.ts';
import { BadValue, hex, OctetReader, OctetWriter } from './octets.ts';
import {
  decodeOptions,
  describeOption,
  encodeOptions,
  type MobilityOption,
  OptionOverrun,
} from './options.ts';

const CODECS = [
  bindingUpdate,
  bindingAck,
  bindingError,
  heartbeat,
  revocation,
  updateNotification,
  updateNotificationAck,
] as const;

/** A message of a type that this codec does not know; a receiver answers it with a Binding Error (RFC 6275 §9.2). */
export interface UnknownMessage {
  readonly message: 'unknown';
  readonly type: number;
  /** Everything behind the checksum. */
  readonly data: Uint8Array;
  readonly options: readonly MobilityOption[];
}

export type KnownMessage = ReturnType<(typeof CODECS)[number]['decode']>;
export type Message = KnownMessage | UnknownMessage;

type AnyCodec = MessageCodec<KnownMessage>;
const byType = new Map<number, AnyCodec>();
const byName = new Map<string, AnyCodec>();
for (const codec of CODECS as readonly unknown[] as readonly AnyCodec[]) {
  byType.set(codec.type, codec);
  byName.set(codec.message, codec);
}

export type DecodeFault =
  'TRUNCATED' | 'BAD_CHECKSUM' | 'BAD_PAYLOAD_PROTO' | 'BAD_HEADER_LENGTH' | 'BAD_MESSAGE' | 'BAD_OPTION';

/** The one error of decoding: what is wrong and at which octet of the Mobility Header. */
export class DecodeError extends TunloomError {
  declare readonly code: DecodeFault;
  readonly offset: number;

  constructor(code: DecodeFault, offset: number, message: string) {
    super(code, message);
    this.offset = offset;
  }
}

/** Source and destination of the IPv6 packet: 16 octets each. Not for IPv4, where UDP's checksum serves (RFC 5844 §4.1). */
export interface PseudoHeader {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

const NO_NEXT_HEADER = 59;
const CHECKSUM_AT = 4;

/**
 * Reads one message. Checks in the order of RFC 6275 §9.2; the checksum only if there is a pseudo header. Octets behind the
 * length that the header gives are ignored. Options of unknown types are kept; those with a bad value become `malformed`,
 * and what that means is for the receiver to say. Throws DecodeError, and nothing else, for any octets.
 */
export function decodeMessage(octets: Uint8Array, pseudoHeader?: PseudoHeader): Message {
  if (octets.length < 8) {
    throw new DecodeError(
      'TRUNCATED',
      octets.length,
      `Mobility Header of ${octets.length} octets, at least 8`,
    );
  }
  const length = (octets[1]! + 1) * 8;
  if (length > octets.length) {
    throw new DecodeError('TRUNCATED', 1, `Header Len says ${length} octets, there are ${octets.length}`);
  }
  const message = octets.subarray(0, length);
  if (pseudoHeader && mobilityChecksum(message, pseudoHeader) !== 0) {
    throw new DecodeError('BAD_CHECKSUM', CHECKSUM_AT, 'checksum of the Mobility Header is wrong');
  }
  const type = message[2]!;
  const codec = byType.get(type);
  if (!codec) return { message: 'unknown', type, data: message.slice(6), options: [] };
  if (message[0] !== NO_NEXT_HEADER) {
    throw new DecodeError('BAD_PAYLOAD_PROTO', 0, `Payload Proto is ${message[0]}, not ${NO_NEXT_HEADER}`);
  }
  if (length < codec.fixedLength) {
    throw new DecodeError(
      'BAD_HEADER_LENGTH',
      1,
      `${codec.message} of ${length} octets, at least ${codec.fixedLength}`,
    );
  }
  try {
    const options = decodeOptions(message, codec.fixedLength);
    return codec.decode(new OctetReader(message, 6, codec.fixedLength), options);
  } catch (error) {
    if (error instanceof OptionOverrun) throw new DecodeError('BAD_OPTION', error.offset, error.message);
    if (error instanceof BadValue)
      throw new DecodeError('BAD_MESSAGE', 6, `${codec.message}: ${error.message}`);
    throw error;
  }
}

/**
 * Writes one message; with a pseudo header its checksum, otherwise 0. Throws BAD_FIELD, BAD_ADDRESS or, beyond 2048
 * octets, BAD_FIELD.
 */
export function encodeMessage(message: Message, pseudoHeader?: PseudoHeader): Uint8Array {
  const writer = new OctetWriter();
  writer.u8(NO_NEXT_HEADER);
  writer.u8(0);
  if (message.message === 'unknown') {
    writer.u8(message.type);
    writer.zeros(3);
    writer.octets(message.data);
    writer.zeros((8 - (writer.length % 8)) % 8);
  } else {
    const codec = byName.get(message.message)!;
    writer.u8(codec.type);
    writer.zeros(3);
    codec.encode(message, writer);
    encodeOptions(message.options, writer);
  }
  if (writer.length > 2048) {
    throw new TunloomError('BAD_FIELD', `message of ${writer.length} octets, at most 2048 fit`);
  }
  writer.patch8(1, writer.length / 8 - 1);
  const octets = writer.finish();
  if (pseudoHeader) writeChecksum(octets, pseudoHeader);
  return octets;
}

/** Where the options of a message start; null for a type that this codec does not know. */
export function optionsOffset(message: Uint8Array): number | null {
  return byType.get(message[2] ?? 0)?.fixedLength ?? null;
}

/** Puts the checksum into a message whose checksum field is 0. */
export function writeChecksum(message: Uint8Array, pseudoHeader: PseudoHeader): void {
  const sum = mobilityChecksum(message, pseudoHeader);
  message[CHECKSUM_AT] = sum >> 8;
  message[CHECKSUM_AT + 1] = sum & 255;
}

/** Internet checksum over IPv6 pseudo header and message (RFC 6275 §6.1.1); 0 over a message that has the right one. */
export function mobilityChecksum(message: Uint8Array, { source, destination }: PseudoHeader): number {
  let sum = IPPROTO_MH + message.length;
  for (const part of [source, destination, message]) {
    for (let i = 0; i + 1 < part.length; i += 2) sum += (part[i]! << 8) | part[i + 1]!;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** One line, as tcpdump would: name, fixed part, and every option's name. */
export function summarizeMessage(message: Message): string {
  if (message.message === 'unknown')
    return `mobility message ${message.type}, ${message.data.length + 6} octets`;
  const options = message.options.map(describeOption);
  return [nameAndFixedPart(message), ...options].join('; ');
}

/** One line for the fixed part and an indented one for each option. */
export function describeMessage(message: Message): string {
  if (message.message === 'unknown') return `mobility message ${message.type} 0x${hex(message.data)}`;
  return [nameAndFixedPart(message), ...message.options.map((option) => `  ${describeOption(option)}`)].join(
    '\n',
  );
}

function nameAndFixedPart(message: KnownMessage): string {
  return `${messageName(message)}: ${byName.get(message.message)!.describe(message)}`;
}

/** Short name: PBU, PBA, BU, BA, BRI, BRA, HB, BE, UPN, UPA. */
export function messageName(message: Message): string {
  switch (message.message) {
    case 'binding-update':
      return message.flags & 0x0200 ? 'PBU' : 'BU';
    case 'binding-ack':
      return message.flags & 0x20 ? 'PBA' : 'BA';
    case 'binding-error':
      return 'BE';
    case 'heartbeat':
      return 'HB';
    case 'revocation':
      return message.acknowledgement ? 'BRA' : 'BRI';
    case 'update-notification':
      return 'UPN';
    case 'update-notification-ack':
      return 'UPA';
    case 'unknown':
      return `MH ${message.type}`;
  }
}
