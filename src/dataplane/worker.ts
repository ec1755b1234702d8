/**
 * A worker's loop, run by the pool in a thread of its own. It is the only place that knows both devices and hot path:
 *
 *   wait -> TUN: receive, encapsulate, send -> each path device: receive, decapsulate -> deliver -> deadlines -> again
 *
 * It ends when CONTROL_STOP is set. New endpoints come as mail, read after a wake-up (a blocked thread gets no events).
 */
import { receiveMessageOnPort } from 'node:worker_threads';
import * as L from '../../assembly/layout.ts';
import { yieldCore } from '../net/libc.ts';
import { monotonicMicroseconds } from './clock.ts';
import { LinkDevice } from './device/link-device.ts';
import { MemoryDevice } from './device/memory-device.ts';
import { SocketDevice } from './device/socket-device.ts';
import { MERGED_OCTETS, TunDevice } from './device/tun-device.ts';
import { XdpDevice } from './device/xdp-device.ts';
import type { DeviceHandle, PacketDevice } from './device/device.ts';
import { Sender } from './sender.ts';
import { TunBatch } from './tun-batch.ts';
import { type Waiter, BellWaiter, PollWaiter } from './waiter.ts';
import { type HotPath, instantiateHotPath } from './wasm.ts';
import type { EndpointHandle, WorkerTask } from './worker-task.ts';

/** A batch of a socket has at least this many places: one that stays empty shows that nothing is left. */
const LEAST_BATCH = 2;
/** And the TUN, once it gives super-packets: the more are sent together, the fewer messages they make. */
const LEAST_SUPERS = 4;
/** Messages a batch where each may hold 64 datagrams, and the length from which on one surely holds several. */
const MERGED_BATCH = 8;

const EINVAL = 22;

/** A device that the worker reads, and how much it expects to find there. */
interface Input {
  /** Endpoint number, -1 for the TUN. */
  readonly index: number;
  readonly device: PacketDevice;
  /** Messages that the next batch has places for: twice as many after a full one, else as many as were there. */
  places: number;
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
  readonly #tunBatch: TunBatch;
  /** The TUN first, then the endpoints. */
  #inputs: Input[] = [];
  /** The TUN with struct virtio_net_hdr, null without. */
  readonly #vnetTun: TunDevice | null;
  /** By endpoint number. */
  readonly #endpoints = new Map<number, PacketDevice>();
  readonly #waiter: Waiter;
  readonly #sender: Sender;
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
    this.#sender = new Sender(this.#wasm, this.#region, this.#u32);
    this.#tunBatch = new TunBatch(this.#wasm, this.#region, this.#u32, this.#tun, () => {
      this.#sender.send();
      this.#deliver();
    });
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
      const inputs = this.#inputs;
      for (let place = 0; place < inputs.length; place++) {
        if (!this.#waiter.isReady(place)) continue;
        const input = inputs[place]!;
        busy = (input.index < 0 ? this.#fromTun(input) : this.#fromPath(input)) || busy;
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
        // Whoever was woken on this core, maybe by what we have just sent, may be who brings the input.
        if (this.#task.wakeFd >= 0) yieldCore();
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

  /** A packet that comes alone is on its way before the TUN is asked for another one. */
  #fromTun(tun: Input): boolean {
    const taken = this.#tunBatch.pass(tun.places);
    if (!taken) return false;
    const least = this.#tunBatch.hasSupers ? LEAST_SUPERS : taken;
    tun.places = taken === tun.places ? Math.min(taken * 2, L.BATCH) : Math.max(taken, least);
    return true;
  }

  #fromPath(input: Input): boolean {
    const { index, device } = input;
    const room = this.#wasm.prepareReceive(this.#region, index, input.places);
    const received = device.receive(this.#region + L.WORKER_RECEIVE_HEADERS, room);
    if (received <= 0) return false;
    const xdp = device instanceof XdpDevice ? device : null;
    const full = received === room;
    if (full || xdp?.hasInput) this.#unread = true;
    const source = xdp?.source ?? index;
    const most = this.#isMerging() ? MERGED_BATCH : L.BATCH;
    input.places = Math.min(full ? room * 2 : Math.max(received + 1, LEAST_BATCH), most);
    let done = 0;
    while (done < received) {
      done = this.#wasm.decapsulate(this.#region, source, done, received, monotonicMicroseconds());
      this.#deliver();
    }
    return true;
  }

  /** Whether the batch just received has merged messages: few places are enough for the next. */
  #isMerging(): boolean {
    return this.#u32[(this.#region + L.WORKER_RECEIVE_HEADERS + L.MMSGHDR_LEN) >> 2]! > MERGED_OCTETS;
  }

  /** Writes deliveries to the TUN until none is left and all delivery locks are let go. */
  #deliver(): void {
    if (
      !this.#u32[(this.#region + L.WORKER_DELIVER_COUNT) >> 2] &&
      !this.#u32[(this.#region + L.WORKER_HELD_COUNT) >> 2]
    )
      return;
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
        this.#wasm.deliveryFailed(this.#region);
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
      if (tun.write(iovecs, 2) < 0) this.#wasm.deliveryFailed(this.#region);
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
    const device = endpoint.device && this.#open(endpoint.device);
    if (device) this.#endpoints.set(endpoint.index, device);
    else this.#endpoints.delete(endpoint.index);
    this.#sender.setDevice(endpoint.index, device);
  }

  #watch(): void {
    this.#inputs = [{ index: -1, device: this.#tun, places: 1 }];
    for (const [index, device] of this.#endpoints) this.#inputs.push({ index, device, places: LEAST_BATCH });
    this.#waiter.watch(this.#inputs.map(({ device }) => device));
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
