/**
 * Among many sessions nothing of a packet's session is in the caches, and what the packet needs is found step by step: table, session,
 * configuration, path. Encapsulating takes too long for the processor to look ahead into the next packet. So a batch goes through its
 * packets step by step first and touches what they will need: then all of them wait for memory at once.
 */
import {
  BUFFER_PACKET,
  CONFIG_FLAGS,
  CONFIG_INNER_MTU6,
  CONFIG_PATH_LIST,
  CONTROL,
  CONTROL_PATH_CAPACITY,
  CONTROL_PATH_STATS,
  CONTROL_SESSIONS,
  CONTROL_SESSION_COUNT,
  ENCAPSULATION_UDP,
  ENCAPSULATION_UDP_GRE,
  ENDPOINT_ENCAPSULATION,
  ENDPOINT_LOCAL,
  META_INNER,
  META_INNER_FAMILY,
  META_KEY,
  META_KEYED,
  META_PORT,
  META_SEGMENT,
  META_SOURCE_HIGH,
  META_SOURCE_LOW,
  MMSGHDR_LEN,
  MMSGHDR_SIZE,
  PATH_FLAGS,
  PATH_MODEL_BLOCK,
  PATH_NUMBER,
  PATH_RX_HIGHEST,
  PATH_SESSION,
  PATH_STAT_STRIDE,
  PATH_TEMPLATE_END,
  SESSION_CONFIG,
  SESSION_DEPTH_HISTOGRAM,
  SESSION_HEAD,
  SESSION_LATENESS_SAMPLES,
  SESSION_MASK,
  SESSION_RING,
  SESSION_STATS,
  SESSION_STRIDE,
  SESSION_TICKET,
  SESSION_WAIT_HISTOGRAM,
  WARM_FAMILY,
  WARM_INNER,
  WARM_KEY,
  WARM_STRIDE,
  WORKER_INDEX,
  WORKER_META,
  WORKER_RECEIVE_HEADERS,
  WORKER_WARM,
  WORKER_WARMED,
} from '../layout';
import { findPeer, pathKey, pathOfKey } from '../classify/peer-table';
import { pathOfTicket } from '../schedule/weighted';
import { wordOf } from '../reorder/history';
import { stripTunnel } from '../tunnel/strip';
import { ipVersion } from '../wire/ip';
import { findOwner, readMessage, setDatagram } from './decapsulation';
import { findSession } from './encapsulation';
import { bufferCapacity, receivedBuffer } from './receive';

/** Records of so many sessions and their paths are more than a core's cache has room for (docs/performance.md). */
const MANY_SESSIONS: u32 = 1000;

// @ts-ignore: decorator
@inline
export function hasManySessions(): bool {
  return load<u32>(CONTROL, CONTROL_SESSION_COUNT) >= MANY_SESSIONS;
}

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
    sum += <u64>load<u32>(config, CONFIG_INNER_MTU6) + <u64>load<u32>(config, CONFIG_PATH_LIST);
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

/** The same for messages `first` .. `received` - 1 that `endpoint` received, merged ones left out. */
export function warmMessages(worker: usize, endpoint: usize, first: u32, received: u32): void {
  let end = worker + WORKER_WARM;
  for (let i = first; i < received; i++) {
    const length = load<u32>(worker + WORKER_RECEIVE_HEADERS + <usize>i * MMSGHDR_SIZE, MMSGHDR_LEN);
    if (length > bufferCapacity() || readMessage(worker, endpoint, i)) continue;
    if (load<u32>(worker + WORKER_META, META_SEGMENT)) continue;
    end = notePayload(worker, endpoint, end);
  }
  warmPayloads(worker, end);
}

/** The same for the datagrams of `segment` octets in a merged message at `at`. */
export function warmDatagrams(worker: usize, endpoint: usize, at: usize, length: u32, segment: u32): void {
  let end = worker + WORKER_WARM;
  for (let done: u32 = 0; done < length; done += segment) {
    setDatagram(worker + WORKER_META, at + done, min<u32>(segment, length - done));
    end = notePayload(worker, endpoint, end);
  }
  warmPayloads(worker, end);
}

/** Notes at `end` what the payload that WORKER_META describes is looked up by, if it can be told; gives the new end. */
function notePayload(worker: usize, endpoint: usize, end: usize): usize {
  const meta = worker + WORKER_META;
  const encapsulation = load<u32>(endpoint, ENDPOINT_ENCAPSULATION);
  if (stripTunnel(meta, encapsulation)) return end;
  const byPort = encapsulation == ENCAPSULATION_UDP || encapsulation == ENCAPSULATION_UDP_GRE;
  const port = byPort ? load<u32>(meta, META_PORT) : 0;
  const peer = findPeer(load<u64>(meta, META_SOURCE_HIGH), load<u64>(meta, META_SOURCE_LOW), port);
  const family = load<u32>(meta, META_INNER_FAMILY);
  if (!peer || !family) return end;
  const keyed = load<u32>(meta, META_KEYED);
  const selector = keyed ? load<u32>(meta, META_KEY) : 0;
  store<u64>(end, pathKey(load<u32>(endpoint, ENDPOINT_LOCAL), peer, keyed, selector), WARM_KEY);
  store<u32>(end, load<u32>(meta, META_INNER), WARM_INNER);
  store<u32>(end, family, WARM_FAMILY);
  return end + WARM_STRIDE;
}

/** Touches the places in the tables, the paths, the sessions, and what these need to deliver. */
function warmPayloads(worker: usize, end: usize): void {
  const list = worker + WORKER_WARM;
  let sum: u64 = 0;
  for (let at = list; at < end; at += WARM_STRIDE) {
    store<u32>(at, findOwner(<usize>load<u32>(at, WARM_INNER), load<u32>(at, WARM_FAMILY)), WARM_INNER);
  }
  for (let at = list; at < end; at += WARM_STRIDE) {
    const key = load<u64>(at, WARM_KEY);
    store<u64>(at, <u64>pathOfKey(<u32>key ? key : key | (<u64>load<u32>(at, WARM_INNER))), WARM_KEY);
  }
  const row = <usize>load<u32>(worker, WORKER_INDEX) * <usize>load<u32>(CONTROL, CONTROL_PATH_CAPACITY);
  const stats = <usize>load<u32>(CONTROL, CONTROL_PATH_STATS) + row * PATH_STAT_STRIDE;
  for (let at = list; at < end; at += WARM_STRIDE) {
    const path = <usize>load<u32>(at);
    sum +=
      load<u64>(path, PATH_RX_HIGHEST) + load<u64>(path, PATH_MODEL_BLOCK) + <u64>load<u32>(path, PATH_FLAGS);
  }
  for (let at = list; at < end; at += WARM_STRIDE) {
    const path = <usize>load<u32>(at);
    sum += load<u64>(stats + <usize>load<u32>(path, PATH_NUMBER) * PATH_STAT_STRIDE);
    const session =
      <usize>load<u32>(CONTROL, CONTROL_SESSIONS) + <usize>load<u32>(path, PATH_SESSION) * SESSION_STRIDE;
    store<u32>(at, <u32>session);
    sum +=
      <u64>load<u32>(session, SESSION_CONFIG) +
      <u64>load<u32>(session, SESSION_HEAD) +
      <u64>load<u32>(session, SESSION_LATENESS_SAMPLES) +
      load<u64>(session, SESSION_STATS) +
      load<u64>(session, SESSION_DEPTH_HISTOGRAM) +
      load<u64>(session, SESSION_WAIT_HISTOGRAM);
  }
  for (let at = list; at < end; at += WARM_STRIDE) {
    const session = <usize>load<u32>(at);
    const config = <usize>load<u32>(session, SESSION_CONFIG);
    const head = load<u32>(session, SESSION_HEAD);
    const mask = load<u32>(session, SESSION_MASK);
    sum +=
      <u64>load<u32>(config, CONFIG_FLAGS) +
      <u64>load<u32>(config, CONFIG_PATH_LIST) +
      <u64>load<u32>(<usize>load<u32>(session, SESSION_RING) + ((<usize>(head & mask)) << 2)) +
      <u64>load<u32>(wordOf(session, head));
  }
  store<u64>(worker, sum, WORKER_WARMED);
}
