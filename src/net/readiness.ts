/**
 * Tells the control thread when a descriptor has something to read, for sockets that Node.js has no class for (netlink(7), raw(7),
 * packet(7)). A worker thread sleeps in epoll_wait(2) and reports through shared memory, which costs both threads less than messages;
 * each descriptor is reported once (EPOLLONESHOT) and armed again when its callback has returned, so that a busy descriptor costs two
 * system calls a batch and cannot flood the event loop. If much is reported, it is reported in steps (report-pace.ts).
 */
import { Worker } from 'node:worker_threads';
import { atExit } from '../at-exit.ts';
import { untilChanged } from '../until-changed.ts';
import { EventCounter } from './event-counter.ts';
import { close, controlEpoll, createEpoll } from './libc.ts';

const EPOLLIN = 0x001;
const EPOLLONESHOT = 1 << 30;
const ADD = 1;
const DELETE = 2;
const MODIFY = 3;
/** struct epoll_event is packed on x86-64 only (epoll_ctl(2)). */
export const EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const TOKEN_OFFSET = EVENT_SIZE - 8;
/** Token of the descriptor that ends the thread. */
export const STOP = 0;

/** What both threads share, 32-bit words: how many tokens were reported and how many taken (both only grow), and a ring of tokens. */
export const REPORTED = 0;
export const TAKEN = 1;
export const RING = 2;
/** A power of two. */
export const RING_TOKENS = 1024;

export interface ReadinessTask {
  readonly epoll: number;
  readonly words: Int32Array;
}

interface Watch {
  readonly fd: number;
  readonly readable: () => void;
}

export class Readiness {
  readonly #epoll = createEpoll();
  readonly #stop = new EventCounter();
  /** By token; a token is never used again, so that a late report does not meet a reused descriptor. */
  readonly #watches = new Map<number, Watch>();
  readonly #words = new Int32Array(new SharedArrayBuffer((RING + RING_TOKENS) * 4));
  readonly #worker: Worker;
  #stopped = false;
  readonly #ended: Promise<void>;
  /** A thread inside a system call would keep process.exit() waiting. */
  readonly #forgetExit = atExit(() => this.#stop.signal());
  #nextToken = STOP + 1;

  constructor() {
    controlEpoll(this.#epoll, ADD, this.#stop.fd, event(EPOLLIN, STOP));
    const file = import.meta.url.endsWith('.ts') ? './readiness-worker.ts' : './readiness-worker.js';
    const workerData: ReadinessTask = { epoll: this.#epoll, words: this.#words };
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData });
    void this.#listen();
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
  }

  /**
   * Calls `readable` whenever `fd`, which must be non-blocking, has something to read; what it leaves is reported again.
   * Gives a function that ends the watch; call it before closing `fd`.
   */
  watch(fd: number, readable: () => void): () => void {
    const token = this.#nextToken++;
    this.#watches.set(token, { fd, readable });
    controlEpoll(this.#epoll, ADD, fd, event(EPOLLIN | EPOLLONESHOT, token));
    return () => {
      if (this.#watches.delete(token)) controlEpoll(this.#epoll, DELETE, fd, event(0, token));
    };
  }

  /** Ends the thread; nothing is called afterwards. */
  async stop(): Promise<void> {
    this.#watches.clear();
    this.#stopped = true;
    Atomics.notify(this.#words, REPORTED);
    // Whatever the thread wants to report has room.
    Atomics.store(this.#words, TAKEN, Atomics.load(this.#words, REPORTED));
    Atomics.notify(this.#words, TAKEN);
    this.#forgetExit();
    this.#stop.signal();
    await this.#ended;
    close(this.#epoll);
    this.#stop.close();
  }

  async #listen(): Promise<void> {
    let taken = 0;
    while (!this.#stopped) {
      const reported = Atomics.load(this.#words, REPORTED);
      while (taken !== reported && !this.#stopped) {
        const token = this.#words[RING + (taken & (RING_TOKENS - 1))]!;
        taken = (taken + 1) | 0;
        Atomics.store(this.#words, TAKEN, taken);
        Atomics.notify(this.#words, TAKEN);
        this.#report(token);
      }
      await untilChanged(this.#words, REPORTED, reported);
    }
  }

  #report(token: number): void {
    const watch = this.#watches.get(token);
    if (!watch) return;
    try {
      watch.readable();
    } finally {
      if (this.#watches.has(token)) {
        controlEpoll(this.#epoll, MODIFY, watch.fd, event(EPOLLIN | EPOLLONESHOT, token));
      }
    }
  }
}

/** The token of event number `index`. */
export function tokenOf(events: DataView, index: number): number {
  return events.getUint32(index * EVENT_SIZE + TOKEN_OFFSET, true);
}

function event(mask: number, token: number): Uint8Array {
  const bytes = new Uint8Array(EVENT_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, mask, true);
  view.setUint32(TOKEN_OFFSET, token, true);
  return bytes;
}
