/** NAT Detection (RFC 5555 §3.2.2). */
import { defineOption } from '../option-codec.ts';

export interface NatDetection {
  readonly option: 'nat-detection';
  /** F: UDP encapsulation is to be used. */
  readonly force: boolean;
  /** Seconds between keepalives; 0 is ignored, 0xffffffff: none are needed. */
  readonly refreshTime: number;
}

export const natDetection = defineOption<NatDetection>({
  type: 31,
  option: 'nat-detection',
  alignment: [4, 0],
  decode(value) {
    const force = (value.u16() & 0x8000) !== 0;
    return { option: 'nat-detection', force, refreshTime: value.u32() };
  },
  encode({ force, refreshTime }, writer) {
    writer.u16(force ? 0x8000 : 0);
    writer.u32(refreshTime);
  },
  describe: ({ force, refreshTime }) => `${force ? 'UDP encapsulation, ' : ''}refresh ${refreshTime} s`,
});
