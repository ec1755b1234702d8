/**
 * Encapsulation direction, TUN to paths. The functions stand in the order in which a packet meets them:
 *
 *   1. prepareReceive free buffers for the next reads, see receive.ts
 *   2. checkInner     is it an IP packet?
 *   3. findSession    uplink by inner source (MAG), downlink by inner destination (LMA)
 *   4. writeSegment   super-packets (TSO, USO) are cut first, see offload/segment.ts
 *   5. clampMss       TCP SYNs
 *   6. classify       once for all that the packet becomes: which distribution group, or 0 for the session's own schedule
 *   7. fits           else: cut (IPv4 without DF) or answer "too big"
 *   8. drawTicket     sequence number and place in the schedule; for a group: choosePath, see distribute.ts
 *   9. encapsulate    outer headers in front of the payload
 *  10. queueSend      groupSends sorts the batch by endpoint and path
 */
import {
  BUFFER_PACKET,
  CONFIG_FLAGS,
  CONFIG_FLAG_CLAMP_MSS,
  CONFIG_FLAG_INNER_PROBES,
  CONFIG_INNER_MTU4,
  CONFIG_INNER_MTU6,
  CONTROL,
  CONTROL_ROLE,
  CONTROL_SESSIONS,
  CONTROL_TUN_OFFLOAD,
  COUNTER_FRAGMENTED,
  COUNTER_MSS_CLAMPED,
  COUNTER_TUN_RX,
  COUNTER_TUN_RX_SUPER,
  DROP_INNER_MARTIAN,
  DROP_NO_BUFFER,
  DROP_NO_PATH,
  DROP_NO_SESSION,
  DROP_POLICY,
  DROP_TOO_BIG,
  DROP_VNET_MALFORMED,
  MMSGHDR_LEN,
  MMSGHDR_SIZE,
  PATH_HEADER_LENGTH,
  ROLE_MAG,
  SESSION_CONFIG,
  SESSION_STRIDE,
  TUN_OFFLOAD_VNET,
  VERDICT_DROP,
  VNET_STRIDE,
  WORKER_NOW,
  WORKER_RECEIVE_HEADERS,
  WORKER_RECEIVE_VNET,
  WORKER_RESERVE,
  WORKER_SEGMENT_DONE,
} from '../layout';
import { classify } from '../classify/classify';
import { findSession4, findSession6 } from '../classify/prefix-table';
import { allocateBuffer, freeBuffer } from '../memory/buffers';
import { completeChecksum, isSuper, segmentSize, superHeaderLength, writeSegment } from '../offload/segment';
import { drawTicket, pathOfTicket } from '../schedule/weighted';
import { count, countDrop } from '../stats';
import { encapsulatePacket, outerTos } from '../tunnel/encapsulate';
import { fragmentPayload, writeFragment } from '../tunnel/fragment';
import { loadBe16 } from '../wire/bytes';
import { sendTooBig } from '../wire/icmp';
import { checkInner, ipVersion } from '../wire/ip';
import { clampMss } from '../wire/tcp-mss';
import { deliveryRoom } from './deliver';
import { COPIES_PER_PACKET, MESSAGES_PER_PACKET, sendByGroup } from './distribute';
import { hasProbeAddress } from './probe';
import { bufferCapacity, gatherReceived, gatheredReceived, takeReceived } from './receive';
import { hasManySessions, warmSessions } from './warm';
import { groupSends, queueSend, sendRoom } from './send';

/**
 * Encapsulates packets `first` .. `last` - 1 of the batch read from the TUN. Gives the position after the last one taken
 * whole: less than `last` if the send list is full and has to be sent first. Ends with the list grouped, unless it is not full
 * and `more` packets are read before it is sent.
 */
export function encapsulateBatch(worker: usize, first: u32, last: u32, now: u64, more: bool = false): u32 {
  store<u64>(worker, now, WORKER_NOW);
  const offload = (atomic.load<u32>(CONTROL, CONTROL_TUN_OFFLOAD) & TUN_OFFLOAD_VNET) != 0;
  if (hasManySessions()) warmSessions(worker, first, last);
  let i = first;
  while (i < last && sendRoom(worker) >= MESSAGES_PER_PACKET + COPIES_PER_PACKET && deliveryRoom(worker)) {
    const length = load<u32>(worker + WORKER_RECEIVE_HEADERS + <usize>i * MMSGHDR_SIZE, MMSGHDR_LEN);
    const vnet = offload ? worker + WORKER_RECEIVE_VNET + <usize>i * VNET_STRIDE : 0;
    if (vnet && isSuper(vnet)) {
      if (!encapsulateSuper(worker, i, vnet, length)) break;
    } else {
      const buffer = takeReceived(worker, i);
      if (length > bufferCapacity()) {
        drop(worker, buffer, DROP_TOO_BIG);
      } else if (vnet && !completeChecksum(vnet, buffer + BUFFER_PACKET, length)) {
        drop(worker, buffer, DROP_VNET_MALFORMED);
      } else {
        encapsulateOne(worker, buffer, length);
      }
    }
    i++;
  }
  count(worker, COUNTER_TUN_RX, i - first);
  if (!more || i < last) groupSends(worker);
  return i;
}

/**
 * Cuts the super-packet at place `i` and sends its segments, each by a ticket of its own. False: the send list is full; what
 * is done already is noted, and the next call goes on from there. The place keeps its buffer.
 */
function encapsulateSuper(worker: usize, i: u32, vnet: usize, length: u32): bool {
  let done = load<u32>(worker, WORKER_SEGMENT_DONE);
  const at = done ? gatheredReceived(worker, i, length) : gatherReceived(worker, i, length);
  const total = checkInner(at, length);
  if (total < 0) return countDropOne(worker, -total);
  const family = ipVersion(at);
  const session = findSession(at, family);
  const config = session ? <usize>load<u32>(session, SESSION_CONFIG) : 0;
  if (!config) return countDropOne(worker, DROP_NO_SESSION);
  if (looksLikeProbe(config, at, family)) return countDropOne(worker, DROP_INNER_MARTIAN);
  const header = superHeaderLength(vnet, at, family, total);
  if (!header || header > bufferCapacity()) return countDropOne(worker, DROP_VNET_MALFORMED);
  const size = segmentSize(vnet);
  const mtu = innerMtu(config, family);
  if (min<u32>(header + size, total) > min<u32>(mtu, bufferCapacity())) {
    sendTooBig(worker, at, family, total, mtu);
    return countDropOne(worker, DROP_TOO_BIG);
  }
  const group = classify(worker, config, at, family, total);
  if (group == VERDICT_DROP) return countDropOne(worker, DROP_POLICY);
  const needed: u32 = group ? 1 + COPIES_PER_PACKET : 1;
  while (header + done < <u32>total) {
    if (sendRoom(worker) < needed) {
      store<u32>(worker, done, WORKER_SEGMENT_DONE);
      return false;
    }
    const segment = allocateBuffer(worker);
    if (!segment) {
      countDrop(worker, DROP_NO_BUFFER);
    } else {
      const octets = writeSegment(segment, at, family, total, header, done, size);
      sendPacket(worker, session, config, group, segment, family, octets);
    }
    done += size;
  }
  store<u32>(worker, 0, WORKER_SEGMENT_DONE);
  count(worker, COUNTER_TUN_RX_SUPER);
  return true;
}

function countDropOne(worker: usize, reason: u32): bool {
  store<u32>(worker, 0, WORKER_SEGMENT_DONE);
  countDrop(worker, reason);
  return true;
}

// @ts-ignore: decorator
@inline
function encapsulateOne(worker: usize, buffer: usize, length: u32): void {
  const inner = buffer + BUFFER_PACKET;
  const total = checkInner(inner, length);
  if (total < 0) return drop(worker, buffer, -total);
  const family = ipVersion(inner);
  const session = findSession(inner, family);
  if (!session) return drop(worker, buffer, DROP_NO_SESSION);
  const config = <usize>load<u32>(session, SESSION_CONFIG);
  if (!config) return drop(worker, buffer, DROP_NO_SESSION);
  if (looksLikeProbe(config, inner, family)) return drop(worker, buffer, DROP_INNER_MARTIAN);
  const mtu = innerMtu(config, family);
  if (load<u32>(config, CONFIG_FLAGS) & CONFIG_FLAG_CLAMP_MSS && clampMss(inner, family, total, mtu)) {
    count(worker, COUNTER_MSS_CLAMPED);
  }
  const group = classify(worker, config, inner, family, total);
  if (group == VERDICT_DROP) return drop(worker, buffer, DROP_POLICY);
  if (<u32>total > mtu) {
    sendOversized(worker, session, config, group, buffer, family, total, mtu);
  } else {
    sendHere(worker, session, config, group, buffer, family, total);
  }
}

/** The largest inner packet of a family that the session's paths carry whole. */
// @ts-ignore: decorator
@inline
export function innerMtu(config: usize, family: u32): u32 {
  return family == 4 ? load<u32>(config, CONFIG_INNER_MTU4) : load<u32>(config, CONFIG_INNER_MTU6);
}

/** The session record for a checked inner packet, 0 if no prefix covers the address that decides. */
// @ts-ignore: decorator
@inline
export function findSession(inner: usize, family: u32): usize {
  const bySource = load<u32>(CONTROL, CONTROL_ROLE) == ROLE_MAG;
  const number =
    family == 4 ? findSession4(inner + (bySource ? 12 : 16)) : findSession6(inner + (bySource ? 8 : 24));
  return number ? <usize>load<u32>(CONTROL, CONTROL_SESSIONS) + <usize>(number - 1) * SESSION_STRIDE : 0;
}

/** Where probes are inner packets, the far end would take a packet of this address for one; nobody may forward it anyway. */
// @ts-ignore: decorator
@inline
function looksLikeProbe(config: usize, inner: usize, family: u32): bool {
  if (!(load<u32>(config, CONFIG_FLAGS) & CONFIG_FLAG_INNER_PROBES)) return false;
  return hasProbeAddress(inner, family, load<u32>(CONTROL, CONTROL_ROLE) == ROLE_MAG);
}

/** RFC 2473 §7.1 and RFC 4459: cut what may be cut, answer the rest. */
function sendOversized(
  worker: usize,
  session: usize,
  config: usize,
  group: usize,
  buffer: usize,
  family: u32,
  total: u32,
  mtu: u32,
): void {
  const inner = buffer + BUFFER_PACKET;
  if (family == 6 || loadBe16(inner, 6) & 0x4000) {
    sendTooBig(worker, inner, family, total, mtu);
    return drop(worker, buffer, DROP_TOO_BIG);
  }
  const header = ((<u32>load<u8>(inner)) & 15) << 2;
  const size = fragmentPayload(inner, mtu);
  if ((total - header) / size >= MESSAGES_PER_PACKET) return drop(worker, buffer, DROP_TOO_BIG);
  store<u32>(worker, MESSAGES_PER_PACKET, WORKER_RESERVE);
  for (let start: u32 = 0; start < total - header; start += size) {
    const piece = allocateBuffer(worker);
    if (!piece) {
      countDrop(worker, DROP_NO_BUFFER);
      break;
    }
    sendPacket(
      worker,
      session,
      config,
      group,
      piece,
      family,
      writeFragment(piece, inner, total, start, size),
    );
  }
  store<u32>(worker, 0, WORKER_RESERVE);
  count(worker, COUNTER_FRAGMENTED);
  freeBuffer(worker, buffer);
}

/** For segments and fragments, whose headers come after much other work anyway. */
function sendPacket(
  worker: usize,
  session: usize,
  config: usize,
  group: usize,
  buffer: usize,
  family: u32,
  total: u32,
): void {
  sendHere(worker, session, config, group, buffer, family, total);
}

// @ts-ignore: decorator
@inline
function sendHere(
  worker: usize,
  session: usize,
  config: usize,
  group: usize,
  buffer: usize,
  family: u32,
  total: u32,
): void {
  if (group) return sendByGroup(worker, session, group, buffer, family, total);
  const inner = buffer + BUFFER_PACKET;
  const ticket = drawTicket(session);
  const path = pathOfTicket(config, ticket);
  if (!path) return drop(worker, buffer, DROP_NO_PATH);
  const tos = outerTos(path, inner, family);
  const outer = encapsulatePacket(path, inner, family, total, <u32>ticket, tos);
  queueSend(worker, path, outer, load<u32>(path, PATH_HEADER_LENGTH) + total, tos, buffer);
}

function drop(worker: usize, buffer: usize, reason: u32): void {
  countDrop(worker, reason);
  freeBuffer(worker, buffer);
}
