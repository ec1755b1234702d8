/**
 * What a loss in one flow costs the others: 20 UDP flows of numbered, stamped datagrams are spread packet by packet over two paths of
 * different delay, of which one loses. In order means that every packet waits for those before it on the slower path; what counts is the
 * delay that packets of other flows have beyond that, of those that were sent in the shadow of a loss.
 */
import { median } from '../../src/lab/measurement.ts';
import type { FlowReport } from './flow-worker.ts';
import { flowOf, runFlows } from './flows.ts';
import { withLab } from './lab.ts';
import type { Figures, Setting } from './rows.ts';

const FLOWS = 20;
const PER_SECOND = 4000;
const SECONDS = 5;
const SIZE = 200;
const LOSS = 0.01;
/** Of the setting of the row. */
const DIFFERENCE_MS = 20;
/** A loss may hold up what was sent up to so long after it: the delay difference, and as much again. */
const SHADOW_MS = 2 * DIFFERENCE_MS;

export async function isolation(setting: Setting): Promise<Figures> {
  const slow = await addedDelay(setting, 1);
  const fast = await addedDelay(setting, 0);
  return {
    'times, loss on the slow path': slow / DIFFERENCE_MS,
    'times, loss on the fast path': fast / DIFFERENCE_MS,
  };
}

/** Milliseconds, 99th percentile, with loss on path `lossy`. */
function addedDelay(setting: Setting, lossy: number): Promise<number> {
  return withLab(setting, async (lab) => {
    const flows = { flows: FLOWS, perSecond: PER_SECOND, seconds: SECONDS, size: SIZE };
    const { emulator } = lab.topology.wan;
    const loss = { model: 'random', probability: LOSS } as const;
    emulator!.change(lab.topology.wan.linkOf(lossy), 'uplink', { loss });
    return judge(await runFlows(lab.ends('uplink'), flows));
  });
}

/** `sentMs` and `receivedMs` by number of the datagram, 0: did not come. */
export function judge({ sentMs, receivedMs }: FlowReport): number {
  const delays = Array.from(receivedMs, (received, i) => (received ? received - sentMs[i]! : NaN));
  const usual = median(delays.filter((delay) => delay >= 0));
  const shadow = Math.round((SHADOW_MS * PER_SECOND) / 1000);
  const added: number[] = [];
  delays.forEach((lost, i) => {
    if (!Number.isNaN(lost)) return;
    for (let j = i + 1; j <= Math.min(i + shadow, delays.length - 1); j++) {
      if (flowOf(j, FLOWS) !== flowOf(i, FLOWS) && delays[j]! >= 0)
        added.push(Math.max(0, delays[j]! - usual));
    }
  });
  added.sort((a, b) => a - b);
  return added[Math.ceil(added.length * 0.99) - 1] ?? NaN;
}
