/**
 * Overflow (RFC 8157 §4.4): the preferred path is filled up to its rate, only the rest goes to the next. Each member but the last
 * has a single-rate three-colour marker (RFC 2697, colour-blind): green and yellow packets are sent on it, red ones go on.
 *
 *   bucket C (CBS) fills first, what it cannot take goes to bucket E (EBS); B octets: C >= B green, else E >= B yellow, else red
 */
import { MEMBER_CBS, MEMBER_EBS, MEMBER_RATE, MEMBER_REFILL, MEMBER_TOKENS } from '../layout';
import { swapShared } from '../memory/shared';
import { memberAt, memberCount, memberHeader } from './group';

/** Octets are counted in 1/64; buckets are refilled after so many microseconds, lest fractions get lost. */
const UNIT_SHIFT: u32 = 6;
const REFILL_AFTER: u64 = 100;

/** `now` in microseconds. */
export function pickOverflow(group: usize, length: u32, now: u64): u32 {
  const last = memberCount(group) - 1;
  for (let i: u32 = 0; i < last; i++) {
    const member = memberAt(group, i);
    const whole = length + memberHeader(member);
    if (isGreenOrYellow(member, whole << UNIT_SHIFT, now)) return i;
  }
  return last;
}

function isGreenOrYellow(member: usize, size: u32, now: u64): bool {
  const rate = load<u32>(member, MEMBER_RATE);
  if (!rate) return true;
  refill(member, <u64>rate, now);
  let tokens = atomic.load<u64>(member, MEMBER_TOKENS);
  while (true) {
    let left: u64;
    if (<u32>tokens >= size) left = tokens - <u64>size;
    else if (<u32>(tokens >> 32) >= size) left = tokens - ((<u64>size) << 32);
    else return false;
    const seen = swapShared<u64>(member + MEMBER_TOKENS, tokens, left);
    if (seen == tokens) return true;
    tokens = seen;
  }
}

/** Adds the tokens of the time gone by; who moves the time on adds them. */
function refill(member: usize, rate: u64, now: u64): void {
  const before = atomic.load<u64>(member, MEMBER_REFILL);
  if (now < before + REFILL_AFTER) return;
  if (atomic.cmpxchg<u64>(member, before, now, MEMBER_REFILL) != before) return;
  const cbs = <u64>load<u32>(member, MEMBER_CBS);
  const ebs = <u64>load<u32>(member, MEMBER_EBS);
  // After a long pause both buckets are full anyhow: the bound keeps the product within 64 bits.
  const fresh = (min<u64>(now - before, 1 << 30) * rate) / 1000;
  let tokens = atomic.load<u64>(member, MEMBER_TOKENS);
  while (true) {
    const c = (tokens & 0xffff_ffff) + fresh;
    const e = min<u64>((tokens >> 32) + (c > cbs ? c - cbs : 0), ebs);
    const seen = atomic.cmpxchg<u64>(member, tokens, min<u64>(c, cbs) | (e << 32), MEMBER_TOKENS);
    if (seen == tokens) return;
    tokens = seen;
  }
}
