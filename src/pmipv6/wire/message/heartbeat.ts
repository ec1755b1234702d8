/** Heartbeat (RFC 5847 §3.3). */
import { defineMessage, type WithOptions } from '../message.ts';
import { MessageType } from '../numbers.ts';

export interface Heartbeat extends WithOptions {
  readonly message: 'heartbeat';
  /** R. */
  readonly response: boolean;
  /** U: a response that nobody asked for, sent after a restart. */
  readonly unsolicited: boolean;
  /** 32 bits. */
  readonly sequence: number;
}

export const heartbeat = defineMessage<Heartbeat>({
  type: MessageType.HEARTBEAT,
  message: 'heartbeat',
  fixedLength: 12,
  decode(fixed, options) {
    const flags = fixed.u16();
    return {
      message: 'heartbeat',
      response: (flags & 1) !== 0,
      unsolicited: (flags & 2) !== 0,
      sequence: fixed.u32(),
      options,
    };
  },
  encode({ response, unsolicited, sequence }, writer) {
    writer.u16((unsolicited ? 2 : 0) | (response ? 1 : 0));
    writer.u32(sequence);
  },
  describe: ({ response, unsolicited, sequence }) =>
    `${unsolicited ? 'unsolicited ' : ''}${response ? 'response' : 'request'}, seq ${sequence}`,
});
