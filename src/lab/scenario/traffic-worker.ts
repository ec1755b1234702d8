/**
 * A scenario's traffic at one end of a real tunnel: a thread in that end's network namespace that plays every flow's sender or receiver.
 * Sources draw the times that the simulator draws. TCP is the kernel's; whoever wants data connects, and their sender answers.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { type Socket, connect, createServer } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { enterNamespace } from '../../net/network-namespace.ts';
import { openTcpSocket, openUdpSocket } from '../../net/traffic-socket.ts';
import { Collected, quantiles } from '../../sim/metrics/distribution.ts';
import { Random } from '../../sim/random.ts';
import { DATAGRAM_HEADERS } from '../../sim/traffic/datagrams.ts';
import { type DatagramSpec, DepartureTimes } from '../../sim/traffic/departure-times.ts';
import { REQUEST, SEGMENT_HEADERS, type TcpSpec, firstTransfer } from '../../sim/traffic/tcp-flow.ts';
import {
  type EndReport,
  FIRST_PORT,
  type ReceivedFlow,
  type SentFlow,
  type TrafficMessage,
  type TrafficTask,
  flowsOf,
} from './traffic-task.ts';

const MS = 1e6;
/** Timers of Node are not finer. */
const TICK_MS = 1;
/** After the end of the traffic, for datagrams that are still on their way. */
const DRAIN_MS = 1500;
const BLOCK = Buffer.alloc(1 << 16, 'tunloom ');
/** Number (32 bits) and time of sending (nanoseconds as a double) at the head of a datagram. */
const STAMP = 12;

const port = parentPort!;
const task = workerData as TrafficTask;
const post = (message: TrafficMessage): void => port.postMessage(message);
process.on('uncaughtException', (error) => post({ kind: 'failed', reason: error.message }));
process.on('unhandledRejection', (error) => post({ kind: 'failed', reason: String(error) }));

/** CLOCK_MONOTONIC in nanoseconds, the same in all threads. */
function monotonic(): number {
  return Number(process.hrtime.bigint());
}

/** When the traffic's time began; what a spec says counts from here. */
let origin = 0;

function later(time: number, action: () => void): void {
  setTimeout(action, Math.max(0, (origin + time - monotonic()) / MS));
}

/** One flow's receiver or sender: `begin` is called when the origin is known, `end` when the traffic's time is over. */
interface Player {
  begin(): void;
  end(): void;
}

class DatagramSender implements Player {
  readonly #spec: DatagramSpec;
  readonly #flow: number;
  readonly #departures: DepartureTimes;
  readonly #socket = createSocket('udp4');
  #sent = 0;
  #unsent = 0;
  #ended = false;

  constructor(flow: number, spec: DatagramSpec) {
    this.#flow = flow;
    this.#spec = spec;
    this.#departures = new DepartureTimes(spec, new Random(task.seed, `flow ${flow}`));
    this.#socket.bind({ fd: openUdpSocket({ address: task.address, port: 0, tos: spec.tos }) });
    this.#socket.on('error', () => {});
  }

  begin(): void {
    this.#send();
  }

  end(): void {
    this.#ended = true;
  }

  get report(): SentFlow {
    return { flow: this.#flow, datagrams: this.#sent };
  }

  #send(): void {
    const spec = this.#spec;
    const departures = this.#departures;
    const now = monotonic() - origin;
    while (departures.due <= now && departures.due < spec.stop && !this.#ended) {
      const data = Buffer.alloc(Math.max(STAMP, departures.size - DATAGRAM_HEADERS));
      data.writeUInt32BE(this.#sent++, 0);
      data.writeDoubleBE(monotonic(), 4);
      // Without a callback errors are heard of by nobody.
      this.#socket.send(data, FIRST_PORT + this.#flow, task.peer, (error) => {
        if (error && !this.#unsent++)
          post({ kind: 'failed', reason: `a datagram could not be sent: ${error.message}` });
      });
      departures.advance();
    }
    if (departures.due >= spec.stop || this.#ended) return;
    const wait = (departures.due - now) / MS;
    setTimeout(() => this.#send(), Math.max(TICK_MS, wait));
  }
}

abstract class Receiver implements Player {
  readonly flow: number;
  octets = 0;
  /** At the end of the traffic's time. */
  #octetsThen: number | null = null;
  readonly completions: number[] = [];

  constructor(flow: number) {
    this.flow = flow;
  }

  begin(): void {}

  end(): void {
    this.#octetsThen = this.octets;
  }

  get report(): ReceivedFlow {
    return {
      flow: this.flow,
      octets: this.#octetsThen ?? this.octets,
      completions: this.completions,
      ...this.datagrams(),
    };
  }

  protected datagrams(): Pick<ReceivedFlow, 'datagrams' | 'reordered' | 'delay'> {
    return { datagrams: 0, reordered: 0, delay: quantiles([]) };
  }
}

class DatagramReceiver extends Receiver {
  readonly #seen = new Set<number>();
  readonly #delays = new Collected();
  #next = 0;
  #reordered = 0;

  constructor(flow: number) {
    super(flow);
    const socket = createSocket('udp4');
    socket.on('message', (data) => this.#take(data));
    socket.bind({ fd: openUdpSocket({ address: task.address, port: FIRST_PORT + flow, tos: 0 }) });
  }

  #take(data: Buffer): void {
    const number = data.readUInt32BE(0);
    if (this.#seen.has(number)) return;
    this.#seen.add(number);
    this.octets += data.length;
    this.#delays.push((monotonic() - data.readDoubleBE(4)) / MS);
    // RFC 4737 §3.3
    if (number >= this.#next) this.#next = number + 1;
    else this.#reordered++;
  }

  protected override datagrams(): ReturnType<Receiver['datagrams']> {
    return { datagrams: this.#seen.size, reordered: this.#reordered, delay: quantiles(this.#delays.values) };
  }
}

/** Answers every connection: a bulk transfer at once, otherwise when the request is there. */
class TcpSender implements Player {
  readonly #spec: TcpSpec;
  readonly #sockets = new Set<Socket>();

  constructor(flow: number, spec: TcpSpec) {
    this.#spec = spec;
    const fd = openTcpSocket(
      { address: task.address, port: FIRST_PORT + flow, tos: spec.tos },
      spec.congestion,
    );
    const server = createServer((socket) => this.#serve(socket));
    server.listen({ fd });
  }

  begin(): void {
    later(this.#spec.stop, () => this.end());
  }

  /** What has not been sent is not wanted any more. */
  end(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let left = this.#spec.octets ?? Infinity;
    const more = (): void => {
      while (left > 0 && !socket.destroyed) {
        const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
        left -= block.length;
        if (!socket.write(block) && left > 0) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    if (this.#spec.model === 'requests') socket.once('data', more);
    else {
      socket.resume();
      more();
    }
  }
}

class TcpReceiver extends Receiver {
  readonly #spec: TcpSpec;
  readonly #random: Random;
  readonly #start: number;
  #socket: Socket | null = null;
  #ended = false;

  constructor(flow: number, spec: TcpSpec) {
    super(flow);
    this.#spec = spec;
    this.#random = new Random(task.seed, `flow ${flow}`);
    this.#start = firstTransfer(spec, this.#random);
  }

  override begin(): void {
    later(this.#start, () => this.#transfer());
    later(this.#spec.stop, () => this.#stop());
  }

  override end(): void {
    super.end();
    this.#stop();
  }

  #stop(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  /** The next transfer, the handshake included. */
  #transfer(): void {
    if (this.#ended) return;
    const spec = this.#spec;
    const begun = monotonic();
    let octets = 0;
    const socket = connect({
      host: task.peer,
      port: FIRST_PORT + this.flow,
      localAddress: task.address,
      noDelay: true,
    });
    this.#socket = socket;
    if (spec.model === 'requests') {
      socket.on('connect', () => socket.write(BLOCK.subarray(0, REQUEST - SEGMENT_HEADERS)));
    }
    socket.on('data', (data) => {
      octets += data.length;
      this.octets += data.length;
      if (octets === spec.octets) this.completions.push((monotonic() - begun) / MS);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (spec.model !== 'requests' || this.#ended) return;
      setTimeout(() => this.#transfer(), this.#random.exponential(spec.pause) / MS);
    });
  }
}

/** Segments sent again and time-outs of this namespace's TCP so far. */
function tcpCounts(): { retransmits: number; timeouts: number } {
  const count = (file: string, group: string, name: string): number => {
    const [names, values] = readFileSync(`/proc/thread-self/net/${file}`, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`${group}: `))
      .map((line) => line.split(' '));
    return Number(values?.[names?.indexOf(name) ?? -1] ?? 0);
  };
  return {
    retransmits: count('snmp', 'Tcp', 'RetransSegs'),
    timeouts: count('netstat', 'TcpExt', 'TCPTimeouts'),
  };
}

function run(): void {
  enterNamespace(task.namespace);
  const senders: (DatagramSender | TcpSender)[] = [];
  const receivers: Receiver[] = [];
  for (const { flow, spec } of flowsOf(task.traffic)) {
    const isSender = (spec.direction === 'uplink') === (task.role === 'mag');
    if (spec.model === 'tcp' || spec.model === 'requests') {
      if (isSender) senders.push(new TcpSender(flow, spec));
      else receivers.push(new TcpReceiver(flow, spec));
    } else if (isSender) senders.push(new DatagramSender(flow, spec));
    else receivers.push(new DatagramReceiver(flow));
  }
  const players: Player[] = [...senders, ...receivers];
  port.once('message', ({ start }: { start: number }) => {
    origin = start;
    const before = tcpCounts();
    for (const player of players) later(0, () => player.begin());
    later(task.duration, () => {
      for (const player of players) player.end();
      const after = tcpCounts();
      const finish = (): void => {
        const report: EndReport = {
          received: receivers.map((receiver) => receiver.report),
          sent: senders.flatMap((sender) => (sender instanceof DatagramSender ? [sender.report] : [])),
          retransmits: after.retransmits - before.retransmits,
          timeouts: after.timeouts - before.timeouts,
        };
        post({ kind: 'done', report });
      };
      setTimeout(finish, DRAIN_MS);
    });
  });
  post({ kind: 'ready' });
}

run();
