/** TCP through the tunnels by iperf3(1): goodput as a part of what the links can carry of it, and changes of state meanwhile. */
import { iperf3 } from '../../src/lab/iperf3.ts';
import { withLab } from './lab.ts';
import type { Setting } from './rows.ts';

const SECONDS = 6;
/** udp-gre over IPv4 leaves 1456 octets; IPv6 and TCP with timestamps take 72 of them. The emulator's rates count IP octets. */
const EFFICIENCY = (1456 - 72) / 1500;

export interface TransferOptions {
  /** Bits a second of the links together, IP octets. */
  readonly capacity: number;
  readonly streams?: number;
  /** Seconds of another transfer before the one that counts. */
  readonly warmUp?: number;
  readonly seconds?: number;
}

/** Percent of the capacity without headers, slow start included; NaN if iperf3 failed. */
export function transfer(setting: Setting, congestion: string, options: TransferOptions): Promise<number> {
  const { capacity, streams = 1, warmUp = 0, seconds = SECONDS } = options;
  return withLab(setting, async (lab) => {
    const ends = lab.ends('uplink');
    if (warmUp) await iperf3(ends, warmUp, streams, { congestion });
    const result = await iperf3(ends, seconds, streams, { congestion });
    return ((result?.bitsPerSecond ?? NaN) / (capacity * EFFICIENCY)) * 100;
  });
}

/** Changes of state of any path at either end in `seconds` from idle to full. */
export function stateChanges(setting: Setting, congestion: string, seconds: number): Promise<number> {
  return withLab(setting, async (lab) => {
    let changes = 0;
    for (const end of [lab.mag, lab.lma]) {
      end.dataplane.on('event', ({ event }) => {
        if (event === 'pathState') changes++;
      });
    }
    const result = await iperf3(lab.ends('uplink'), seconds, 1, { congestion });
    return result ? changes : NaN;
  });
}
