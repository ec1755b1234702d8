/**
 * Decapsulation direction, paths to TUN. The functions stand in the order in which a packet meets them:
 *
 *   1. prepareReceive  free buffers and clean headers for the next recvmmsg(2), see receive.ts
 *   2. readOuter       outer headers, as far as the device left them
 *   3. stripTunnel     GRE, TLV, UDP: down to the inner packet
 *   4. findPath        by sender, local end, and GRE key or inner address
 *   5. checkInner      is it an IP packet of this session? (a peer cannot inject foreign traffic)
 *   6. ECN, MSS
 *   7. arrive          noted for its window, or straight to the TUN if it has no number
 *   8. settle          into the windows, release in order; the worker writes; deliveriesDone
 */
import {
  ARRIVED_MAX,
  BUFFER_PACKET,
  BUFFER_SUM,
  CONFIG_FLAGS,
  CONFIG_FLAG_CLAMP_MSS,
  CONTROL,
  CONTROL_ENDPOINTS,
  CONTROL_PATH_CAPACITY,
  CONTROL_PATH_STATS,
  CONTROL_ROLE,
  CONTROL_SESSIONS,
  CONTROL_STRANGE,
  COUNTER_MSS_CLAMPED,
  COUNTER_PATH_RX,
  COUNTER_PATH_RX_MERGED,
  COUNTER_TUN_TX,
  DATAGRAMS_MAX,
  DROP_ECN,
  DROP_INNER_ADDRESS,
  DROP_INNER_MARTIAN,
  DROP_KEEPALIVE,
  DROP_NO_BUFFER,
  DROP_NO_SESSION,
  DROP_OUTER_MALFORMED,
  DROP_OUTER_TRUNCATED,
  DROP_TUN_WRITE,
  DROP_UNKNOWN_KEY,
  DROP_UNKNOWN_PEER,
  DROP_WRONG_PATH,
  ENCAPSULATION_UDP,
  ENCAPSULATION_UDP_GRE,
  ENDPOINT_ENCAPSULATION,
  ENDPOINT_LOCAL,
  ENDPOINT_STRIDE,
  META_CONTROL,
  META_CONTROL_LENGTH,
  META_INNER,
  META_INNER_FAMILY,
  META_INNER_LENGTH,
  META_KEY,
  META_KEYED,
  META_PAYLOAD,
  META_PAYLOAD_LENGTH,
  META_PORT,
  META_PROTOCOL,
  META_SEGMENT,
  META_SEQUENCE,
  META_SEQUENCED,
  META_SOURCE_HIGH,
  META_SOURCE_LOW,
  META_TOS,
  MMSGHDR_CONTROLLEN,
  MMSGHDR_FLAGS,
  MMSGHDR_LEN,
  MMSGHDR_SIZE,
  NAME_SIZE,
  PATH_FLAGS,
  MODEL_HOLD,
  PATH_FLAG_SEQUENCE,
  PATH_MODEL_BLOCK,
  PATH_NUMBER,
  PATH_SESSION,
  PATH_STAT_RX_BYTES,
  PATH_STAT_RX_PACKETS,
  PATH_STAT_STRIDE,
  RECEIVE_CONTROL_SIZE,
  ROLE_LMA,
  SESSION_CONFIG,
  SESSION_NUMBER,
  SESSION_STRIDE,
  STRANGER_BID,
  STRANGER_HIGH,
  STRANGER_KEYED,
  STRANGER_LOCAL,
  STRANGER_LOW,
  STRANGER_PORT,
  STRANGER_SELECTOR,
  STRANGER_STRIDE,
  STRANGERS,
  WORKER_DELIVER_BUFFERS,
  WORKER_DELIVER_COUNT,
  WORKER_DELIVER_FAILED,
  WORKER_HELD,
  WORKER_HELD_COUNT,
  WORKER_INDEX,
  WORKER_META,
  WORKER_NOW,
  WORKER_RECEIVE_CONTROLS,
  WORKER_RECEIVE_HEADERS,
  WORKER_RECEIVE_NAMES,
  WORKER_STRANGER,
} from '../layout';
import { findPath, findPeer } from '../classify/peer-table';
import { findSession4, findSession6 } from '../classify/prefix-table';
import { allocateBuffer, freeBuffer, freeBuffers } from '../memory/buffers';
import { firstDelivery, followingDelivery } from '../offload/merge';
import { arrive, arrived, takeArrivals } from '../reorder/arrivals';
import { unlockUnlessMarked } from '../reorder/lock';
import { headIsReady, release } from '../reorder/release';
import { retryStash, settle } from '../reorder/window';
import { count, countDrop } from '../stats';
import { decapsulateEcn } from '../tunnel/ecn';
import { readOuter } from '../tunnel/outer';
import { stripTunnel } from '../tunnel/strip';
import { checksumCopy } from '../wire/checksum';
import { PROTOCOL_UDP, checkInner, isMartianSource } from '../wire/ip';
import { clampMss } from '../wire/tcp-mss';
import { deliver, deliveryRoom } from './deliver';
import { innerMtu } from './encapsulation';
import { PROBE_TAKEN, hasProbeAddress, takeInnerProbe, takeProbe } from './probe';
import { hasManySessions, warmDatagrams, warmMessages } from './warm';
import { bufferCapacity, gatherReceived, receivedBuffer, takeReceived } from './receive';

const MSG_TRUNC: u32 = 0x20;

/**
 * Decapsulates messages `first` .. `received` - 1 of the batch that endpoint number `endpoint` received. Gives the position
 * after the last one taken: less than `received` if the delivery list has to be written first.
 */
export function decapsulateBatch(worker: usize, endpoint: u32, first: u32, received: u32, now: u64): u32 {
  store<u64>(worker, now, WORKER_NOW);
  retryStash(worker);
  const record = <usize>load<u32>(CONTROL, CONTROL_ENDPOINTS) + <usize>endpoint * ENDPOINT_STRIDE;
  if (hasManySessions()) warmMessages(worker, record, first, received);
  let i = first;
  while (i < received) {
    // The first message is always taken: whoever calls has just written all deliveries.
    if (i > first && deliveryRoom(worker) < arrived(worker) + DATAGRAMS_MAX) break;
    if (arrived(worker) > <u32>(ARRIVED_MAX - DATAGRAMS_MAX)) takeArrivals(worker);
    decapsulateMessage(worker, record, i);
    i++;
  }
  settle(worker);
  return i;
}

/** One message: a packet, or several datagrams of one sender that the kernel put together (UDP_GRO, udp(7)). */
function decapsulateMessage(worker: usize, endpoint: usize, i: u32): void {
  const meta = worker + WORKER_META;
  const length = load<u32>(worker + WORKER_RECEIVE_HEADERS + <usize>i * MMSGHDR_SIZE, MMSGHDR_LEN);
  const reason = readMessage(worker, endpoint, i);
  const segment = load<u32>(meta, META_SEGMENT);
  if (!segment || segment >= length) {
    const buffer = takeReceived(worker, i);
    count(worker, COUNTER_PATH_RX);
    const verdict =
      reason || length > bufferCapacity()
        ? reason || DROP_OUTER_TRUNCATED
        : decapsulateOne(worker, endpoint, buffer, length, true);
    if (verdict) refuse(worker, buffer, verdict);
    return;
  }
  if (reason || (length + segment - 1) / segment > <u32>DATAGRAMS_MAX) {
    count(worker, COUNTER_PATH_RX);
    countDrop(worker, reason ? reason : DROP_OUTER_MALFORMED);
    return;
  }
  const at = gatherReceived(worker, i, length);
  count(worker, COUNTER_PATH_RX_MERGED);
  if (hasManySessions()) warmDatagrams(worker, endpoint, at, length, segment);
  for (let done: u32 = 0; done < length; done += segment) {
    const octets = min<u32>(segment, length - done);
    count(worker, COUNTER_PATH_RX);
    const buffer = allocateBuffer(worker);
    if (!buffer) {
      countDrop(worker, DROP_NO_BUFFER);
      continue;
    }
    setDatagram(meta, at + done, octets);
    const verdict = decapsulateOne(worker, endpoint, buffer, octets, false);
    if (verdict) refuse(worker, buffer, verdict);
  }
}

/** Has WORKER_META describe message `i`, as far as the outer headers go; 0, or the reason why it is dropped. */
// @ts-ignore: decorator
@inline
export function readMessage(worker: usize, endpoint: usize, i: u32): u32 {
  const meta = worker + WORKER_META;
  const header = worker + WORKER_RECEIVE_HEADERS + <usize>i * MMSGHDR_SIZE;
  const length = load<u32>(header, MMSGHDR_LEN);
  const name = worker + WORKER_RECEIVE_NAMES + <usize>i * NAME_SIZE;
  const control = worker + WORKER_RECEIVE_CONTROLS + <usize>i * RECEIVE_CONTROL_SIZE;
  const controls = <u32>load<u64>(header, MMSGHDR_CONTROLLEN);
  store<u32>(meta, <u32>control, META_CONTROL);
  store<u32>(meta, controls, META_CONTROL_LENGTH);
  store<u32>(meta, 0, META_SEGMENT);
  return load<u32>(header, MMSGHDR_FLAGS) & MSG_TRUNC
    ? DROP_OUTER_TRUNCATED
    : readOuter(meta, endpoint, receivedBuffer(worker, i) + BUFFER_PACKET, length, name, control, controls);
}

/** Has WORKER_META describe a datagram of a merged message. */
// @ts-ignore: decorator
@inline
export function setDatagram(meta: usize, at: usize, octets: u32): void {
  store<u32>(meta, <u32>at, META_PAYLOAD);
  store<u32>(meta, octets, META_PAYLOAD_LENGTH);
  store<u32>(meta, PROTOCOL_UDP, META_PROTOCOL);
}

// @ts-ignore: decorator
@inline
function refuse(worker: usize, buffer: usize, verdict: u32): void {
  if (verdict != PROBE_TAKEN) countDrop(worker, verdict);
  freeBuffer(worker, buffer);
}

/**
 * Takes the packet that WORKER_META describes through to the window or the delivery list; 0, or the reason why it is
 * dropped. It lies in `buffer` if `inPlace`; otherwise its inner packet is copied there once it is accepted.
 */
function decapsulateOne(worker: usize, endpoint: usize, buffer: usize, length: u32, inPlace: bool): u32 {
  const meta = worker + WORKER_META;
  const encapsulation = load<u32>(endpoint, ENDPOINT_ENCAPSULATION);
  // RFC 5844 §4: the source port is part of who the sender is; RFC 8086 §3.2: it is entropy.
  const byPort = encapsulation == ENCAPSULATION_UDP || encapsulation == ENCAPSULATION_UDP_GRE;
  const reason = stripTunnel(meta, encapsulation);
  if (reason) {
    if (byPort && reason == DROP_KEEPALIVE) noteKeepalive(worker, endpoint);
    return reason;
  }
  const peer = findPeer(
    load<u64>(meta, META_SOURCE_HIGH),
    load<u64>(meta, META_SOURCE_LOW),
    byPort ? load<u32>(meta, META_PORT) : 0,
  );
  if (!peer) {
    if (byPort) noteStranger(worker, endpoint, 0);
    return DROP_UNKNOWN_PEER;
  }

  let inner = <usize>load<u32>(meta, META_INNER);
  const family = load<u32>(meta, META_INNER_FAMILY);
  if (!family) {
    const probed = findPath(load<u32>(endpoint, ENDPOINT_LOCAL), peer, 1, load<u32>(meta, META_KEY));
    return probed ? takeProbe(worker, probed, inner, load<u32>(meta, META_INNER_LENGTH)) : DROP_UNKNOWN_KEY;
  }
  const total = checkInner(inner, load<u32>(meta, META_INNER_LENGTH));
  if (total < 0) return <u32>-total;
  const keyed = load<u32>(meta, META_KEYED);
  const probe = !keyed && hasProbeAddress(inner, family, load<u32>(CONTROL, CONTROL_ROLE) == ROLE_LMA);
  if (!probe && isMartianSource(inner, family)) return DROP_INNER_MARTIAN;
  const number = findOwner(inner, family);
  if (!keyed && !number) return DROP_NO_SESSION;
  const path = findPath(
    load<u32>(endpoint, ENDPOINT_LOCAL),
    peer,
    keyed,
    keyed ? load<u32>(meta, META_KEY) : number,
  );
  if (!path) {
    if (byPort) noteStranger(worker, endpoint, 0);
    return keyed ? DROP_UNKNOWN_KEY : DROP_WRONG_PATH;
  }
  if (probe) return takeInnerProbe(worker, path, inner, family, total);
  const session =
    <usize>load<u32>(CONTROL, CONTROL_SESSIONS) + <usize>load<u32>(path, PATH_SESSION) * SESSION_STRIDE;
  if (number != load<u32>(session, SESSION_NUMBER)) return DROP_INNER_ADDRESS;
  const config = <usize>load<u32>(session, SESSION_CONFIG);
  if (!config) return DROP_NO_SESSION;
  if (!decapsulateEcn(inner, family, load<u32>(meta, META_TOS) & 3)) return DROP_ECN;
  if (
    load<u32>(config, CONFIG_FLAGS) & CONFIG_FLAG_CLAMP_MSS &&
    clampMss(inner, family, total, innerMtu(config, family))
  ) {
    count(worker, COUNTER_MSS_CLAMPED);
  }
  countPath(worker, path, length);

  if (!inPlace) {
    if (<u32>total > bufferCapacity()) return DROP_OUTER_TRUNCATED;
    // Merging verifies the checksum: the sum costs nothing extra while the octets pass by.
    store<u64>(buffer, checksumCopy(buffer + BUFFER_PACKET, inner, total), BUFFER_SUM);
    inner = buffer + BUFFER_PACKET;
  }
  if (load<u32>(meta, META_SEQUENCED) && load<u32>(path, PATH_FLAGS) & PATH_FLAG_SEQUENCE) {
    const sequence = load<u32>(meta, META_SEQUENCE);
    // As if the path were as long as the longest (paths/equal-delay.ts): it is not delivered before.
    const due = load<u64>(worker, WORKER_NOW) + <u64>load<u32>(path, PATH_MODEL_BLOCK + MODEL_HOLD);
    arrive(worker, session, path, buffer, inner, total, sequence, due);
    return 0;
  }
  // RFC 2890 §2.2: packets without a number may go between those with one.
  if (!deliveryRoom(worker)) return DROP_TUN_WRITE;
  deliver(worker, inner, total, buffer);
  return 0;
}

/** A keepalive shows the port that a NAT gives to its sender. */
function noteKeepalive(worker: usize, endpoint: usize): void {
  const meta = worker + WORKER_META;
  if (!load<u32>(meta, META_KEYED)) return;
  const key = load<u32>(meta, META_KEY);
  const peer = findPeer(
    load<u64>(meta, META_SOURCE_HIGH),
    load<u64>(meta, META_SOURCE_LOW),
    load<u32>(meta, META_PORT),
  );
  if (!peer || !findPath(load<u32>(endpoint, ENDPOINT_LOCAL), peer, 1, key)) {
    // Where a sequence number would be, it names its BID: ports of one NAT do not tell paths apart.
    noteStranger(worker, endpoint, load<u32>(meta, META_SEQUENCED) ? load<u32>(meta, META_SEQUENCE) : 0);
  }
}

/** Leaves a note of the sender for the control thread, unless its place is taken: the next packet comes soon. */
function noteStranger(worker: usize, endpoint: usize, bid: u32): void {
  const meta = worker + WORKER_META;
  const keyed = load<u32>(meta, META_KEYED);
  let selector = load<u32>(meta, META_KEY);
  if (!keyed) {
    const inner = <usize>load<u32>(meta, META_INNER);
    if (checkInner(inner, load<u32>(meta, META_INNER_LENGTH)) < 0) return;
    selector = findOwner(inner, load<u32>(meta, META_INNER_FAMILY));
  }
  if (!selector) return;
  const note = worker + WORKER_STRANGER + <usize>((selector + bid) & (STRANGERS - 1)) * STRANGER_STRIDE;
  if (atomic.load<u32>(note)) return;
  store<u32>(note, selector, STRANGER_SELECTOR);
  store<u32>(note, keyed, STRANGER_KEYED);
  store<u32>(note, bid, STRANGER_BID);
  store<u32>(note, load<u32>(meta, META_PORT), STRANGER_PORT);
  store<u32>(note, load<u32>(endpoint, ENDPOINT_LOCAL), STRANGER_LOCAL);
  store<u64>(note, load<u64>(meta, META_SOURCE_HIGH), STRANGER_HIGH);
  store<u64>(note, load<u64>(meta, META_SOURCE_LOW), STRANGER_LOW);
  atomic.store<u32>(note, 1);
  atomic.add<u32>(CONTROL, 1, CONTROL_STRANGE);
  atomic.notify(CONTROL + CONTROL_STRANGE, 1);
}

/** Session number by the inner address that belongs to the mobile node: source uplink, destination downlink. */
// @ts-ignore: decorator
@inline
export function findOwner(inner: usize, family: u32): u32 {
  const bySource = load<u32>(CONTROL, CONTROL_ROLE) == ROLE_LMA;
  return family == 4 ? findSession4(inner + (bySource ? 12 : 16)) : findSession6(inner + (bySource ? 8 : 24));
}

// @ts-ignore: decorator
@inline
function countPath(worker: usize, path: usize, length: u32): void {
  const row =
    <usize>load<u32>(worker, WORKER_INDEX) * <usize>load<u32>(CONTROL, CONTROL_PATH_CAPACITY) +
    <usize>load<u32>(path, PATH_NUMBER);
  const at = <usize>load<u32>(CONTROL, CONTROL_PATH_STATS) + row * PATH_STAT_STRIDE;
  store<u64>(at, load<u64>(at, PATH_STAT_RX_PACKETS) + 1, PATH_STAT_RX_PACKETS);
  store<u64>(at, load<u64>(at, PATH_STAT_RX_BYTES) + <u64>length, PATH_STAT_RX_BYTES);
}

/** Notes that a delivery could not be written. */
export function deliveryFailed(worker: usize): void {
  store<u32>(worker, load<u32>(worker, WORKER_DELIVER_FAILED) + 1, WORKER_DELIVER_FAILED);
  countDrop(worker, DROP_TUN_WRITE);
}

/** Notes that write `m` of layWrites() failed: none of its packets was written. */
export function writeFailed(worker: usize, m: u32): void {
  let next = firstDelivery(worker, m) + 1;
  while (next) {
    deliveryFailed(worker);
    next = followingDelivery(worker, next - 1);
  }
}

/**
 * After all deliveries are written: frees them, then lets the sessions go or releases more of them. Gives the
 * number of new deliveries; the worker calls again until it is 0.
 */
export function deliveriesDone(worker: usize, now: u64): u32 {
  store<u64>(worker, now, WORKER_NOW);
  const n = load<u32>(worker, WORKER_DELIVER_COUNT);
  freeBuffers(worker, worker + WORKER_DELIVER_BUFFERS, n);
  count(worker, COUNTER_TUN_TX, n - load<u32>(worker, WORKER_DELIVER_FAILED));
  store<u32>(worker, 0, WORKER_DELIVER_FAILED);
  store<u32>(worker, 0, WORKER_DELIVER_COUNT);
  letGo(worker);
  return load<u32>(worker, WORKER_DELIVER_COUNT);
}

/** Unlocks every session that has nothing ready at its head; the list is empty when this begins. */
function letGo(worker: usize): void {
  const n = load<u32>(worker, WORKER_HELD_COUNT);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const session = load<u32>(worker + WORKER_HELD + ((<usize>i) << 2));
    if (!tryLetGo(worker, session)) {
      store<u32>(worker + WORKER_HELD + ((<usize>kept) << 2), session);
      kept++;
    }
  }
  store<u32>(worker, kept, WORKER_HELD_COUNT);
}

/** False: the lock is kept, because packets were released that have to be written first. */
function tryLetGo(worker: usize, session: usize): bool {
  const before = load<u32>(worker, WORKER_DELIVER_COUNT);
  while (true) {
    if (!deliveryRoom(worker)) return false;
    if (headIsReady(session)) release(worker, session);
    if (load<u32>(worker, WORKER_DELIVER_COUNT) != before) return false;
    if (unlockUnlessMarked(worker, session)) return true;
    release(worker, session);
    if (load<u32>(worker, WORKER_DELIVER_COUNT) != before) return false;
  }
}
