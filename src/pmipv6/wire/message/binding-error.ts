/** Binding Error (RFC 6275 §6.1.9). */
import { defineMessage, type WithOptions } from '../message.ts';
import { BindingErrorStatus, MessageType, nameOf } from '../numbers.ts';

export interface BindingError extends WithOptions {
  readonly message: 'binding-error';
  /** See BindingErrorStatus. */
  readonly status: number;
  /** :: if not about a Home Address destination option. */
  readonly homeAddress: string;
}

export const bindingError = defineMessage<BindingError>({
  type: MessageType.BINDING_ERROR,
  message: 'binding-error',
  fixedLength: 24,
  decode(fixed, options) {
    const status = fixed.u8();
    fixed.skip(1);
    return { message: 'binding-error', status, homeAddress: fixed.address(16), options };
  },
  encode({ status, homeAddress }, writer) {
    writer.u8(status);
    writer.u8(0);
    writer.address(homeAddress, 16);
  },
  describe: ({ status, homeAddress }) =>
    `status ${nameOf(BindingErrorStatus, status)}, home address ${homeAddress}`,
});
