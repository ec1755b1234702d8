/**
 * What our own sending does to a path, by a model: a link of the path's rate that is busy until MODEL_FREE_AT. Rate, delay and
 * jitter come from the control plane (src/dataplane/path-estimates.ts); the queue is what we gave the path and it cannot have
 * sent yet. Two workers may lose one of two charges to each other: an estimate suffers, nothing else.
 */
import { MODEL_DELAY, MODEL_FREE_AT, MODEL_JITTER, MODEL_OCTET_TIME } from '../layout';

/** No real queue is longer: what is offered beyond it was dropped on the way. */
const LONGEST_QUEUE: u64 = 500_000_000;

/** Nanoseconds that an octet takes, times 256; 0: the rate is not known. */
// @ts-ignore: decorator
@inline
export function octetTime(model: usize): u32 {
  return load<u32>(model, MODEL_OCTET_TIME);
}

/** One-way delay of the empty path in nanoseconds; 0: not known. */
// @ts-ignore: decorator
@inline
export function pathDelay(model: usize): u64 {
  return <u64>load<u32>(model, MODEL_DELAY) * 1000;
}

// @ts-ignore: decorator
@inline
export function pathJitter(model: usize): u64 {
  return <u64>load<u32>(model, MODEL_JITTER) * 1000;
}

/** Nanoseconds that `length` octets take to be sent. */
// @ts-ignore: decorator
@inline
export function sendingTime(model: usize, length: u32): u64 {
  return (<u64>length * <u64>octetTime(model)) >> 8;
}

/** Nanoseconds until the path has sent what it was given. */
// @ts-ignore: decorator
@inline
export function queueTime(model: usize, now: u64): u64 {
  const free = load<u64>(model, MODEL_FREE_AT);
  return free > now ? min<u64>(free - now, LONGEST_QUEUE) : 0;
}

/** The MODEL_FREE_AT up to which a path has no more than `limit` nanoseconds of queue: one comparison a path. */
// @ts-ignore: decorator
@inline
export function freeAtWithin(limit: u64, now: u64): u64 {
  return limit < LONGEST_QUEUE ? now + limit : u64.MAX_VALUE;
}

// @ts-ignore: decorator
@inline
export function freeAt(model: usize): u64 {
  return load<u64>(model, MODEL_FREE_AT);
}

/** Puts a packet of `length` octets, outer headers included, into the model's queue. */
// @ts-ignore: decorator
@inline
export function charge(model: usize, length: u32, now: u64): void {
  if (!octetTime(model)) return;
  store<u64>(model, now + queueTime(model, now) + sendingTime(model, length), MODEL_FREE_AT);
}
