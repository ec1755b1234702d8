/** Binding Revocation Indication and Acknowledgement (RFC 5846 §5): one MH type, told apart by the octet that follows. */
import { defineMessage, flagNames, type WithOptions } from '../message.ts';
import { MessageType, nameOf, RevocationStatus, RevocationTrigger } from '../numbers.ts';
import { BadValue } from '../octets.ts';

export const RevocationFlag = { PROXY: 0x8000, IPV4_ONLY: 0x4000, GLOBAL: 0x2000 } as const;

const ALL_FLAGS = 0xe000;
const LETTERS = [
  ['P', 0x8000],
  ['V', 0x4000],
  ['G', 0x2000],
] as const;

export interface Revocation extends WithOptions {
  readonly message: 'revocation';
  /** false: indication (BRI), true: acknowledgement (BRA). */
  readonly acknowledgement: boolean;
  /** BRI: RevocationTrigger; BRA: RevocationStatus. */
  readonly code: number;
  readonly sequence: number;
  /** RevocationFlag bits. */
  readonly flags: number;
}

export const revocation = defineMessage<Revocation>({
  type: MessageType.REVOCATION,
  message: 'revocation',
  fixedLength: 12,
  decode(fixed, options) {
    const type = fixed.u8();
    if (type !== 1 && type !== 2) throw new BadValue(`binding revocation of type ${type}`);
    return {
      message: 'revocation',
      acknowledgement: type === 2,
      code: fixed.u8(),
      sequence: fixed.u16(),
      flags: fixed.u16() & ALL_FLAGS,
      options,
    };
  },
  encode({ acknowledgement, code, sequence, flags }, writer) {
    writer.u8(acknowledgement ? 2 : 1);
    writer.u8(code);
    writer.u16(sequence);
    writer.u16(flags & ALL_FLAGS);
  },
  describe: ({ acknowledgement, code, sequence, flags }) =>
    (acknowledgement
      ? `acknowledgement, status ${nameOf(RevocationStatus, code)}`
      : `indication, trigger ${nameOf(RevocationTrigger, code)}`) +
    `, seq ${sequence}, flags ${flagNames(LETTERS, flags)}`,
});
