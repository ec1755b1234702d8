/**
 * One end of flows of UDP datagrams, as a worker thread inside a network namespace: sends them numbered and stamped, or notes when they
 * come. Started by startFlows() in flows.ts.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { addressOf, bind, close, poll, receive, sendTo, socket } from '../../src/net/libc.ts';
import { enterNamespace } from '../../src/net/network-namespace.ts';
import { flowOf } from './flows.ts';

export interface FlowTask {
  readonly role: 'source' | 'sink';
  readonly namespace: string;
  /** Of this end. */
  readonly address: string;
  readonly destination?: string;
  readonly flows: number;
  /** Datagrams of all flows together. */
  readonly perSecond: number;
  readonly seconds: number;
  /** Octets of payload. */
  readonly size: number;
}

/** By number of the datagram, milliseconds of CLOCK_MONOTONIC; 0: did not come. */
export interface FlowReport {
  readonly sentMs: Float64Array;
  readonly receivedMs: Float64Array;
}

const PORT = 5220;
/** The sink ends when nothing has come for so long after the first. */
const QUIET_MS = 700;
/** ... and when nothing comes at all for about so long. */
const NOTHING_MS = 5000;
const POLLIN = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SOCK_NONBLOCK = 0o4000;

const task = workerData as FlowTask;
enterNamespace(task.namespace);
if (task.role === 'source') send();
else note();

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function openSocket(port: number, flags: number): number {
  const { family } = parseAddress(task.address);
  const fd = socket(family === 4 ? 2 : 10, SOCK_DGRAM_CLOEXEC | flags, 0);
  const local = encodeSockaddr(parseAddress(task.address), port);
  bind(fd, local.bytes, local.length, task.address);
  return fd;
}

function send(): void {
  const sockets = Array.from({ length: task.flows }, () => openSocket(0, 0));
  const to = encodeSockaddr(parseAddress(task.destination!), PORT);
  const data = new Uint8Array(task.size);
  const view = new DataView(data.buffer);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const started = monotonicMs();
  const count = task.perSecond * task.seconds;
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, ((monotonicMs() - started) / 1000) * task.perSecond);
    for (; sent < due; sent++) {
      view.setUint32(0, sent);
      view.setFloat64(4, monotonicMs());
      sendTo(sockets[flowOf(sent, task.flows)]!, data, to.bytes, to.length, task.destination!);
    }
    Atomics.wait(pause, 0, 0, 0.2);
  }
  sockets.forEach(close);
}

function note(): void {
  const fd = openSocket(PORT, SOCK_NONBLOCK);
  const count = task.perSecond * task.seconds;
  const sentMs = new Float64Array(count);
  const receivedMs = new Float64Array(count);
  const data = new Uint8Array(2048);
  const view = new DataView(data.buffer);
  const memory = new WebAssembly.Memory({ initial: 1 });
  new DataView(memory.buffer).setInt32(0, fd, true);
  new DataView(memory.buffer).setInt16(4, POLLIN, true);
  parentPort!.postMessage('ready');
  const started = monotonicMs();
  let last = 0;
  while (monotonicMs() - (last || started + NOTHING_MS) < QUIET_MS) {
    poll(addressOf(memory), 1, 50);
    while (receive(fd, data) > 0) {
      last = monotonicMs();
      const number = view.getUint32(0);
      sentMs[number] = view.getFloat64(4);
      receivedMs[number] = last;
    }
  }
  close(fd);
  parentPort!.postMessage({ sentMs, receivedMs } satisfies FlowReport);
}
