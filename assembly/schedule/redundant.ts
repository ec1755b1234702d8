/**
 * Redundant: a copy of the packet on every path of the group, all with the same sequence number, so that the far end's
 * resequencer delivers the first and drops the rest (RFC 6089 §4.2.1.3: a copy to each BID listed).
 */
import { COUNTER_COPIES, DROP_NO_BUFFER, BUFFER_PACKET, WORKER_NOW, WORKER_RESERVE } from '../layout';
import { allocateBuffer } from '../memory/buffers';
import { queueSend, sendRoom } from '../pipeline/send';
import { count, countDrop } from '../stats';
import { encapsulatePacket, outerTos } from '../tunnel/encapsulate';
import { memberAt, memberCount, memberHeader, memberModel, memberPath } from './group';
import { charge } from './path-model';

/** Sends copies over all members but the first, as far as room (beside what the packet in hand still needs) and buffers last. */
export function sendCopies(
  worker: usize,
  group: usize,
  inner: usize,
  family: u32,
  total: u32,
  number: u32,
): void {
  const members = memberCount(group);
  const reserve = load<u32>(worker, WORKER_RESERVE);
  const now = load<u64>(worker, WORKER_NOW) * 1000;
  for (let i: u32 = 1; i < members; i++) {
    const buffer = sendRoom(worker) > reserve ? allocateBuffer(worker) : 0;
    if (!buffer) {
      countDrop(worker, DROP_NO_BUFFER);
      continue;
    }
    const member = memberAt(group, i);
    const path = memberPath(member);
    const copy = buffer + BUFFER_PACKET;
    memory.copy(copy, inner, total);
    const tos = outerTos(path, copy, family);
    const outer = encapsulatePacket(path, copy, family, total, number, tos);
    const whole = memberHeader(member) + total;
    queueSend(worker, path, outer, whole, tos, buffer);
    charge(memberModel(member), whole, now);
    count(worker, COUNTER_COPIES);
  }
}
