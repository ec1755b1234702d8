/**
 * A TCP transfer, and a client that asks for one after the other: sender and receiver on the two ends of the tunnel. Whoever wants data connects;
 * a request has a connection of its own.
 */
import type { Acknowledgement } from './acknowledgement.ts';
import { ECHO, OPTION_WORDS, SACKS, SACK_BLOCKS, STAMP, WINDOW } from '../packet-store.ts';
import type { Random } from '../random.ts';
import type { TrafficSpec } from '../spec.ts';
import type { Flow, FlowPort, FlowResult } from './flow.ts';
import { CONTROLS, type Control, TcpClient, TcpServer } from './tcp-handshake.ts';
import { TcpReceiver } from './tcp-receiver.ts';
import { TcpSender } from './tcp-sender.ts';
import { timestamp } from './timestamp.ts';

/** IPv4, TCP, timestamps: what of a segment is no payload, and an acknowledgement without SACK. */
export const SEGMENT_HEADERS = 52;
/** In the place of a SACK block's end: there are no more. */
const NO_BLOCK = 0;
/** Inner octets of a request. */
export const REQUEST = 300;
/** Nanoseconds within which a transfer begins. */
const SPREAD = 20e6;
const SPREAD_OF_MANY = 100e6;
/** Inner octets of what is no data; SYN and SYN-ACK have 20 octets of options, the others timestamps. */
const CONTROL_SIZES: Readonly<Record<Control, number>> = {
  syn: 60,
  'syn-ack': 60,
  ack: SEGMENT_HEADERS,
  request: REQUEST,
};

export type TcpSpec = Extract<TrafficSpec, { model: 'tcp' | 'requests' }>;

/** When the first transfer begins, in nanoseconds: seeds differ where nothing else is random, and flows do not start in step. */
export function firstTransfer(spec: TcpSpec, random: Random): number {
  return Math.round(spec.start + random.fraction() * (spec.flows > 1 ? SPREAD_OF_MANY : SPREAD));
}

export class TcpFlow implements Flow {
  readonly #spec: TcpSpec;
  readonly #port: FlowPort;
  readonly #random: Random;
  readonly #payload: number;
  readonly #number: number;
  readonly #stopper: number;
  readonly #client: TcpClient;
  readonly #server: TcpServer;
  #sender: TcpSender | null = null;
  #receiver: TcpReceiver | null = null;
  /** Number of the transfer, so that nothing of one before it is taken for its own. */
  #transfer = 0;
  #begun = 0;
  /** The round trip that the sender measured with its SYN-ACK. */
  #handshakeRtt: number | null = null;
  /** When the receiver's end of the connection was established. */
  #establishedAt = 0;
  /** The latest timestamp that the sender has of the receiver, which its segments echo. */
  #heard = 0;
  readonly #acknowledgement: Acknowledgement;
  #octets = 0;
  #retransmits = 0;
  #timeouts = 0;
  readonly #completions: number[] = [];
  readonly #windows: FlowResult['windows'][number][] = [];

  /** `mtu`: inner octets of a full segment. */
  constructor(spec: TcpSpec, port: FlowPort, random: Random, mtu: number) {
    this.#spec = spec;
    this.#port = port;
    this.#random = random;
    this.#payload = mtu - SEGMENT_HEADERS;
    this.#acknowledgement = { cumulative: 0, echo: 0, window: 0, blocks: port.options, at: 0, count: 0 };
    this.#number = port.loop.register((now) => this.#begin(now));
    this.#stopper = port.loop.register(() => this.#stop());
    const hasRequest = spec.model === 'requests';
    this.#client = new TcpClient(port.loop, hasRequest, {
      send: (control) => this.#sendControl(false, control),
      established: (now) => {
        this.#establishedAt = now;
      },
    });
    this.#server = new TcpServer(port.loop, {
      send: (control) => this.#sendControl(true, control),
      established: (now, rtt) => {
        this.#handshakeRtt = rtt;
        if (!hasRequest) this.#startTransfer(now);
      },
    });
    port.loop.at(this.#number, firstTransfer(spec, random));
    port.loop.at(this.#stopper, spec.stop);
  }

  /** The next transfer begins with its connection. */
  #begin(now: number): void {
    if (now >= this.#spec.stop) return;
    this.#retire();
    this.#transfer++;
    this.#begun = now;
    this.#server.listen();
    this.#client.open(now);
  }

  #stop(): void {
    this.#sender?.stop();
    this.#client.close();
    this.#server.listen();
  }

  #sendControl(forward: boolean, control: Control): void {
    const number = this.#transfer * CONTROLS.length + CONTROLS.indexOf(control);
    const at = this.#port.send(forward, CONTROL_SIZES[control], -1 - number);
    this.#port.options[at * OPTION_WORDS + STAMP] = timestamp(this.#port.loop.now);
  }

  receive(forward: boolean, at: number, now: number): void {
    const { segments, options } = this.#port;
    const segment = segments[at]!;
    const option = at * OPTION_WORDS;
    const stamp = options[option + STAMP]!;
    if (segment < 0) return this.#receiveControl(-1 - segment, stamp, now);
    if (segment >>> TRANSFER_SHIFT !== (this.#transfer & TRANSFER_MASK)) return;
    if (forward) {
      this.#client.answered();
      this.#receiver?.receive(segment & SEGMENT_MASK, stamp, options[option + ECHO]!, now);
      return;
    }
    this.#heard = Math.max(this.#heard, stamp);
    const acknowledgement = this.#acknowledgement;
    const blocks = option + SACKS;
    let count = 0;
    while (count < SACK_BLOCKS && options[blocks + 2 * count + 1] !== NO_BLOCK) count++;
    acknowledgement.cumulative = segment & SEGMENT_MASK;
    acknowledgement.echo = options[option + ECHO]!;
    acknowledgement.window = options[option + WINDOW]!;
    acknowledgement.at = blocks;
    acknowledgement.count = count;
    this.#sender?.acknowledge(acknowledgement, now);
  }

  #receiveControl(number: number, stamp: number, now: number): void {
    const control = CONTROLS[number % CONTROLS.length]!;
    if (Math.floor(number / CONTROLS.length) !== this.#transfer || now >= this.#spec.stop) return;
    if (control === 'syn-ack') return this.#client.receive(now);
    this.#heard = stamp;
    this.#server.receive(control, now);
    if (control === 'request' && !this.#sender) this.#startTransfer(now);
  }

  burstOver(now: number): void {
    this.#receiver?.burstOver(now);
    if (this.#receiver) this.#checkDone(now);
  }

  result(): FlowResult {
    return {
      octets: this.#octets + (this.#receiver?.next ?? 0) * this.#payload,
      retransmits: this.#retransmits + (this.#sender?.retransmits ?? 0),
      timeouts: this.#timeouts + (this.#sender?.timeouts ?? 0),
      completions: this.#completions,
      windows: this.#sender?.windows.samples ?? this.#windows,
    };
  }

  #startTransfer(now: number): void {
    const tag = ((this.#transfer & TRANSFER_MASK) << TRANSFER_SHIFT) >>> 0;
    const { octets, congestion } = this.#spec;
    const segments = octets === null ? SEGMENT_MASK : Math.ceil(octets / this.#payload);
    const size = this.#payload + SEGMENT_HEADERS;
    const { options } = this.#port;
    this.#receiver = new TcpReceiver(
      this.#port.loop,
      this.#establishedAt,
      (cumulative, echo, window, ranges) => {
        const count = Math.min(ranges.length, SACK_BLOCKS);
        const room = count ? 4 + 8 * count : 0;
        const option = this.#port.send(false, SEGMENT_HEADERS + room, tag | cumulative) * OPTION_WORDS;
        options[option + STAMP] = timestamp(this.#port.loop.now);
        options[option + ECHO] = echo;
        options[option + WINDOW] = window;
        const blocks = option + SACKS;
        for (let i = 0; i < count; i++) {
          options[blocks + 2 * i] = ranges[i]![0];
          options[blocks + 2 * i + 1] = ranges[i]![1];
        }
        if (count < SACK_BLOCKS) options[blocks + 2 * count + 1] = NO_BLOCK;
      },
    );
    this.#sender = new TcpSender(this.#port.loop, congestion, segments, this.#handshakeRtt, {
      transmit: (segment) => {
        const option = this.#port.send(true, size, tag | segment) * OPTION_WORDS;
        options[option + STAMP] = timestamp(this.#port.loop.now);
        options[option + ECHO] = this.#heard;
      },
    });
    this.#sender.start(now);
  }

  /** Adds the finished transfer to what came before it. */
  #retire(): void {
    if (!this.#sender || !this.#receiver) return;
    this.#sender.stop();
    this.#retransmits += this.#sender.retransmits;
    this.#timeouts += this.#sender.timeouts;
    this.#octets += this.#receiver.next * this.#payload;
    this.#sender = null;
    this.#receiver = null;
  }

  #checkDone(now: number): void {
    const { octets } = this.#spec;
    if (octets === null || this.#receiver!.next * this.#payload < octets) return;
    if (this.#completions.length >= this.#transfer) return;
    this.#completions.push(now - this.#begun);
    if (this.#spec.model !== 'requests') return;
    const pause = Math.round(this.#random.exponential(this.#spec.pause));
    this.#port.loop.at(this.#number, now + pause);
  }
}

/** `segments` of the store: the lower bits are the segment's number, the upper ones the transfer's. */
const TRANSFER_SHIFT = 22;
const SEGMENT_MASK = (1 << TRANSFER_SHIFT) - 1;
const TRANSFER_MASK = 511;
