/**
 * Sends a packet by its distribution group (classify/classify.ts): number, path, headers, and the copies of a redundant group. The
 * counterpart of sendPacket() in encapsulation.ts, which serves the default: the session's own schedule and ticket.
 */
import {
  ALGORITHM_REDUNDANT,
  BUFFER_PACKET,
  DROP_NO_PATH,
  GROUP_ALGORITHM,
  PATH_HEADER_LENGTH,
} from '../layout';
import { freeBuffer } from '../memory/buffers';
import { sendCopies } from '../schedule/redundant';
import { choosePath, drawNumber } from '../schedule/scheduler';
import { countDrop } from '../stats';
import { encapsulatePacket, outerTos } from '../tunnel/encapsulate';
import { queueSend } from './send';

/** Most messages that one packet can become, copies apart: a 64 KiB IPv4 packet in pieces never fits a buffer. */
export const MESSAGES_PER_PACKET: u32 = 32;
/** Room for the copies of a whole packet: groups of up to 16 paths can be redundant. */
export const COPIES_PER_PACKET: u32 = 15;

export function sendByGroup(
  worker: usize,
  session: usize,
  group: usize,
  buffer: usize,
  family: u32,
  total: u32,
): void {
  const inner = buffer + BUFFER_PACKET;
  const path = choosePath(worker, group, total);
  if (!path) {
    countDrop(worker, DROP_NO_PATH);
    return freeBuffer(worker, buffer);
  }
  const number = drawNumber(session, group);
  if (load<u32>(group, GROUP_ALGORITHM) == ALGORITHM_REDUNDANT) {
    sendCopies(worker, group, inner, family, total, number);
  }
  const tos = outerTos(path, inner, family);
  const outer = encapsulatePacket(path, inner, family, total, number, tos);
  queueSend(worker, path, outer, load<u32>(path, PATH_HEADER_LENGTH) + total, tos, buffer);
}
