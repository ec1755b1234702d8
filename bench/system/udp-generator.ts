/**
 * Sends UDP datagrams of one size, as a worker thread inside a network namespace: at an even pace or as fast as sendmmsg(2)
 * takes them. Started by udp-load.ts; answers by messages. Payload and message headers lie in a WebAssembly memory, because
 * the kernel gets their addresses.
 */
import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import * as L from '../../assembly/layout.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { addressOf, bind, connect, sendmmsg, socket } from '../../src/net/libc.ts';
import { enterNamespace } from '../../src/net/network-namespace.ts';

export interface GeneratorTask {
  readonly namespace: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** Octets of payload. */
  readonly size: number;
}

/** One burst of traffic; `perSecond` null: as fast as possible. */
export interface GeneratorOrder {
  readonly perSecond: number | null;
  readonly seconds: number;
}

export interface GeneratorReport {
  readonly sent: number;
  readonly seconds: number;
}

const BATCH = 64;
/**
 * What was not sent in time, because the thread did not run, is made up for by so many datagrams at once and no more: a longer
 * burst would overflow the queue of any device and measure the generator.
 */
const MOST_AT_ONCE = 128;
/** Sleeps are at least so long, so that the thread leaves its core to what is measured. */
const SHORTEST_SLEEP_MS = 0.04;
const IOVEC = BATCH * L.MMSGHDR_SIZE;
const PAYLOAD = IOVEC + L.IOVEC_SIZE;

const task = workerData as GeneratorTask;
const port = parentPort!;
const pause = new Int32Array(new SharedArrayBuffer(4));
// "42/task/123": the thread's own number.
const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));

enterNamespace(task.namespace);
const fd = openSocket();
const messages = layMessages();
port.on('message', (order: GeneratorOrder) => {
  const report = order.perSecond === null ? flood(order.seconds) : pace(order.perSecond, order.seconds);
  port.postMessage({ done: report });
});
port.postMessage({ ready: true });

function openSocket(): number {
  const { family } = parseAddress(task.destination);
  const fd = socket(family === 4 ? 2 : 10, 2 | 0o2000000, 0);
  const local = encodeSockaddr(parseAddress(task.source), 0);
  bind(fd, local.bytes, local.length, task.source);
  const remote = encodeSockaddr(parseAddress(task.destination), task.port);
  connect(fd, remote.bytes, remote.length, task.destination);
  return fd;
}

/** BATCH message headers that share one payload, and their address; it is good for as long as the memory is referred to. */
function layMessages(): { memory: WebAssembly.Memory; address: number } {
  const pages = Math.ceil((PAYLOAD + task.size) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const view = new DataView(memory.buffer);
  const base = addressOf(memory);
  view.setBigUint64(IOVEC, BigInt(base + PAYLOAD), true);
  view.setBigUint64(IOVEC + 8, BigInt(task.size), true);
  for (let message = 0; message < BATCH; message++) {
    const at = message * L.MMSGHDR_SIZE;
    view.setBigUint64(at + L.MMSGHDR_IOV, BigInt(base + IOVEC), true);
    view.setBigUint64(at + L.MMSGHDR_IOVLEN, 1n, true);
  }
  return { memory, address: base };
}

/** Datagrams that the kernel took: all, or fewer if it has no room (ENOBUFS) or the far port is closed (ECONNREFUSED). */
function send(count: number): number {
  return Math.max(0, sendmmsg(fd, messages.address, count, 0));
}

/** Sets the thread's scheduling policy by chrt(1), which is part of util-linux; without it, pacing is less even. */
function schedule(policy: '--other' | '--fifo', priority: string): void {
  spawnSync('chrt', [policy, '--pid', priority, String(thread)], { stdio: 'ignore' });
}

function flood(seconds: number): GeneratorReport {
  schedule('--other', '0');
  const started = performance.now();
  const end = started + seconds * 1000;
  let sent = 0;
  while (performance.now() < end) sent += send(BATCH);
  return { sent, seconds: (performance.now() - started) / 1000 };
}

function pace(perSecond: number, seconds: number): GeneratorReport {
  // A paced source has to run in time; in a real network it has a machine of its own.
  schedule('--fifo', '1');
  const perMs = perSecond / 1000;
  const started = performance.now();
  const end = started + seconds * 1000;
  let sent = 0;
  /** When the datagram `sent` is due. */
  let next = started;
  for (;;) {
    const now = performance.now();
    if (now >= end) return { sent, seconds: (now - started) / 1000 };
    let due = Math.floor((now - next) * perMs) + 1;
    if (due <= 0) {
      Atomics.wait(pause, 0, 0, Math.max(SHORTEST_SLEEP_MS, next - now));
      continue;
    }
    if (due > MOST_AT_ONCE) {
      due = MOST_AT_ONCE;
      next = now - due / perMs;
    }
    for (let left = due; left > 0; left -= BATCH) sent += send(Math.min(left, BATCH));
    next += due / perMs;
  }
}
