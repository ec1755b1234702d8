/** A path dies silently in mid-transfer, beside a UDP flow of a datagram every 20 ms. */
import { setTimeout as pause } from 'node:timers/promises';
import { iperf3 } from '../../src/lab/iperf3.ts';
import { startTraffic } from '../../src/lab/traffic.ts';
import { withLab } from './lab.ts';
import type { Figures, Setting } from './rows.ts';

const TRANSFER_S = 6;
const DEATH_AFTER_MS = 2500;
const WATCH_MS = 2500;
/** Goodput is taken over so long; it is back when such a window begins that has enough. */
const WINDOW_MS = 200;
const INTERACTIVE = { port: 5210, perSecond: 50, size: 120 } as const;
const DATAGRAMS = 5 * INTERACTIVE.perSecond;
/** What remains carries so many inner packets a second of full size when it is full; 90 % of it is wanted. */
const WANTED = (0.9 * 50e6) / 1500 / 8;

export function silentDeath(setting: Setting, congestion: string): Promise<Figures> {
  return withLab(setting, async (lab) => {
    const ends = lab.ends('uplink');
    const host = ends.destination;
    const sink = startTraffic<{ received: number }>({
      kind: 'udp-sink',
      namespace: ends.to,
      host,
      port: INTERACTIVE.port,
    });
    await sink.ready;
    const transfer = iperf3(ends, TRANSFER_S, 1, { congestion });
    const source = startTraffic<{ sent: number }>({
      kind: 'udp-source',
      namespace: ends.from,
      host,
      source: ends.source,
      count: DATAGRAMS,
      ...INTERACTIVE,
    });
    await pause(DEATH_AFTER_MS);
    let down = NaN;
    lab.mag.dataplane.on('event', (event) => {
      if (event.event === 'pathState' && event.to === 'down' && Number.isNaN(down)) down = performance.now();
    });
    const died = performance.now();
    for (const direction of ['uplink', 'downlink'] as const) {
      const loss = { model: 'random', probability: 1 } as const;
      lab.topology.wan.emulator!.change(lab.topology.wan.linkOf(1), direction, { loss });
    }
    const back = await whenBack(() => lab.lma.dataplane.status().workers[0]!.tunTxPackets, died);
    await transfer;
    await source.result;
    // What is still on its way.
    sink.finish(200);
    const { received } = await sink.result;
    return {
      'back ms': back,
      'UDP ms lost': ((DATAGRAMS - received) * 1000) / INTERACTIVE.perSecond,
      'noticed ms': down - died,
    };
  });
}

/** Milliseconds after `died` from which on the packets that `delivered` counts come fast enough again; Infinity: not in time. */
async function whenBack(delivered: () => number, died: number): Promise<number> {
  const seen: { at: number; packets: number }[] = [];
  while (performance.now() - died < WATCH_MS) {
    const now = { at: performance.now(), packets: delivered() };
    seen.push(now);
    while (seen.length > 1 && now.at - seen[1]!.at >= WINDOW_MS) seen.shift();
    const first = seen[0]!;
    const ms = now.at - first.at;
    // What was under way when the path died still comes for a while.
    if (ms >= WINDOW_MS && first.at - died > 50 && ((now.packets - first.packets) * 1000) / ms >= WANTED) {
      return first.at - died;
    }
    await pause(10);
  }
  return Infinity;
}
