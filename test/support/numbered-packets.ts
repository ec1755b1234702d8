/** Two ends between which numbered packets travel in whatever order a test of the resequencer wants. */
import * as L from '../../assembly/layout.ts';
import type { ResequencerSpec } from '../../src/dataplane/session-spec.ts';
import { BenchNode, type SentPacket } from './bench-node.ts';
import { innerPacket } from './inner-packet.ts';
import { mirrored, testPath, testSession } from './session.ts';

/** Of the sessions here, in microseconds. */
export const MAX_WAIT = 50_000;

/** Ends of one session with two paths, as the tests of the resequencer want it unless they say otherwise. */
export function pair(resequencer: Partial<ResequencerSpec> = {}): { mag: BenchNode; lma: BenchNode } {
  const session = testSession({
    paths: [testPath(1), testPath(2)],
    resequencer: {
      window: 64,
      minWaitUs: 1000,
      maxWaitUs: MAX_WAIT,
      late: 'deliver',
      provenLoss: true,
      ...resequencer,
    },
  });
  return { mag: new BenchNode('mag').add(session), lma: new BenchNode('lma').add(mirrored(session)) };
}

/** Packets that carry their own number, sent from `first` on. */
export function numbered(mag: BenchNode, first: number, count: number): SentPacket[] {
  const packets = Array.from({ length: count }, (_, i) => {
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, first + i);
    return innerPacket({ family: 4, payload });
  });
  return mag.encapsulate(packets).sent;
}

export function numberOf(packet: Uint8Array): number {
  return new DataView(packet.buffer, packet.byteOffset).getUint32(28);
}

/** Lets packets of `sent` arrive in this order; the numbers that are delivered. */
export function deliver(lma: BenchNode, sent: readonly SentPacket[], order: readonly number[]): number[] {
  return order.flatMap((i) => lma.decapsulate(sent[i]!.endpoint, [sent[i]!.bytes]).map(numberOf));
}

/** Puts the next ticket of the MAG's session at `ticket`. */
export function startAt(mag: BenchNode, ticket: bigint): void {
  mag.memory.u64[(mag.memory.session(0) + L.SESSION_TICKET) / 8] = ticket;
}

/** The control thread has learned that the far end numbers its packets anew. */
export function renumber(lma: BenchNode): void {
  lma.memory.u32[(lma.memory.session(0) + L.SESSION_RENUMBERED) / 4] = 1;
}

/** Lets time pass up to `to`, serving deadlines; `collect` gets what each of them delivers, while the clock shows when. */
export function collectUntil(lma: BenchNode, to: number, collect: (packets: Uint8Array[]) => void): void {
  for (;;) {
    const deadline = lma.wasm.nextDeadline(lma.worker);
    if (!deadline || deadline > to) break;
    lma.now = Math.max(lma.now, deadline);
    lma.wasm.expire(lma.worker, lma.now, lma.now);
    collect(lma.deliveries());
    if (lma.wasm.nextDeadline(lma.worker) === deadline) break;
  }
  lma.now = Math.max(lma.now, to);
}
