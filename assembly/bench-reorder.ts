/** The resequencer alone on an arrival sequence, for bench/reorder.ts; a module of its own, nothing of it is in the hot path. */
import {
  BATCH,
  BUFFER_ARRIVAL,
  BUFFER_INNER,
  BUFFER_LENGTH,
  BUFFER_PACKET,
  BUFFER_SEQUENCE,
  BUFFER_SESSION,
  CONFIG_PATH_LIST,
  SESSION_CONFIG,
  SESSION_HEAD,
  WORKER_NOW,
} from './layout';
import { allocateBuffer } from './memory/buffers';
import { deliveriesDone } from './pipeline/decapsulation';
import { noteArrival } from './reorder/estimate';
import { distance } from './reorder/sequence';
import { offerHere, settle } from './reorder/window';

/** Between batches, microseconds. */
const STEP: u64 = 100;

/**
 * Puts `count` packets through the session's window and the delivery list, in batches as a worker does. The words at `arrivals` are
 * number << 1 | path; `base` is added to the numbers. Gives the time after the last batch.
 */
export function resequence(
  worker: u32,
  session: u32,
  arrivals: u32,
  count: u32,
  base: u32,
  startTime: f64,
): f64 {
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  let now = <u64>startTime;
  for (let done: u32 = 0; done < count; done += BATCH) {
    store<u64>(worker, now, WORKER_NOW);
    const end = min<u32>(done + BATCH, count);
    for (let i = done; i < end; i++) {
      const arrival = load<u32>(arrivals + (i << 2));
      const sequence = base + (arrival >> 1);
      const buffer = allocateBuffer(worker);
      if (!buffer) unreachable();
      const path = <usize>load<u32>(config + ((<usize>(arrival & 1)) << 2), CONFIG_PATH_LIST);
      store<u32>(buffer, <u32>(buffer + BUFFER_PACKET), BUFFER_INNER);
      store<u32>(buffer, 1400, BUFFER_LENGTH);
      store<u32>(buffer, sequence, BUFFER_SEQUENCE);
      store<u32>(buffer, session, BUFFER_SESSION);
      store<u64>(buffer, now, BUFFER_ARRIVAL);
      const late = distance(load<u32>(session, SESSION_HEAD), sequence) < 0;
      offerHere(worker, session, buffer);
      noteArrival(path, session, sequence, now, late);
    }
    settle(worker);
    while (deliveriesDone(worker, now));
    now += STEP;
  }
  return <f64>now;
}
