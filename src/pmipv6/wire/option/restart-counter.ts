/** Restart Counter of a heartbeat response (RFC 5847 §3.4). */
import { defineOption } from '../option-codec.ts';

export interface RestartCounter {
  readonly option: 'restart-counter';
  readonly counter: number;
}

export const restartCounter = defineOption<RestartCounter>({
  type: 28,
  option: 'restart-counter',
  alignment: [4, 2],
  decode: (value) => ({ option: 'restart-counter', counter: value.u32() }),
  encode: ({ counter }, writer) => writer.u32(counter),
  describe: ({ counter }) => String(counter),
});
