/**
 * Overflow (RFC 8157 §4.4): the preferred path is filled up to its rate, only the rest goes to the next. Each member but the last
 * has a single-rate three-colour marker (RFC 2697, colour-blind): green and yellow packets are sent on it, red ones go on.
 *
 *   bucket C (CBS) fills first, what it cannot take goes to bucket E (EBS); B octets: C >= B green, else E >= B yellow, else red
 */
import { MEMBER_CBS, MEMBER_EBS, MEMBER_RATE, MEMBER_REFILL, MEMBER_STRIDE, MEMBER_TOKENS } from '../layout';
import { hasCompany, loadShared, swapShared } from '../memory/shared';
import { memberAt, memberCount, memberHeader, positionOf } from './group';

/** Octets are counted in 1/64; buckets are refilled after so many microseconds, lest fractions get lost. */
const UNIT_SHIFT: u32 = 6;
const REFILL_AFTER: u64 = 100;

/** `now` in microseconds. */
// @ts-ignore: decorator
@inline
export function pickOverflow(group: usize, length: u32, now: u64): u32 {
  return hasCompany() ? pickInCompany(group, length, now) : pick(group, length, now, false);
}

function pickInCompany(group: usize, length: u32, now: u64): u32 {
  return pick(group, length, now, true);
}

// @ts-ignore: decorator
@inline
function pick(group: usize, length: u32, now: u64, company: bool): u32 {
  const first = memberAt(group, 0);
  const last = memberAt(group, memberCount(group) - 1);
  let member = first;
  while (member < last) {
    const rate = load<u32>(member, MEMBER_RATE);
    if (!rate) break;
    // Plain: an older time makes refill() look again, a newer one makes us go without what another worker is just adding.
    if (now >= load<u64>(member, MEMBER_REFILL) + REFILL_AFTER) refill(member, <u64>rate, now, company);
    const size = (length + memberHeader(member)) << UNIT_SHIFT;
    if (take(member, size, company)) break;
    member += MEMBER_STRIDE;
  }
  return positionOf(group, member);
}

/** Takes `size` tokens from the first bucket that has them; false: red. */
// @ts-ignore: decorator
@inline
function take(member: usize, size: u32, company: bool): bool {
  let tokens = loadShared<u64>(member + MEMBER_TOKENS, company);
  while (true) {
    const green = <u32>tokens >= size;
    const yellow = <u32>(tokens >> 32) >= size;
    // Which bucket it is is no branch: it changes too often to be predicted.
    const taken = select<u64>(<u64>size, select<u64>((<u64>size) << 32, 0, yellow), green);
    if (!company) {
      store<u64>(member, tokens - taken, MEMBER_TOKENS);
      return taken != 0;
    }
    if (!taken) return false;
    const seen = atomic.cmpxchg<u64>(member, tokens, tokens - taken, MEMBER_TOKENS);
    if (seen == tokens) return true;
    tokens = seen;
  }
}

/** Adds the tokens of the time gone by; who moves the time on adds them. */
function refill(member: usize, rate: u64, now: u64, company: bool): void {
  const before = loadShared<u64>(member + MEMBER_REFILL, company);
  if (now < before + REFILL_AFTER) return;
  if (swapShared<u64>(member + MEMBER_REFILL, before, now, company) != before) return;
  const cbs = <u64>load<u32>(member, MEMBER_CBS);
  const ebs = <u64>load<u32>(member, MEMBER_EBS);
  // After a long pause both buckets are full anyhow: the bound keeps the product within 64 bits.
  const fresh = (min<u64>(now - before, 1 << 30) * rate) / 1000;
  let tokens = loadShared<u64>(member + MEMBER_TOKENS, company);
  while (true) {
    const c = (tokens & 0xffff_ffff) + fresh;
    const e = min<u64>((tokens >> 32) + (c > cbs ? c - cbs : 0), ebs);
    const seen = swapShared<u64>(member + MEMBER_TOKENS, tokens, min<u64>(c, cbs) | (e << 32), company);
    if (seen == tokens) return;
    tokens = seen;
  }
}
