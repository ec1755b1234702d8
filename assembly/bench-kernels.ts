/**
 * Parts of the hot path many times in one call, for the benches alone (bench/twins.ts). A module of its own, compiled by the
 * bench; nothing of it is in the hot path.
 */
import { BATCH, BUFFER_PACKET, CONFIG_PATH_LIST, SESSION_CONFIG, WORKER_NOW } from './layout';
import { findSession6 } from './classify/prefix-table';
import { allocateBuffer } from './memory/buffers';
import { deliveriesDone } from './pipeline/decapsulation';
import { arrive } from './reorder/arrivals';
import { settle } from './reorder/window';

/** Looks `count` IPv6 addresses of 16 octets up, from `at` on; the sum of what was found, so that nothing is left out. */
export function findSessions6(at: u32, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) sum += findSession6(<usize>(at + (i << 4)));
  return sum;
}

/**
 * `batches` batches of decapsulated packets through the resequencer, 100 µs apart and numbered from `from` on; the octets at
 * `order` say in which order a batch's numbers come. Odd ones come on the session's second path.
 */
export function resequence(
  worker: u32,
  session: u32,
  order: u32,
  from: u32,
  batches: u32,
  startTime: f64,
): void {
  const config = <usize>atomic.load<u32>(session, SESSION_CONFIG);
  let now = <u64>startTime;
  for (let batch: u32 = 0; batch < batches; batch++) {
    store<u64>(worker, now, WORKER_NOW);
    for (let i: u32 = 0; i < <u32>BATCH; i++) {
      const place = <u32>load<u8>(order + i);
      const sequence = from + place;
      const buffer = allocateBuffer(worker);
      const path = <usize>load<u32>(config + ((<usize>(place & 1)) << 2), CONFIG_PATH_LIST);
      arrive(worker, session, path, buffer, buffer + BUFFER_PACKET, 1400, sequence, now);
    }
    settle(worker);
    deliveriesDone(worker, now);
    from += BATCH;
    now += 100;
  }
}

/** Copies `count` packets of `length` octets, 2048 apart. */
export function copyPackets(to: u32, from: u32, length: u32, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    memory.copy(<usize>to + ((<usize>i) << 11), <usize>from + ((<usize>i) << 11), length);
  }
}
