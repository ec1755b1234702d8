/** Handoff Indicator (RFC 5213 §8.4). */
import { Handoff, nameOf } from '../numbers.ts';
import { defineOption, NO_ALIGNMENT } from '../option-codec.ts';

export interface HandoffIndicator {
  readonly option: 'handoff-indicator';
  readonly indicator: number;
}

export const handoffIndicator = defineOption<HandoffIndicator>({
  type: 23,
  option: 'handoff-indicator',
  alignment: NO_ALIGNMENT,
  decode(value) {
    value.skip(1);
    return { option: 'handoff-indicator', indicator: value.u8() };
  },
  encode({ indicator }, writer) {
    writer.u8(0);
    writer.u8(indicator);
  },
  describe: ({ indicator }) => nameOf(Handoff, indicator),
});
