/** Binding Update, with P set a Proxy Binding Update (RFC 5213 §8.1, RFC 6275 §6.1.7). */
import { defineMessage, flagNames, type WithOptions } from '../message.ts';
import { LIFETIME_UNIT_S, MessageType } from '../numbers.ts';

/** Flag bits; 0x0040 is the B of RFC 6602, in PMIPv6 never the O of RFC 5648. */
export const UpdateFlag = {
  ACKNOWLEDGE: 0x8000,
  HOME_REGISTRATION: 0x4000,
  LINK_LOCAL: 0x2000,
  KEY_MANAGEMENT: 0x1000,
  MAP_REGISTRATION: 0x0800,
  MOBILE_ROUTER: 0x0400,
  PROXY: 0x0200,
  FORCE_UDP: 0x0100,
  TLV: 0x0080,
  BULK: 0x0040,
  MULTICAST: 0x0020,
  DISTRIBUTED: 0x0010,
} as const;

const ALL_FLAGS = 0xfff0;
const LETTERS = [
  ['A', 0x8000],
  ['H', 0x4000],
  ['L', 0x2000],
  ['K', 0x1000],
  ['M', 0x0800],
  ['R', 0x0400],
  ['P', 0x0200],
  ['F', 0x0100],
  ['T', 0x0080],
  ['B', 0x0040],
  ['S', 0x0020],
  ['D', 0x0010],
] as const;

export interface BindingUpdate extends WithOptions {
  readonly message: 'binding-update';
  readonly sequence: number;
  /** UpdateFlag bits. */
  readonly flags: number;
  /** Units of 4 s; 0 de-registers. */
  readonly lifetime: number;
}

export const bindingUpdate = defineMessage<BindingUpdate>({
  type: MessageType.BINDING_UPDATE,
  message: 'binding-update',
  fixedLength: 12,
  decode: (fixed, options) => ({
    message: 'binding-update',
    sequence: fixed.u16(),
    flags: fixed.u16() & ALL_FLAGS,
    lifetime: fixed.u16(),
    options,
  }),
  encode({ sequence, flags, lifetime }, writer) {
    writer.u16(sequence);
    writer.u16(flags & ALL_FLAGS);
    writer.u16(lifetime);
  },
  describe: ({ sequence, flags, lifetime }) =>
    `seq ${sequence}, flags ${flagNames(LETTERS, flags)}, lifetime ${lifetime * LIFETIME_UNIT_S} s`,
});
