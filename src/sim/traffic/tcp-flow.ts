/** A TCP transfer, and a client that asks for one after the other: sender and receiver on the two ends of the tunnel. */
import { SACK_BLOCKS } from '../packet-store.ts';
import type { Random } from '../random.ts';
import type { TrafficSpec } from '../spec.ts';
import type { Flow, FlowPort, FlowResult } from './flow.ts';
import { TcpReceiver } from './tcp-receiver.ts';
import { TcpSender } from './tcp-sender.ts';

/** IPv4, TCP, timestamps: what of a segment is no payload, and an acknowledgement without SACK. */
export const SEGMENT_HEADERS = 52;
/** Inner octets of a request. */
export const REQUEST = 300;
/** Nanoseconds within which a transfer begins. */
const SPREAD = 20e6;
const SPREAD_OF_MANY = 100e6;
/** `segments` of a packet that is no part of a transfer. */
const IS_REQUEST = -1;

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
  #sender: TcpSender | null = null;
  #receiver: TcpReceiver | null = null;
  /** Number of the transfer, so that nothing of one before it is taken for its own. */
  #transfer = 0;
  #begun = 0;
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
    this.#number = port.loop.register((now) => this.#begin(now));
    this.#stopper = port.loop.register(() => this.#sender?.stop());
    port.loop.at(this.#number, firstTransfer(spec, random));
    port.loop.at(this.#stopper, spec.stop);
  }

  /** The next transfer begins, with its request if it has one. */
  #begin(now: number): void {
    if (now >= this.#spec.stop) return;
    this.#begun = now;
    if (this.#spec.model === 'requests') this.#port.send(false, REQUEST, IS_REQUEST);
    else this.#startTransfer(now);
  }

  receive(forward: boolean, at: number, now: number): void {
    const segment = this.#port.segments[at]!;
    if (forward) {
      const transfer = segment >>> TRANSFER_SHIFT;
      if (this.#receiver && transfer === (this.#transfer & TRANSFER_MASK)) {
        this.#receiver.receive(segment & SEGMENT_MASK, now);
        this.#checkDone(now);
      }
      return;
    }
    if (segment === IS_REQUEST) {
      if (now < this.#spec.stop) this.#startTransfer(now);
      return;
    }
    if (!this.#sender || segment >>> TRANSFER_SHIFT !== (this.#transfer & TRANSFER_MASK)) return;
    const blocks = at * SACK_BLOCKS * 2;
    let count = 0;
    while (count < SACK_BLOCKS && this.#port.sacks[blocks + 2 * count + 1]! > 0) count++;
    this.#sender.acknowledge(segment & SEGMENT_MASK, this.#port.sacks, blocks, count, now);
  }

  result(): FlowResult {
    return {
      octets: this.#octets + (this.#receiver?.next ?? 0) * this.#payload,
      retransmits: this.#retransmits + (this.#sender?.retransmits ?? 0),
      timeouts: this.#timeouts + (this.#sender?.timeouts ?? 0),
      completions: this.#completions,
      windows: this.#sender?.windows ?? this.#windows,
    };
  }

  #startTransfer(now: number): void {
    this.#retire();
    this.#transfer++;
    const tag = ((this.#transfer & TRANSFER_MASK) << TRANSFER_SHIFT) >>> 0;
    const { octets, congestion } = this.#spec;
    const segments = octets === null ? SEGMENT_MASK : Math.ceil(octets / this.#payload);
    const size = this.#payload + SEGMENT_HEADERS;
    this.#receiver = new TcpReceiver(this.#port.loop, (cumulative, blocks) => {
      const room = blocks.length ? 4 + 8 * blocks.length : 0;
      const at = this.#port.send(false, SEGMENT_HEADERS + room, tag | cumulative);
      const base = at * SACK_BLOCKS * 2;
      for (let i = 0; i < SACK_BLOCKS; i++) {
        this.#port.sacks[base + 2 * i] = blocks[i]?.[0] ?? 0;
        this.#port.sacks[base + 2 * i + 1] = blocks[i]?.[1] ?? 0;
      }
    });
    this.#sender = new TcpSender(this.#port.loop, congestion, segments, {
      transmit: (segment) => {
        this.#port.send(true, size, tag | segment);
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
