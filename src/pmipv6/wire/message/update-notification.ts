/** Update Notification and its acknowledgement (RFC 7077 §4). */
import { defineMessage, flagNames, type WithOptions } from '../message.ts';
import { MessageType, nameOf, NotificationReason } from '../numbers.ts';

export interface UpdateNotification extends WithOptions {
  readonly message: 'update-notification';
  readonly sequence: number;
  /** See NotificationReason. */
  readonly reason: number;
  /** A 0x8000: wants an answer; D 0x4000: a retransmission. */
  readonly flags: number;
}

export interface UpdateNotificationAck extends WithOptions {
  readonly message: 'update-notification-ack';
  readonly sequence: number;
  readonly status: number;
}

export const updateNotification = defineMessage<UpdateNotification>({
  type: MessageType.UPDATE_NOTIFICATION,
  message: 'update-notification',
  fixedLength: 12,
  decode: (fixed, options) => ({
    message: 'update-notification',
    sequence: fixed.u16(),
    reason: fixed.u16(),
    flags: fixed.u16() & 0xc000,
    options,
  }),
  encode({ sequence, reason, flags }, writer) {
    writer.u16(sequence);
    writer.u16(reason);
    writer.u16(flags & 0xc000);
  },
  describe: ({ sequence, reason, flags }) =>
    `reason ${nameOf(NotificationReason, reason)}, seq ${sequence}, flags ${flagNames(
      [
        ['A', 0x8000],
        ['D', 0x4000],
      ],
      flags,
    )}`,
});

export const updateNotificationAck = defineMessage<UpdateNotificationAck>({
  type: MessageType.UPDATE_NOTIFICATION_ACK,
  message: 'update-notification-ack',
  fixedLength: 12,
  decode(fixed, options) {
    const sequence = fixed.u16();
    const status = fixed.u8();
    fixed.skip(3);
    return { message: 'update-notification-ack', sequence, status, options };
  },
  encode({ sequence, status }, writer) {
    writer.u16(sequence);
    writer.u8(status);
    writer.zeros(3);
  },
  describe: ({ sequence, status }) => `status ${status}, seq ${sequence}`,
});
