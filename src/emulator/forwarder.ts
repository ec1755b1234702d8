/**
 * The emulator's thread: reads frames from packet(7) sockets straight into memory of its own, asks the link model when each
 * arrives, sleeps until then and writes them to the other side. One thread serves all links.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import {
  MMSGHDR_FLAGS,
  MMSGHDR_IOV,
  MMSGHDR_IOVLEN,
  MMSGHDR_LEN,
  MMSGHDR_SIZE,
} from '../net/message-header.ts';
import { pollUntil, readInto, recvmmsg, sendmmsg, setNiceness, setTimerSlack } from '../net/libc.ts';
import { Departures } from './departures.ts';
import { Link, type LinkSpec } from './model/link.ts';
import { COUNTERS, type Counter, type EmulatorTask } from './task.ts';

const ETHERNET_HEADER = 14;
const SLOT_SIZE = 2048;
const BATCH = 64;
const MSG_TRUNC = 0x20;
const POLLFD_SIZE = 8;
const POLLIN = 1;
const IOVEC_SIZE = 16;
/** Nothing to do: look again after this, microseconds. */
const IDLE_US = 1e6;

interface Direction {
  readonly index: number;
  readonly from: number;
  readonly to: number;
  readonly link: Link;
  readonly departures: Departures;
}

class Forwarder {
  readonly #task: EmulatorTask;
  readonly #port: MessagePort;
  readonly #directions: Direction[];
  readonly #u32: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #u64: BigUint64Array;
  readonly #counters: Float64Array;
  readonly #free: Int32Array;
  #freeCount: number;
  // Offsets in the memory.
  readonly #headers = 0;
  readonly #iovecs = BATCH * MMSGHDR_SIZE;
  readonly #polls: number;
  readonly #timespec: number;
  readonly #wake: number;
  readonly #slots: number;

  constructor(task: EmulatorTask) {
    this.#task = task;
    this.#port = task.port;
    const buffer = task.memory.buffer;
    this.#u32 = new Uint32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#u64 = new BigUint64Array(buffer);
    this.#counters = new Float64Array(task.counters);
    this.#polls = this.#iovecs + BATCH * IOVEC_SIZE;
    this.#timespec = this.#polls + (task.links.length * 2 + 1) * POLLFD_SIZE;
    this.#wake = this.#timespec + 16;
    this.#slots = Math.ceil((this.#wake + 8) / SLOT_SIZE) * SLOT_SIZE;
    const slots = Math.floor((buffer.byteLength - this.#slots) / SLOT_SIZE);
    this.#free = Int32Array.from({ length: slots }, (_, i) => this.#slots + i * SLOT_SIZE);
    this.#freeCount = slots;
    const now = microseconds();
    this.#directions = task.links.flatMap(({ a, b, uplink, downlink, seeds }, i) => [
      this.#direction(i * 2, a, b, new Link(uplink, seeds.uplink, now)),
      this.#direction(i * 2 + 1, b, a, new Link(downlink, seeds.downlink, now)),
    ]);
    this.#layPoll(0, task.wakeFd);
    this.#directions.forEach(({ from }, i) => this.#layPoll(i + 1, from));
    for (let i = 0; i < BATCH; i++) {
      const header = this.#headers + i * MMSGHDR_SIZE;
      this.#setAddress(header + MMSGHDR_IOV, this.#iovecs + i * IOVEC_SIZE);
      this.#u32[(header + MMSGHDR_IOVLEN) >> 2] = 1;
    }
  }

  run(): void {
    setTimerSlack(1);
    // Links do not wait for the programs at their ends.
    setNiceness(-20);
    for (;;) {
      const now = microseconds();
      let next = now + IDLE_US;
      for (const direction of this.#directions) {
        if (direction.departures.next <= now) this.#send(direction, now);
        next = Math.min(next, direction.departures.next);
      }
      if (!this.#sleep(Math.max(0, next - microseconds()))) continue;
      if (this.#ready(0) && !this.#readMail()) return;
      for (const direction of this.#directions) {
        if (this.#ready(direction.index + 1)) this.#receive(direction);
      }
    }
  }

  #direction(index: number, from: number, to: number, link: Link): Direction {
    return { index, from, to, link, departures: new Departures() };
  }

  #receive(direction: Direction): void {
    const { link, departures } = direction;
    const room = Math.min(BATCH, this.#freeCount);
    if (!room) return this.#discard(direction);
    const first = this.#freeCount - room;
    for (let i = 0; i < room; i++) {
      this.#layIovec(i, this.#free[first + i]!, SLOT_SIZE);
      this.#u32[(this.#headers + i * MMSGHDR_SIZE + MMSGHDR_FLAGS) >> 2] = 0;
    }
    const received = recvmmsg(direction.from, this.#task.base + this.#headers, room);
    if (received <= 0) return;
    const now = microseconds();
    const taken = this.#free.slice(first, first + received);
    // Those that were not used stay: the used ones are taken out from the bottom of the stack's top part.
    this.#free.copyWithin(first, first + received, first + room);
    this.#freeCount -= received;
    for (let i = 0; i < received; i++) {
      const header = this.#headers + i * MMSGHDR_SIZE;
      const length = this.#u32[(header + MMSGHDR_LEN) >> 2]!;
      const slot = taken[i]!;
      if (this.#u32[(header + MMSGHDR_FLAGS) >> 2]! & MSG_TRUNC) {
        this.#count(direction, 'oversized');
        this.#free[this.#freeCount++] = slot;
        continue;
      }
      const arrival = link.offer(Math.max(0, length - ETHERNET_HEADER), now);
      if (arrival < 0) this.#free[this.#freeCount++] = slot;
      else {
        departures.push(arrival, slot, length);
        if (link.copyAt) this.#double(direction, slot, length);
      }
    }
    this.#publish(direction);
  }

  #double({ departures, link }: Direction, slot: number, length: number): void {
    if (!this.#freeCount) return;
    const copy = this.#free[--this.#freeCount]!;
    this.#bytes.copyWithin(copy, slot, slot + length);
    departures.push(link.copyAt, copy, length);
  }

  /** No slot is free: the frame is taken from the socket and lost, as in a full queue. */
  #discard(direction: Direction): void {
    this.#layIovec(0, this.#slots, 0);
    if (recvmmsg(direction.from, this.#task.base + this.#headers, 1) > 0) {
      this.#count(direction, 'noSlot');
    }
  }

  #send(direction: Direction, now: number): void {
    const { departures } = direction;
    while (departures.next <= now) {
      let n = 0;
      const first = this.#freeCount;
      while (n < BATCH && departures.next <= now) {
        this.#layIovec(n, departures.slot, departures.length);
        // The frame stays in place until it is sent, although its slot is listed as free already.
        this.#free[first + n] = departures.slot;
        departures.pop();
        n++;
      }
      let done = 0;
      while (done < n) {
        const headers = this.#task.base + this.#headers + done * MMSGHDR_SIZE;
        const sent = sendmmsg(direction.to, headers, n - done);
        if (sent > 0) done += sent;
        else {
          this.#count(direction, 'unsent');
          done++;
        }
      }
      this.#freeCount += n;
      this.#counters[direction.index * COUNTERS.length + COUNTERS.indexOf('sent')]! += n;
    }
  }

  // ---- control

  /** False: the emulator ends. */
  #readMail(): boolean {
    readInto(this.#task.wakeFd, this.#task.base + this.#wake, 8);
    for (let mail = receiveMessageOnPort(this.#port); mail; mail = receiveMessageOnPort(this.#port)) {
      const message = mail.message as { direction: number; spec: LinkSpec } | 'stop';
      if (message === 'stop') return false;
      this.#directions[message.direction]!.link.change(message.spec, microseconds());
    }
    return true;
  }

  #publish({ index, link }: Direction): void {
    const at = index * COUNTERS.length;
    const { offered, lost, queueFull, doubled, overtaken } = link.counters;
    this.#counters[at] = offered;
    this.#counters[at + 1] = lost;
    this.#counters[at + 2] = queueFull;
    this.#counters[at + 3] = doubled;
    this.#counters[at + 4] = overtaken;
  }

  #count({ index }: Direction, counter: Counter): void {
    this.#counters[index * COUNTERS.length + COUNTERS.indexOf(counter)]! += 1;
  }

  // ---- memory

  #sleep(us: number): boolean {
    const nanoseconds = Math.round(us * 1000);
    this.#u64[this.#timespec >> 3] = BigInt(Math.floor(nanoseconds / 1e9));
    this.#u64[(this.#timespec >> 3) + 1] = BigInt(nanoseconds % 1e9);
    const { base } = this.#task;
    return pollUntil(base + this.#polls, this.#directions.length + 1, base + this.#timespec) > 0;
  }

  #layPoll(place: number, fd: number): void {
    const at = (this.#polls + place * POLLFD_SIZE) >> 2;
    this.#u32[at] = fd;
    this.#u32[at + 1] = POLLIN;
  }

  #ready(place: number): boolean {
    return this.#u32[((this.#polls + place * POLLFD_SIZE) >> 2) + 1]! >>> 16 !== 0;
  }

  #layIovec(i: number, slot: number, length: number): void {
    this.#setAddress(this.#iovecs + i * IOVEC_SIZE, slot);
    this.#u32[(this.#iovecs + i * IOVEC_SIZE + 8) >> 2] = length;
  }

  #setAddress(at: number, offset: number): void {
    const address = this.#task.base + offset;
    this.#u32[at >> 2] = address >>> 0;
    this.#u32[(at >> 2) + 1] = Math.floor(address / 0x1_0000_0000);
  }
}

function microseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3;
}

new Forwarder(workerData as EmulatorTask).run();
