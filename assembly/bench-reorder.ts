/** The resequencer alone on an arrival sequence, for bench/reorder.ts; a module of its own, nothing of it is in the hot path. */
import { BATCH, BUFFER_PACKET, CONFIG_PATH_LIST, SESSION_CONFIG, WORKER_NOW } from './layout';
import { allocateBuffer } from './memory/buffers';
import { deliveriesDone } from './pipeline/decapsulation';
import { arrive } from './reorder/arrivals';
import { settle } from './reorder/window';

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
      arrive(worker, session, path, buffer, buffer + BUFFER_PACKET, 1400, sequence, now);
    }
    settle(worker);
    while (deliveriesDone(worker, now));
    now += STEP;
  }
  return <f64>now;
}
