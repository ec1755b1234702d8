/**
 * Weighted lottery (Waldspurger and Weihl, 1994): each packet draws a place of the weighted schedule. The generator is a mixed
 * counter (SplitMix64), so that the draws depend on the seed and the group's ticket alone, not on which worker draws.
 */
import { GROUP_PERIOD, GROUP_SCHEDULE, GROUP_SEED } from '../layout';
import { drawGroupTicket } from './group';

export function pickRandom(group: usize): u32 {
  const draw = mix(load<u64>(group, GROUP_SEED) + drawGroupTicket(group) * 0x9e3779b97f4a7c15);
  const position = ((draw >> 32) * <u64>load<u32>(group, GROUP_PERIOD)) >> 32;
  return <u32>load<u8>(<usize>load<u32>(group, GROUP_SCHEDULE) + <usize>position);
}

// @ts-ignore: decorator
@inline
function mix(x: u64): u64 {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
