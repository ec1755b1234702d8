/**
 * What the resequencer knows about its paths: how late packets usually are behind later numbers (which sets the wait
 * at a gap), and up to which number every live path has delivered (which proves older ones lost without waiting).
 */
import {
  CONFIG_MAX_WAIT,
  CONFIG_MIN_WAIT,
  CONFIG_PATH_COUNT,
  CONFIG_PATH_LIST,
  PATH_RX_HIGHEST,
  PATH_RX_PATIENCE,
  PATH_RX_PROBED,
  PATH_RX_SEEN,
  PATH_RX_SLACK,
  PATH_RX_SLACK_TIME,
  PATH_RX_SPACING,
  PATH_RX_CLOCK,
  SESSION_CLOCK,
  SESSION_HIGHEST,
  SESSION_LATENESS,
  SESSION_LATENESS_SAMPLES,
  SESSION_LATENESS_TIME,
} from '../layout';
import { storeShared } from '../memory/shared';
import { distance, elapsed } from './sequence';

/** A path's slack halves when it has not been needed for this long. */
const SLACK_HALF_LIFE: u64 = 1_000_000;
/** The lateness peak halves when it has not been reached for this long. */
const LATENESS_HALF_LIFE: u64 = 1_000_000;
/** A path is taken for silent after this many times its usual spacing. */
const SILENT_SPACINGS: u32 = 4;

/** A path over which a probe came so recently is alive, and may be used at any moment. */
const ALIVE: u64 = 300_000;

/** How long a path whose packets came although they had been given up is not taken for silent again. */
const PATIENCE: u64 = 10_000_000;

/**
 * Notes the arrival of `sequence` on a path. Called after the packet is in the ring: the proof relies on it. `late`: it had been
 * given up; on a path that keeps its own order this means that the path was slow or had been idle, as some schedulers let it be.
 */
// @ts-ignore: decorator
@inline
export function noteArrival(
  path: usize,
  session: usize,
  mask: u32,
  sequence: u32,
  now: u64,
  late: bool,
): void {
  store<u64>(path, load<u64>(session, SESSION_CLOCK), PATH_RX_CLOCK);
  if (!load<u32>(path, PATH_RX_SEEN)) {
    storeShared<u32>(path + PATH_RX_HIGHEST, sequence);
    store<u32>(path, 1, PATH_RX_SEEN);
    return;
  }
  const step = distance(load<u32>(path, PATH_RX_HIGHEST), sequence);
  if (step > 0) {
    if (late) store<u64>(path, now + PATIENCE, PATH_RX_PATIENCE);
    store<u32>(path, nextSpacing(load<u32>(path, PATH_RX_SPACING), step, mask), PATH_RX_SPACING);
    storeShared<u32>(path + PATH_RX_HIGHEST, sequence);
  } else {
    noteBehind(path, sequence, step, mask, now);
  }
}

/** The spacing of a path whose highest number has risen by `step`; 0 only before the second packet of a path. */
// @ts-ignore: decorator
@inline
export function nextSpacing(spacing: u32, step: i32, mask: u32): u32 {
  return max<u32>(spacing - (spacing >> 3), min<u32>(<u32>step, mask + 1));
}

/** Notes a packet that is `step` (0 or less) numbers from the path's highest. */
// @ts-ignore: decorator
@inline
export function noteBehind(path: usize, sequence: u32, step: i32, mask: u32, now: u64): void {
  if (step < -(<i32>mask)) {
    // Not reordering but a new beginning.
    storeShared<u32>(path + PATH_RX_HIGHEST, sequence);
  } else if (<u32>-step > load<u32>(path, PATH_RX_SLACK)) {
    store<u32>(path, <u32>-step, PATH_RX_SLACK);
    store<u64>(path, now, PATH_RX_SLACK_TIME);
  }
}

/**
 * Numbers before `head + provenAhead(...)` are lost: every live path has delivered a later one, and paths are FIFO
 * up to their slack. 0 or less: nothing is proven. A path that others have left behind for the maximum wait, although it
 * ought to have delivered something, is silent and does not count; before that it keeps everything unproven, and so it does
 * while probes come over it: schedulers that look at delays use a slow path when they need it. The time is
 * that of SESSION_CLOCK: after a pause of the whole session the first path to deliver does not make the others silent.
 */
export function provenAhead(session: usize, config: usize, head: u32, now: u64): i32 {
  const maxWait = <u64>load<u32>(config, CONFIG_MAX_WAIT);
  const count = load<u32>(config, CONFIG_PATH_COUNT);
  const highest = atomic.load<u32>(session, SESSION_HIGHEST);
  const clock = load<u64>(session, SESSION_CLOCK);
  let proven: i32 = i32.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    const path = <usize>load<u32>(config + ((<usize>i) << 2), CONFIG_PATH_LIST);
    const seen = load<u32>(path, PATH_RX_SEEN);
    const pathHighest = atomic.load<u32>(path, PATH_RX_HIGHEST);
    const silent = elapsed(load<u64>(path, PATH_RX_CLOCK), clock) > maxWait;
    if (!seen || silent) {
      const missing = distance(pathHighest, highest);
      const expected = <i32>(SILENT_SPACINGS * load<u32>(path, PATH_RX_SPACING));
      if (!silent || (seen && missing <= expected) || now < load<u64>(path, PATH_RX_PATIENCE)) return 0;
      const probed = load<u64>(path, PATH_RX_PROBED);
      if (probed && elapsed(probed, now) < ALIVE) return 0;
      continue;
    }
    proven = min<i32>(proven, distance(head, pathHighest - currentSlack(path, now)));
  }
  return proven == i32.MAX_VALUE ? 0 : proven;
}

function currentSlack(path: usize, now: u64): u32 {
  const slack = load<u32>(path, PATH_RX_SLACK);
  if (slack && elapsed(load<u64>(path, PATH_RX_SLACK_TIME), now) > SLACK_HALF_LIFE) {
    store<u32>(path, slack >> 1, PATH_RX_SLACK);
    store<u64>(path, now, PATH_RX_SLACK_TIME);
  }
  return slack;
}

/**
 * Takes a measured lateness (RFC 4737 §4.2.2, late time) in microseconds. What counts is the worst of late, not the mean:
 * a wait that is too short by little reorders as much as none. So the peak is held and halves every second.
 */
export function noteLateness(session: usize, sample: u32, now: u64): void {
  noteLatenesses(session, 1, sample, now);
}

/** The same for `count` samples of one moment, of which `sample` is the greatest. */
export function noteLatenesses(session: usize, count: u32, sample: u32, now: u64): void {
  const samples = load<u32>(session, SESSION_LATENESS_SAMPLES);
  store<u32>(session, samples + min<u32>(count, u32.MAX_VALUE - samples), SESSION_LATENESS_SAMPLES);
  const peak = load<u32>(session, SESSION_LATENESS);
  if (sample > peak) {
    store<u32>(session, sample, SESSION_LATENESS);
    store<u64>(session, now, SESSION_LATENESS_TIME);
  } else if (elapsed(load<u64>(session, SESSION_LATENESS_TIME), now) > LATENESS_HALF_LIFE) {
    store<u32>(session, max<u32>(peak >> 1, sample), SESSION_LATENESS);
    store<u64>(session, now, SESSION_LATENESS_TIME);
  }
}

/** How long a packet may be held now, in microseconds: the peak, a quarter more, and the minimum, within the bounds. */
export function currentWait(session: usize, config: usize): u32 {
  const maxWait = load<u32>(config, CONFIG_MAX_WAIT);
  if (!load<u32>(session, SESSION_LATENESS_SAMPLES)) return maxWait;
  const peak = load<u32>(session, SESSION_LATENESS);
  return min<u32>(peak + (peak >> 2) + load<u32>(config, CONFIG_MIN_WAIT), maxWait);
}
