/**
 * A link emulator for network namespaces, where the kernel has no netem: it joins pairs of devices by packet(7) sockets and lets
 * every frame take its time, or its leave, as a link model says (model/link.ts). Both directions of a link can be changed while it
 * runs. See docs/emulator.md for what it is accurate to.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { atExit } from '../at-exit.ts';
import { EventCounter } from '../net/event-counter.ts';
import { addressOf, bind, close, setIntOption, socket } from '../net/libc.ts';
import { withNetlink } from '../net/netlink.ts';
import { withNamespace } from '../net/network-namespace.ts';
import { TunloomError } from '../errors.ts';
import type { LinkSpec } from './model/link.ts';
import type { LinkPair } from './model/link-text.ts';
import { COUNTERS, type DirectionCounters, type EmulatorTask } from './task.ts';

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK = 3 | 0o4000 | 0o2000000;
const ETH_P_ALL = 0x0003;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_QDISC_BYPASS = 20;
/** struct sockaddr_ll (packet(7)). */
const SOCKADDR_LL = 20;
const SOCKET_BUFFER = 8 << 20;
const PAGES = 512;

/** One link: two devices in the emulator's namespace. */
export interface EmulatedLink extends LinkPair {
  /** Towards the MAG and towards the LMA; frames from `a` to `b` are the uplink. */
  readonly a: string;
  readonly b: string;
}

export interface EmulatorOptions {
  /** Network namespace of the devices. */
  readonly namespace: string;
  readonly links: readonly EmulatedLink[];
  /** For links without seeds of their own. */
  readonly seed: number;
}

export class Emulator {
  readonly #fds: number[] = [];
  readonly #wake = new EventCounter();
  readonly #channel = new MessageChannel();
  readonly #counters: SharedArrayBuffer;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #links: LinkPair[];
  /** A thread inside a system call would keep process.exit() waiting. */
  readonly #forgetExit = atExit(() => this.#end());

  /** Starts at once. Throws SystemCallError, NO_DEVICE. */
  constructor(options: EmulatorOptions) {
    const { namespace, links } = options;
    this.#links = links.map(({ uplink, downlink }) => ({ uplink, downlink }));
    this.#counters = new SharedArrayBuffer(Math.max(1, links.length) * 2 * COUNTERS.length * 8);
    try {
      const sockets = openSockets(namespace, links, this.#fds);
      const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
      const task: EmulatorTask = {
        memory,
        base: addressOf(memory),
        links: links.map(({ uplink, downlink, seeds }, i) => ({
          ...sockets[i]!,
          uplink,
          downlink,
          seeds: seeds ?? { uplink: options.seed + 2 * i, downlink: options.seed + 2 * i + 1 },
        })),
        wakeFd: this.#wake.fd,
        port: this.#channel.port2,
        counters: this.#counters,
      };
      const file = import.meta.url.endsWith('.ts') ? './forwarder.ts' : './forwarder.js';
      this.#worker = new Worker(new URL(file, import.meta.url), {
        workerData: task,
        transferList: [this.#channel.port2],
      });
    } catch (error) {
      this.#forgetExit();
      this.#close();
      throw error;
    }
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
    this.#worker.on('error', (error) => {
      process.emitWarning(`link emulator: ${error.message}`);
    });
  }

  /** Another link from now on. */
  change(link: number, direction: 'uplink' | 'downlink', spec: Partial<LinkSpec>): void {
    const before = this.#links[link]!;
    const next = { ...before[direction], ...spec };
    this.#links[link] = { ...before, [direction]: next };
    const index = link * 2 + (direction === 'uplink' ? 0 : 1);
    this.#channel.port1.postMessage({ direction: index, spec: next });
    this.#wake.signal();
  }

  counters(link: number, direction: 'uplink' | 'downlink'): DirectionCounters {
    const at = (link * 2 + (direction === 'uplink' ? 0 : 1)) * COUNTERS.length;
    const values = new Float64Array(this.#counters);
    return Object.fromEntries(COUNTERS.map((name, i) => [name, values[at + i]!])) as DirectionCounters;
  }

  /** Ends the thread, then closes the sockets; the devices belong to the caller. */
  async stop(): Promise<void> {
    this.#forgetExit();
    this.#end();
    await this.#ended;
    this.#close();
  }

  #end(): void {
    this.#channel.port1.postMessage('stop');
    this.#wake.signal();
  }

  #close(): void {
    for (const fd of this.#fds.splice(0)) close(fd);
    this.#wake.close();
    this.#channel.port1.close();
  }
}

function openSockets(
  namespace: string,
  links: readonly EmulatedLink[],
  fds: number[],
): { a: number; b: number }[] {
  const present = withNetlink(namespace, (netlink) => netlink.links());
  const openOne = (device: string): number => {
    const link = present.find(({ name }) => name === device);
    if (!link) throw new TunloomError('NO_DEVICE', `there is no device ${device} in ${namespace}`);
    const fd = withNamespace(namespace, () => openFrameSocket(device, link.index));
    fds.push(fd);
    return fd;
  };
  return links.map(({ a, b }) => ({ a: openOne(a), b: openOne(b) }));
}

/** Whole frames of one device, but not those that we send. */
function openFrameSocket(name: string, index: number): number {
  const fd = socket(AF_PACKET, SOCK_RAW_NONBLOCK, 0);
  try {
    setIntOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, 'PACKET_IGNORE_OUTGOING');
    setIntOption(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1, 'PACKET_QDISC_BYPASS');
    setIntOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER, 'SO_RCVBUFFORCE');
    setIntOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER, 'SO_SNDBUFFORCE');
    const address = new Uint8Array(SOCKADDR_LL);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, ETH_P_ALL);
    view.setInt32(4, index, true);
    bind(fd, address, SOCKADDR_LL, `packet socket on ${name}`);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}
