/**
 * The place of a user's own scheduler: src/dataplane/scheduler-compiler.ts compiles the hot path with the user's file in the
 * place of this one. What is here serves until then: the weighted schedule. docs/schedulers.md is the tutorial.
 */
import { pickTable } from './group';

/** See scheduler-interface.ts for the meaning of the arguments. */
export function pick(group: usize, length: u32, flow: u64, now: u64): u32 {
  return pickTable(group);
}
