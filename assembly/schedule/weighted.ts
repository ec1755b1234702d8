/**
 * Weighted n:m distribution. The control thread lays one period of the schedule out in the smoothest order
 * (src/dataplane/schedule-table.ts); a ticket, drawn by one atomic add, is both the position in it and the
 * sequence number. So the shares are exact under any interleaving of workers, and nobody waits for anybody.
 */
import { CONFIG_ORIGIN, CONFIG_PATH_LIST, CONFIG_PERIOD, CONFIG_SCHEDULE, SESSION_TICKET } from '../layout';
import { addShared } from '../memory/shared';

/** Draws the next ticket of a session; its lower 32 bits are the sequence number (RFC 2890 §2.2: from 0). */
// @ts-ignore: decorator
@inline
export function drawTicket(session: usize): u64 {
  return addShared<u64>(session + SESSION_TICKET, 1);
}

/** The path record for a ticket, 0 if the schedule is empty. */
// @ts-ignore: decorator
@inline
export function pathOfTicket(config: usize, ticket: u64): usize {
  const period = load<u32>(config, CONFIG_PERIOD);
  if (period <= 1) return period ? pathAt(config, 0) : 0;
  const turn = ticket - load<u64>(config, CONFIG_ORIGIN);
  // A 32-bit remainder costs a third of a 64-bit one, and a schedule seldom outlives 2^32 packets.
  const position = turn >> 32 ? <u32>(turn % <u64>period) : <u32>turn % period;
  return pathAt(config, position);
}

// @ts-ignore: decorator
@inline
function pathAt(config: usize, position: u32): usize {
  const ordinal = <usize>load<u8>(<usize>load<u32>(config, CONFIG_SCHEDULE) + position);
  return <usize>load<u32>(config + (ordinal << 2), CONFIG_PATH_LIST);
}
