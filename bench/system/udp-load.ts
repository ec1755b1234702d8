/**
 * UDP load through a tunnel, counted by the receiving kernel. The sink is a socket whose filter refuses every datagram: the
 * kernel has then done all its work up to the socket and counts the datagram there (SK_MEMINFO_DROPS), and no receiving program
 * takes time from what is measured. The counters of devices and of the namespace are of no use: a super-packet out of a TUN
 * device counts as one, and /proc/net/snmp has the tunnels' own datagrams too.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import type { TransferEnds } from '../../src/lab/measurement.ts';
import { bind, close, socket } from '../../src/net/libc.ts';
import { withNamespace } from '../../src/net/network-namespace.ts';
import { socketDrops } from '../../src/net/path-socket.ts';
import { attachFilter } from '../../src/net/socket-filter.ts';
import type { GeneratorOrder, GeneratorReport, GeneratorTask } from './udp-generator.ts';

export interface UdpResult {
  readonly sent: number;
  readonly received: number;
  readonly seconds: number;
}

const PORT = 5204;
/** BPF: return 0, keep nothing. */
const REFUSE_ALL = [{ code: 0x06, jt: 0, jf: 0, k: 0 }];
/** Packets under way are given so long to arrive, in steps; they have arrived when nothing has come for one step. */
const SETTLE_MS = 40;
const SETTLE_STEPS = 12;

/** A generator and a sink at the two ends of a tunnel. */
export class UdpLoad {
  readonly #to: string;
  readonly #sink: number;
  readonly #worker: Worker;
  #answer = Promise.withResolvers<GeneratorReport | undefined>();

  /** Starts both for datagrams of `size` octets of payload. */
  static async start(ends: TransferEnds, size: number, signal: AbortSignal): Promise<UdpLoad> {
    const load = new UdpLoad(ends, size, signal);
    await load.#answer.promise;
    return load;
  }

  private constructor(ends: TransferEnds, size: number, signal: AbortSignal) {
    this.#to = ends.to;
    this.#sink = withNamespace(ends.to, () => openSink(ends.destination));
    const task: GeneratorTask = {
      namespace: ends.from,
      source: ends.source,
      destination: ends.destination,
      port: PORT,
      size,
    };
    this.#worker = new Worker(new URL('./udp-generator.ts', import.meta.url), { workerData: task });
    this.#worker.on('message', (message: { done?: GeneratorReport }) => this.#answer.resolve(message.done));
    this.#worker.on('error', (error) => this.#answer.reject(error));
    this.#worker.on('exit', () => this.#answer.reject(new Error('the UDP generator ended')));
    this.#answer.promise.catch(() => {});
    signal.addEventListener('abort', () => void this.#worker.terminate(), { once: true });
  }

  /** Sends for a while and counts. */
  async run(order: GeneratorOrder): Promise<UdpResult> {
    const before = this.#received();
    this.#answer = Promise.withResolvers();
    this.#worker.postMessage(order);
    const report = (await this.#answer.promise)!;
    let received = this.#received() - before;
    for (let step = 0; step < SETTLE_STEPS; step++) {
      await pause(SETTLE_MS);
      const now = this.#received() - before;
      if (now === received) break;
      received = now;
    }
    return { ...report, received };
  }

  async stop(): Promise<void> {
    close(this.#sink);
    await this.#worker.terminate();
  }

  /** What the filter refused; a wrong checksum counts at the socket too and is no arrival. */
  #received(): number {
    // "thread-self" because the namespace is the calling thread's.
    const snmp = withNamespace(this.#to, () => readFileSync('/proc/thread-self/net/snmp', 'utf8'));
    return socketDrops(this.#sink) - wrongChecksums(snmp);
  }
}

function openSink(address: string): number {
  const { family } = parseAddress(address);
  const fd = socket(family === 4 ? 2 : 10, 2 | 0o2000000, 0);
  try {
    attachFilter(fd, REFUSE_ALL);
    const local = encodeSockaddr(parseAddress(address), PORT);
    bind(fd, local.bytes, local.length, address);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** UDP datagrams with a wrong checksum, out of /proc/net/snmp. */
export function wrongChecksums(snmp: string): number {
  const [names, values] = snmp
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(/\s+/));
  return Number(values?.[names?.indexOf('InCsumErrors') ?? -1] ?? 0);
}
