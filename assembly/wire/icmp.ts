/**
 * Packet Too Big (RFC 4443 §3.2) and Fragmentation Needed (RFC 792, RFC 1191 §4) for packets that fit into no path,
 * written into a fresh buffer and delivered to the TUN. Rate-limited per worker (RFC 4443 §2.4 (f)).
 */
import {
  BUFFER_PACKET,
  CONTROL,
  CONTROL_ICMP_SOURCE4,
  CONTROL_ICMP_SOURCE6,
  COUNTER_ICMP_SENT,
  DROP_ICMP_LIMIT,
  DROP_NO_BUFFER,
  WORKER_ICMP_REFILL,
  WORKER_ICMP_TOKENS,
  WORKER_NOW,
} from '../layout';
import { allocateBuffer } from '../memory/buffers';
import { deliver } from '../pipeline/deliver';
import { count, countDrop } from '../stats';
import { loadBe16, loadBe32, storeBe16, storeBe32 } from './bytes';
import { checksumAdd, checksumFinish, pseudoHeader6 } from './checksum';
import { PROTOCOL_ICMPV6, findUpperLayer6 } from './ip';

/** Errors a second and worker, and the most that may be saved up. */
const ICMP_RATE: u64 = 1000;
const ICMP_BURST: u32 = 100;

/** Answers the checked packet at `at` with "too big for `mtu`", if an answer is allowed. */
export function sendTooBig(worker: usize, at: usize, family: u32, total: u32, mtu: u32): void {
  if (family == 4 ? !mayAnswer4(at) : !mayAnswer6(at, total)) return;
  if (!takeToken(worker)) {
    countDrop(worker, DROP_ICMP_LIMIT);
    return;
  }
  const buffer = allocateBuffer(worker);
  if (!buffer) {
    countDrop(worker, DROP_NO_BUFFER);
    return;
  }
  const reply = buffer + BUFFER_PACKET;
  const length = family == 4 ? writeError4(reply, at, total, mtu) : writeError6(reply, at, total, mtu);
  deliver(worker, reply, length, buffer);
  count(worker, COUNTER_ICMP_SENT);
}

/** RFC 1122 §3.2.2: not for later fragments, ICMP errors, multicast, or a source that is no single host. */
function mayAnswer4(at: usize): bool {
  if (loadBe16(at, 6) & 0x1fff) return false;
  if (loadBe32(at, 16) >> 28 >= 14) return false;
  const source = loadBe32(at, 12);
  if (!source || source >> 28 >= 14 || source >> 24 == 127) return false;
  if (load<u8>(at, 9) == 1) {
    const type = load<u8>(at + (((<usize>load<u8>(at)) & 15) << 2));
    return type == 0 || type == 8 || type > 12;
  }
  return true;
}

/** RFC 4443 §2.4 (e): not for ICMPv6 errors or an unspecified or multicast source. */
function mayAnswer6(at: usize, total: u32): bool {
  if (load<u8>(at, 8) == 0xff) return false;
  if (!load<u64>(at, 8) && !load<u64>(at, 16)) return false;
  const icmp = findUpperLayer6(at, total, PROTOCOL_ICMPV6);
  return !icmp || (load<u8>(at + icmp) & 0x80) != 0;
}

function takeToken(worker: usize): bool {
  const now = load<u64>(worker, WORKER_NOW);
  let tokens = load<u32>(worker, WORKER_ICMP_TOKENS);
  const earned = ((now - load<u64>(worker, WORKER_ICMP_REFILL)) * ICMP_RATE) / 1_000_000;
  if (earned) {
    tokens = <u32>min<u64>(<u64>tokens + earned, ICMP_BURST);
    store<u64>(worker, now, WORKER_ICMP_REFILL);
  }
  if (!tokens) return false;
  store<u32>(worker, tokens - 1, WORKER_ICMP_TOKENS);
  return true;
}

/** As much of the packet as fits into 576 octets (RFC 1812 §4.3.2.3). */
function writeError4(reply: usize, at: usize, total: u32, mtu: u32): u32 {
  const quoted = min<u32>(total, 576 - 28);
  const length = 28 + quoted;
  store<u32>(reply, 0xc045); // version 4, IHL 5, TOS 0xc0 (internetwork control)
  storeBe16(reply + 2, length);
  store<u32>(reply, 0, 4);
  storeBe32(reply + 8, 0x40010000); // TTL 64, ICMP
  store<u32>(reply, load<u32>(CONTROL, CONTROL_ICMP_SOURCE4), 12);
  store<u32>(reply, load<u32>(at, 12), 16);
  store<u16>(reply, checksumFinish(checksumAdd(0, reply, 20)), 10);
  store<u32>(reply, 0x0403, 20); // destination unreachable, fragmentation needed
  storeBe32(reply + 24, mtu);
  memory.copy(reply + 28, at, quoted);
  store<u16>(reply, checksumFinish(checksumAdd(0, reply + 20, 8 + quoted)), 22);
  return length;
}

/** As much of the packet as fits into the minimum IPv6 MTU (RFC 4443 §2.4 (c)). */
function writeError6(reply: usize, at: usize, total: u32, mtu: u32): u32 {
  const quoted = min<u32>(total, 1280 - 48);
  storeBe32(reply, 0x60000000);
  storeBe32(reply + 4, ((8 + quoted) << 16) | (PROTOCOL_ICMPV6 << 8) | 64);
  v128.store(reply, v128.load(CONTROL, CONTROL_ICMP_SOURCE6), 8);
  v128.store(reply, v128.load(at, 8), 24);
  store<u32>(reply, 0x0002, 40); // packet too big, code 0
  storeBe32(reply + 44, mtu);
  memory.copy(reply + 48, at, quoted);
  const sum = checksumAdd(pseudoHeader6(reply, 8 + quoted, PROTOCOL_ICMPV6), reply + 40, 8 + quoted);
  store<u16>(reply, checksumFinish(sum), 42);
  return 48 + quoted;
}
