/**
 * A worker's loop, run by the pool in a thread of its own. It is the only place that knows both devices and hot path:
 *
 *   wait -> TUN: receive, encapsulate, send -> each path device: receive, decapsulate -> deliver -> deadlines -> again
 *
 * It ends when CONTROL_STOP is set. New endpoints come as mail, read after a wake-up (a blocked thread gets no events).
 */
import { receiveMessageOnPort } from 'node:worker_threads';
import * as L from '../../assembly/layout.ts';
import { LinkDevice } from './device/link-device.ts';
import { MemoryDevice } from './device/memory-device.ts';
import { SocketDevice } from './device/socket-device.ts';
import { TunDevice } from './device/tun-device.ts';
import { XdpDevice } from './device/xdp-device.ts';
import type { DeviceHandle, PacketDevice } from './device/device.ts';
import { sendErrorReason } from './drop-reasons.ts';
import { type Waiter, BellWaiter, PollWaiter } from './waiter.ts';
import { type HotPath, instantiateHotPath } from './wasm.ts';
import type { EndpointHandle, WorkerTask } from './worker-task.ts';

/** Messages a batch where each may hold 64 datagrams, and the length from which on one surely holds several. */
const MERGED_BATCH = 8;
const MERGED_OCTETS = 4096;

const EIO = 5;
const EINVAL = 22;
const EMSGSIZE = 90;
const EOPNOTSUPP = 95;

/** Whether a send with UDP_SEGMENT that failed with `errno` may work without it. */
function isSegmentRefusal(errno: number): boolean {
  return errno === EIO || errno === EINVAL || errno === EMSGSIZE || errno === EOPNOTSUPP;
}

/** CLOCK_MONOTONIC in microseconds: the same clock in every thread, unlike performance.now(). */
export function monotonicMicroseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}

/** The pool's entry point: runs until asked to stop. */
export default function runWorker(task: WorkerTask): void {
  new WorkerLoop(task).run();
}

class WorkerLoop {
  readonly #task: WorkerTask;
  readonly #wasm: HotPath;
  readonly #u32: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #base: number;
  readonly #region: number;
  readonly #tun: PacketDevice;
  /** The TUN with struct virtio_net_hdr, null without. */
  readonly #vnetTun: TunDevice | null;
  /** Endpoints whose last batch had merged messages: few places are enough for the next. */
  readonly #merging = new Set<number>();
  /** By endpoint number. */
  readonly #endpoints = new Map<number, PacketDevice>();
  readonly #waiter: Waiter;
  /** A path device may hold more than this round has read. */
  #unread = false;

  constructor(task: WorkerTask) {
    this.#task = task;
    this.#wasm = instantiateHotPath(task.module, task.memory);
    this.#u32 = new Uint32Array(task.memory.buffer);
    this.#bytes = new Uint8Array(task.memory.buffer);
    const at = (L.CONTROL + L.CONTROL_HOST_BASE) >> 2;
    this.#base = this.#u32[at]! + this.#u32[at + 1]! * 0x1_0000_0000;
    this.#region = this.#wasm.workerAddress(task.index);
    this.#tun = this.#open(task.tun);
    this.#vnetTun = this.#tun instanceof TunDevice && this.#tun.vnet ? this.#tun : null;
    for (const endpoint of task.endpoints) this.#setEndpoint(endpoint);
    this.#waiter =
      task.wakeFd < 0
        ? new BellWaiter(task.bell)
        : new PollWaiter(task.wakeFd, this.#base, this.#region, this.#u32);
    this.#watch();
  }

  run(): void {
    const wasm = this.#wasm;
    let busy = true;
    let drained = 0;
    /** Rounds in a row that ended with a deadline passed. */
    let late = 0;
    while (!Atomics.load(this.#u32, (L.CONTROL + L.CONTROL_STOP) >> 2)) {
      const began = monotonicMicroseconds();
      const woken = this.#wait(this.#timeout(busy, late));
      wasm.startRound(this.#region, drained);
      if (woken) this.#readMail();
      busy = false;
      this.#unread = false;
      if (this.#waiter.isReady(this.#tun)) busy = this.#fromTun() || busy;
      for (const [index, device] of this.#endpoints) {
        if (this.#waiter.isReady(device)) busy = this.#fromPath(index, device) || busy;
      }
      // What arrived before the wait has been read now, unless a device had more than a batch.
      if (!this.#unread) drained = began;
      late = this.#deadlinePassed() ? late + 1 : 0;
      if (late || this.#u32[(this.#region + L.WORKER_STASH_COUNT) >> 2]) {
        wasm.expire(this.#region, monotonicMicroseconds(), drained);
      }
      this.#deliver();
      wasm.passBatchEnd(this.#region, !this.#unread);
    }
  }

  /** Looks for input for a while before it sleeps, if so configured: being awake is cheaper than being woken. */
  #wait(timeout: number): boolean {
    if (this.#task.busyPollUs > 0 && timeout !== 0) {
      const end = monotonicMicroseconds() + this.#task.busyPollUs;
      do {
        if (this.#waiter.wait(0)) return true;
        if (this.#waiter.anyReady || this.#deadlinePassed()) return false;
      } while (monotonicMicroseconds() < end);
    }
    return this.#waiter.wait(timeout);
  }

  /**
   * Milliseconds to wait: none if in-memory devices were busy, else until the earliest deadline. One that has passed is
   * served after a look at the devices; if that was in vain (something is unread, maybe by another worker), soon again.
   */
  #timeout(busy: boolean, late: number): number {
    if (busy && this.#task.wakeFd < 0) return 0;
    if (this.#u32[(this.#region + L.WORKER_STASH_COUNT) >> 2]) return 1;
    const deadline = this.#wasm.nextDeadline(this.#region);
    if (!deadline) return -1;
    const left = Math.ceil((deadline - monotonicMicroseconds()) / 1000);
    return Math.max(late > 1 ? 1 : 0, left);
  }

  #deadlinePassed(): boolean {
    const deadline = this.#wasm.nextDeadline(this.#region);
    return deadline !== 0 && deadline <= monotonicMicroseconds();
  }

  #fromTun(): boolean {
    const wasm = this.#wasm;
    const room = wasm.prepareReceive(this.#region, -1, L.BATCH);
    const received = this.#tun.receive(this.#region + L.WORKER_RECEIVE_HEADERS, room);
    if (received <= 0) return false;
    let done = 0;
    while (done < received) {
      done = wasm.encapsulate(this.#region, done, received, monotonicMicroseconds());
      this.#send();
      this.#deliver();
    }
    return true;
  }

  /** One sendmmsg(2) a group; a message that fails is counted and passed over. */
  #send(): void {
    let groups = this.#u32[(this.#region + L.WORKER_GROUP_COUNT) >> 2]!;
    for (let group = 0; group < groups; group++) {
      const at = (this.#region + L.WORKER_GROUPS + group * L.GROUP_STRIDE) >> 2;
      const device = this.#endpoints.get(this.#u32[at + L.GROUP_ENDPOINT / 4]!);
      let next = this.#u32[at + L.GROUP_FIRST / 4]!;
      const end = next + this.#u32[at + L.GROUP_COUNT / 4]!;
      while (next < end) {
        const headers = this.#region + L.WORKER_SEND_HEADERS + next * L.MMSGHDR_SIZE;
        const sent = device ? device.send(headers, end - next) : -1;
        if (sent > 0) {
          next += sent;
        } else if (this.#isMerged(next) && isSegmentRefusal(-sent)) {
          // EMSGSIZE: one datagram is too big, and only one by one can tell which. Else: UDP_SEGMENT does not work here.
          this.#wasm.regroupSends(this.#region, next, -sent !== EMSGSIZE);
          groups = this.#u32[(this.#region + L.WORKER_GROUP_COUNT) >> 2]!;
          group = -1;
          break;
        } else {
          this.#wasm.sendFailed(this.#region, next, sendErrorReason(-sent));
          next++;
        }
      }
    }
    this.#wasm.sendsDone(this.#region);
  }

  #isMerged(message: number): boolean {
    return this.#u32[(this.#region + L.WORKER_MESSAGE_PACKETS + message * 4) >> 2]! > 1;
  }

  #fromPath(index: number, device: PacketDevice): boolean {
    const count = this.#merging.has(index) ? MERGED_BATCH : L.BATCH;
    const room = this.#wasm.prepareReceive(this.#region, index, count);
    const received = device.receive(this.#region + L.WORKER_RECEIVE_HEADERS, room);
    if (received <= 0) return false;
    const xdp = device instanceof XdpDevice ? device : null;
    if (received === room || xdp?.hasInput) this.#unread = true;
    const source = xdp?.source ?? index;
    this.#noteMerging(index);
    let done = 0;
    while (done < received) {
      done = this.#wasm.decapsulate(this.#region, source, done, received, monotonicMicroseconds());
      this.#deliver();
    }
    return true;
  }

  #noteMerging(index: number): void {
    const length = this.#u32[(this.#region + L.WORKER_RECEIVE_HEADERS + L.MMSGHDR_LEN) >> 2]!;
    if (length > MERGED_OCTETS) this.#merging.add(index);
    else this.#merging.delete(index);
  }

  /** Writes deliveries to the TUN until none is left and all delivery locks are let go. */
  #deliver(): void {
    do {
      if (this.#vnetTun) this.#writeSupers(this.#vnetTun);
      else this.#writePackets();
    } while (this.#wasm.deliveriesDone(this.#region, monotonicMicroseconds()));
  }

  #writePackets(): void {
    const count = this.#u32[(this.#region + L.WORKER_DELIVER_COUNT) >> 2]!;
    let next = 0;
    while (next < count) {
      const headers = this.#region + L.WORKER_DELIVER_HEADERS + next * L.MMSGHDR_SIZE;
      const written = this.#tun.send(headers, count - next);
      if (written > 0) {
        next += written;
      } else {
        this.#wasm.deliveryFailed(this.#region, next);
        next++;
      }
    }
  }

  #writeSupers(tun: TunDevice): void {
    if (!this.#u32[(this.#region + L.WORKER_DELIVER_COUNT) >> 2]) return;
    const writes = this.#wasm.layWrites(this.#region);
    for (let write = 0; write < writes; write++) {
      const at = (this.#region + L.WORKER_WRITES + write * 8) >> 2;
      const written = tun.write(this.#u32[at]!, this.#u32[at + 1]!);
      if (written >= 0) continue;
      if (written === -EINVAL && this.#u32[at + 1]! > 2) this.#writeSingly(tun, write);
      else this.#wasm.writeFailed(this.#region, write);
    }
  }

  /** The kernel refuses a super-packet: its packets are written one by one, and no more are merged. */
  #writeSingly(tun: TunDevice, write: number): void {
    const at = (L.CONTROL + L.CONTROL_TUN_OFFLOAD) >> 2;
    Atomics.and(this.#u32, at, ~(L.TUN_OFFLOAD_MERGE_TCP | L.TUN_OFFLOAD_MERGE_UDP));
    for (let packet = this.#wasm.singleWrite(this.#region, write, 0); packet;) {
      const iovecs = this.#u32[(this.#region + L.WORKER_WRITES + write * 8) >> 2]!;
      if (tun.write(iovecs, 2) < 0) this.#wasm.deliveryFailed(this.#region, packet - 1);
      packet = this.#wasm.singleWrite(this.#region, write, packet);
    }
  }

  #readMail(): void {
    let changed = false;
    for (;;) {
      const mail = receiveMessageOnPort(this.#task.mail);
      if (!mail) break;
      this.#setEndpoint(mail.message as EndpointHandle);
      changed = true;
    }
    if (changed) this.#watch();
  }

  #setEndpoint(endpoint: EndpointHandle): void {
    if (endpoint.device) this.#endpoints.set(endpoint.index, this.#open(endpoint.device));
    else this.#endpoints.delete(endpoint.index);
  }

  #watch(): void {
    this.#waiter.watch([this.#tun, ...this.#endpoints.values()]);
  }

  #open(handle: DeviceHandle): PacketDevice {
    switch (handle.kind) {
      case 'tun':
        return new TunDevice(handle.fd, handle.vnet, this.#base, this.#u32);
      case 'socket':
        return new SocketDevice(handle.fd, this.#base);
      case 'link':
        return new LinkDevice(handle.fd, this.#base);
      case 'xdp':
        return new XdpDevice(handle.fd, handle.record, this.#wasm, this.#region, this.#u32);
      case 'memory':
        return new MemoryDevice(handle.receive, handle.send, this.#bytes, this.#u32);
    }
  }
}
