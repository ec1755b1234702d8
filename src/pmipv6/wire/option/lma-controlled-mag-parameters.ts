/** LMA-Controlled MAG Parameters (RFC 8127 §3): timers that the LMA sets on the MAG. */
import { hex, type OctetReader } from '../octets.ts';
import { defineOption } from '../option-codec.ts';

export interface LmaControlledMagParameters {
  readonly option: 'lma-controlled-mag-parameters';
  /** Binding re-registration control. */
  readonly registration: {
    /** How long before expiry to re-register, units of 4 s. */
    readonly start: number;
    /** Seconds. */
    readonly firstRetransmission: number;
    readonly maximumRetransmission: number;
  } | null;
  /** Heartbeat control. */
  readonly heartbeat: {
    /** Seconds. */
    readonly interval: number;
    readonly retransmissionDelay: number;
    readonly maximumRetransmissions: number;
  } | null;
  /** Sub-options of other types or lengths. */
  readonly others: readonly { readonly type: number; readonly data: Uint8Array }[];
}

const REGISTRATION = 1;
const HEARTBEAT = 2;

function triple(value: OctetReader): [number, number, number] {
  return [value.u16(), value.u16(), value.u16()];
}

export const lmaControlledMagParameters = defineOption<LmaControlledMagParameters>({
  type: 62,
  option: 'lma-controlled-mag-parameters',
  alignment: [4, 2],
  decode(value) {
    let registration: LmaControlledMagParameters['registration'] = null;
    let heartbeat: LmaControlledMagParameters['heartbeat'] = null;
    const others: { type: number; data: Uint8Array }[] = [];
    while (value.left) {
      const type = value.u8();
      const part = value.part(value.u8());
      if (type === REGISTRATION && part.left === 6 && !registration) {
        const [start, firstRetransmission, maximumRetransmission] = triple(part);
        registration = { start, firstRetransmission, maximumRetransmission };
      } else if (type === HEARTBEAT && part.left === 6 && !heartbeat) {
        const [interval, retransmissionDelay, maximumRetransmissions] = triple(part);
        heartbeat = { interval, retransmissionDelay, maximumRetransmissions };
      } else {
        others.push({ type, data: part.octets() });
      }
    }
    return { option: 'lma-controlled-mag-parameters', registration, heartbeat, others };
  },
  encode({ registration, heartbeat, others }, writer) {
    const write = (type: number, values: readonly number[]): void => {
      writer.u8(type);
      writer.u8(values.length * 2);
      for (const value of values) writer.u16(value);
    };
    if (registration) {
      const { start, firstRetransmission, maximumRetransmission } = registration;
      write(REGISTRATION, [start, firstRetransmission, maximumRetransmission]);
    }
    if (heartbeat) {
      const { interval, retransmissionDelay, maximumRetransmissions } = heartbeat;
      write(HEARTBEAT, [interval, retransmissionDelay, maximumRetransmissions]);
    }
    for (const { type, data } of others) {
      writer.u8(type);
      writer.u8(data.length);
      writer.octets(data);
    }
  },
  describe({ registration, heartbeat, others }) {
    const parts: string[] = [];
    if (registration) {
      parts.push(
        `re-register ${registration.start * 4} s before expiry, retransmit ${registration.firstRetransmission}` +
          `..${registration.maximumRetransmission} s`,
      );
    }
    if (heartbeat) {
      parts.push(
        `heartbeat every ${heartbeat.interval} s, retransmit after ${heartbeat.retransmissionDelay} s, ` +
          `${heartbeat.maximumRetransmissions} times`,
      );
    }
    return [...parts, ...others.map(({ type, data }) => `sub-option ${type} 0x${hex(data)}`)].join('; ');
  },
});
