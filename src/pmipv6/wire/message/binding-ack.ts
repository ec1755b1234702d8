/** Binding Acknowledgement, with P set a Proxy Binding Acknowledgement (RFC 5213 §8.2). */
import { defineMessage, flagNames, type WithOptions } from '../message.ts';
import { LIFETIME_UNIT_S, MessageType, nameOf, Status } from '../numbers.ts';

export const AckFlag = {
  KEY_MANAGEMENT: 0x80,
  MOBILE_ROUTER: 0x40,
  PROXY: 0x20,
  TLV: 0x10,
  BULK: 0x08,
  MULTICAST: 0x04,
  DISTRIBUTED: 0x02,
} as const;

const ALL_FLAGS = 0xfe;
const LETTERS = [
  ['K', 0x80],
  ['R', 0x40],
  ['P', 0x20],
  ['T', 0x10],
  ['B', 0x08],
  ['S', 0x04],
  ['D', 0x02],
] as const;

export interface BindingAck extends WithOptions {
  readonly message: 'binding-ack';
  /** See Status; 128 and above reject. */
  readonly status: number;
  /** AckFlag bits. */
  readonly flags: number;
  readonly sequence: number;
  /** Granted, units of 4 s. */
  readonly lifetime: number;
}

export const bindingAck = defineMessage<BindingAck>({
  type: MessageType.BINDING_ACK,
  message: 'binding-ack',
  fixedLength: 12,
  decode: (fixed, options) => ({
    message: 'binding-ack',
    status: fixed.u8(),
    flags: fixed.u8() & ALL_FLAGS,
    sequence: fixed.u16(),
    lifetime: fixed.u16(),
    options,
  }),
  encode({ status, flags, sequence, lifetime }, writer) {
    writer.u8(status);
    writer.u8(flags & ALL_FLAGS);
    writer.u16(sequence);
    writer.u16(lifetime);
  },
  describe: ({ status, flags, sequence, lifetime }) =>
    `status ${nameOf(Status, status)}, seq ${sequence}, flags ${flagNames(LETTERS, flags)}, ` +
    `lifetime ${lifetime * LIFETIME_UNIT_S} s`,
});
