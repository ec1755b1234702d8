/**
 * A steady load of PBUs that costs the machine as little as it can: messages are encoded beforehand, and before each is sent only its sequence
 * number, its time and its checksum are set. Answers are not waited for but looked at now and then, each of them.
 */
import { encodeSockaddr, parseAddress } from '../src/ip.ts';
import { close, receive, sendTo } from '../src/net/libc.ts';
import { openMobilitySocket } from '../src/net/mobility-socket.ts';
import { withNamespace } from '../src/net/network-namespace.ts';
import { type PseudoHeader, writeChecksum } from '../src/pmipv6/wire/mobility-header.ts';
import { MessageType } from '../src/pmipv6/wire/numbers.ts';
import { timestamp, timestampOf } from '../src/pmipv6/wire/option/timestamp.ts';

/** Between two turns: at 1,000 PBUs a second each sends two. */
const TURN_MS = 2;
/** Turns from one look at the answers to the next. */
const LOOK_TURNS = 5;

/** Of the Mobility Header (RFC 6275 §6.1), its Binding Update and its Binding Acknowledgement. */
const TYPE = 2;
const CHECKSUM = 4;
const UPDATE_SEQUENCE = 6;
const UPDATE_OPTIONS = 12;
const ACK_STATUS = 6;
const ACK_SEQUENCE = 8;
const PAD1 = 0;

export interface LoadCounts {
  readonly sent: number;
  /** Answered with status 0 so far. */
  readonly accepted: number;
}

/** One PBU, and where its time is. */
interface Template {
  readonly octets: Uint8Array;
  readonly view: DataView;
  readonly timeAt: number;
}

/** One care-of address. */
interface Source {
  readonly fd: number;
  readonly pseudoHeader: PseudoHeader;
  readonly templates: readonly Template[];
}

export class UpdateLoad {
  readonly #sources: readonly Source[];
  readonly #answer = new Uint8Array(2048);
  readonly #answerView = new DataView(this.#answer.buffer);
  /** 1 for sequence numbers whose answer has not come. */
  readonly #pending = new Uint8Array(0x1_0000);
  #sequence = 0;
  #accepted = 0;

  /** `updates`: for each care-of address the PBUs to `lma` that it sends in turn. */
  constructor(namespace: string, lma: string, updates: ReadonlyMap<string, readonly Uint8Array[]>) {
    const destination = parseAddress(lma);
    this.#sources = [...updates].map(([local, messages]) => ({
      fd: withNamespace(namespace, () => openMobilitySocket({ local, port: null })),
      pseudoHeader: { source: parseAddress(local).bytes, destination: destination.bytes },
      templates: messages.map(templateOf),
    }));
  }

  /** Sends `perSecond` PBUs to `address`, by turns from all of ours, until the returned function is called; it gives how many. */
  start(perSecond: number, address: string): () => LoadCounts {
    const to = encodeSockaddr(parseAddress(address), 0);
    const start = performance.now();
    const acceptedBefore = this.#accepted;
    let sent = 0;
    let turns = 0;
    const timer = setInterval(() => {
      const due = ((performance.now() - start) / 1000) * perSecond;
      for (; sent < due; sent++) this.#send(sent, to);
      if (++turns % LOOK_TURNS === 0) this.#readAnswers();
    }, TURN_MS);
    return () => {
      clearInterval(timer);
      this.#readAnswers();
      return { sent, accepted: this.#accepted - acceptedBefore };
    };
  }

  close(): void {
    for (const { fd } of this.#sources) close(fd);
  }

  #send(number: number, to: ReturnType<typeof encodeSockaddr>): void {
    const { fd, pseudoHeader, templates } = this.#sources[number % this.#sources.length]!;
    const { octets, view, timeAt } = templates[Math.floor(number / this.#sources.length) % templates.length]!;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#pending[this.#sequence] = 1;
    view.setUint16(UPDATE_SEQUENCE, this.#sequence);
    view.setBigUint64(timeAt, timestampOf(Date.now()).ticks);
    view.setUint16(CHECKSUM, 0);
    writeChecksum(octets, pseudoHeader);
    sendTo(fd, octets, to.bytes, to.length, 'PBU');
  }

  #readAnswers(): void {
    for (const { fd } of this.#sources) {
      while (receive(fd, this.#answer) > 0) {
        const sequence = this.#answerView.getUint16(ACK_SEQUENCE);
        if (this.#answer[TYPE] !== MessageType.BINDING_ACK || !this.#pending[sequence]) continue;
        this.#pending[sequence] = 0;
        if (this.#answer[ACK_STATUS] === 0) this.#accepted++;
      }
    }
  }
}

function templateOf(octets: Uint8Array): Template {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  let at = UPDATE_OPTIONS;
  while (octets[at] !== timestamp.type) at += octets[at] === PAD1 ? 1 : 2 + octets[at + 1]!;
  return { octets, view, timeAt: at + 2 };
}
