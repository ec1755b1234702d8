/** ICMP echo (RFC 792, RFC 4443 §4) over a raw socket: a bare machine need not have ping(8). */
import { internetChecksum } from '../internet-checksum.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { addressOf, bind, close, poll, receive, sendTo, socket } from '../net/libc.ts';

export interface PingOptions {
  readonly host: string;
  readonly source: string;
  readonly count: number;
  readonly intervalMs: number;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Round trips in milliseconds, in order of sending. */
  readonly rttMs: readonly number[];
}

const SOCK_RAW_NONBLOCK = 3 | 0o4000 | 0o2000000;
/** The neighbour's address may have to be asked for first, over a satellite. */
const TIMEOUT_MS = 3000;
const POLLIN = 1;

/** Sends `count` echo requests in the calling thread, which it blocks. */
export function ping(options: PingOptions): PingResult {
  const target = parseAddress(options.host);
  const source = parseAddress(options.source);
  const v6 = target.family === 6;
  const fd = socket(v6 ? 10 : 2, SOCK_RAW_NONBLOCK, v6 ? 58 : 1);
  const rttMs: number[] = [];
  try {
    const local = encodeSockaddr(source, 0);
    bind(fd, local.bytes, local.length, options.source);
    const to = encodeSockaddr(target, 0);
    const identifier = process.pid & 0xffff;
    const buffer = new Uint8Array(2048);
    const pause = new Int32Array(new SharedArrayBuffer(4));
    // poll(2) sleeps until a packet comes, so that a round trip is as short as it is; its argument must not move.
    const memory = new WebAssembly.Memory({ initial: 1 });
    new DataView(memory.buffer).setInt32(0, fd, true);
    new DataView(memory.buffer).setInt16(4, POLLIN, true);
    const pollfd = addressOf(memory);
    for (let number = 1; number <= options.count; number++) {
      const started = performance.now();
      sendTo(fd, echoRequest(v6, identifier, number), to.bytes, to.length, options.host);
      while (performance.now() - started < TIMEOUT_MS) {
        const length = receive(fd, buffer);
        if (length > 0 && isReply(buffer.subarray(0, length), v6, identifier, number)) {
          rttMs.push(performance.now() - started);
          break;
        }
        if (length < 0) poll(pollfd, 1, TIMEOUT_MS);
      }
      Atomics.wait(pause, 0, 0, options.intervalMs);
    }
  } finally {
    close(fd);
  }
  return { sent: options.count, received: rttMs.length, rttMs };
}

/** An echo request with 56 octets of data; for ICMPv6 the kernel fills the checksum in (RFC 3542 §3.1). */
function echoRequest(v6: boolean, identifier: number, number: number): Uint8Array {
  const message = new Uint8Array(64);
  const view = new DataView(message.buffer);
  message[0] = v6 ? 128 : 8;
  view.setUint16(4, identifier);
  view.setUint16(6, number);
  if (!v6) view.setUint16(2, internetChecksum([message]));
  return message;
}

function isReply(packet: Uint8Array, v6: boolean, identifier: number, number: number): boolean {
  const at = v6 ? 0 : (packet[0]! & 15) * 4;
  if (packet.length < at + 8) return false;
  const view = new DataView(packet.buffer, packet.byteOffset + at);
  return (
    view.getUint8(0) === (v6 ? 129 : 0) && view.getUint16(4) === identifier && view.getUint16(6) === number
  );
}
