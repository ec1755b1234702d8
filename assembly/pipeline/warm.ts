/**
 * Among many sessions nothing of a packet's session is in the caches, and what the packet needs is found step by step: table, session,
 * configuration, path. Encapsulating takes too long for the processor to look ahead into the next packet. So a batch goes through its
 * packets step by step first and touches what they will need: then all of them wait for memory at once.
 */
import {
  BUFFER_PACKET,
  CONFIG_INNER_MTU,
  CONFIG_ORIGIN,
  CONFIG_PATH_LIST,
  CONFIG_PERIOD,
  PATH_FLAGS,
  PATH_TEMPLATE_END,
  SESSION_CONFIG,
  SESSION_TICKET,
  WORKER_WARM,
  WORKER_WARMED,
} from '../layout';
import { ipVersion } from '../wire/ip';
import { pathOfTicket } from '../schedule/weighted';
import { findSession } from './encapsulation';
import { receivedBuffer } from './receive';

/** Records of so many sessions and their paths are more than a core's cache has room for (docs/performance.md). */
export const MANY_SESSIONS: u32 = 2000;

/**
 * Touches what packets `first` .. `last` - 1 of the batch from the TUN need. Packets are not checked yet, and tickets not drawn: at worst
 * something else is touched, for nothing.
 */
export function warmSessions(worker: usize, first: u32, last: u32): void {
  const list = worker + WORKER_WARM;
  let n: usize = 0;
  for (let i = first; i < last; i++) {
    const inner = receivedBuffer(worker, i) + BUFFER_PACKET;
    const session = findSession(inner, ipVersion(inner));
    store<u32>(list + n, <u32>session);
    n += session ? 4 : 0;
  }
  let sum: u64 = 0;
  for (let i: usize = 0; i < n; i += 4) {
    const session = <usize>load<u32>(list + i);
    sum += load<u64>(session, SESSION_TICKET) + <u64>load<u32>(session, SESSION_CONFIG);
  }
  for (let i: usize = 0; i < n; i += 4) {
    const config = <usize>load<u32>(<usize>load<u32>(list + i), SESSION_CONFIG);
    sum += <u64>load<u32>(config, CONFIG_INNER_MTU) + <u64>load<u32>(config, CONFIG_PATH_LIST);
  }
  for (let i: usize = 0; i < n; i += 4) {
    const session = <usize>load<u32>(list + i);
    const config = <usize>load<u32>(session, SESSION_CONFIG);
    const path = config ? pathOfTicket(config, load<u64>(session, SESSION_TICKET)) : 0;
    store<u32>(list + i, <u32>path);
    sum +=
      <u64>load<u32>(path, PATH_FLAGS) +
      load<u64>(path, PATH_TEMPLATE_END - 8) +
      load<u64>(path, PATH_TEMPLATE_END - 48);
  }
  store<u64>(worker, sum, WORKER_WARMED);
}
