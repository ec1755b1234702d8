/**
 * Mobility messages between sockets and a state machine: octets to messages and back, authentication, and the answers that
 * RFC 6275 §9.2 gives to broken ones. Everything that goes no further is counted by reason.
 */
import type { Logger } from 'pino';
import { parseAddress } from '../ip.ts';
import type { Datagram, MobilityTransport } from '../net/mobility-transport.ts';
import type { Endpoint } from '../pmipv6/endpoint.ts';
import { parameterProblem } from '../pmipv6/parameter-problem.ts';
import {
  DecodeError,
  type Message,
  type PseudoHeader,
  decodeMessage,
  encodeMessage,
  messageName,
  writeChecksum,
} from '../pmipv6/wire/mobility-header.ts';
import { SIGNALING_PORT } from '../pmipv6/wire/numbers.ts';
import { type PeerKey, PeerSecurity } from './peer-security.ts';
import { Refusals } from './refusals.ts';

/** Counters since the start, by message name or reason; what never happened is left out. */
export interface SignalingCounters {
  readonly received: Readonly<Record<string, number>>;
  readonly sent: Readonly<Record<string, number>>;
  /** Messages that could not be read or were not let through. */
  readonly refused: Readonly<Record<string, number>>;
  /** Messages that could not be sent. */
  readonly unsent: number;
  /** Messages that the kernel dropped because a receive buffer was full. */
  readonly overflow: number;
}

/** A message that was let through. */
export interface ReceivedMessage {
  readonly message: Message;
  /** MAG Identifier that the key of the message stands for; null: there is none. */
  readonly identity: string | null;
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Number of the socket it came by. */
  readonly socket: number;
}

/** Parameter Problems a second; a flood of broken messages is not answered one by one (RFC 4443 §2.4). */
const PROBLEMS_A_SECOND = 10;

export class Signaling {
  readonly #transport: MobilityTransport;
  readonly #refusals: Refusals;
  #security: PeerSecurity;
  readonly #received = new Map<string, number>();
  readonly #sent = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  #unsent = 0;
  #problemSecond = 0;
  #problems = 0;

  /** `refused` is told of peers whose messages are not let through. */
  constructor(
    transport: MobilityTransport,
    security: PeerSecurity,
    refused: (peer: string, why: string) => void,
  ) {
    this.#transport = transport;
    this.#security = security;
    this.#refusals = new Refusals(refused);
  }

  /** Other keys; which messages were seen, and who uses which key, is remembered. `role`, `keys`, `window`: as in PeerSecurity. */
  setKeys(role: 'mag' | 'lma', keys: readonly PeerKey[], window: number): void {
    this.#security = new PeerSecurity(role, keys, window, this.#security);
  }

  /** LMA: SPI of the key, one of several, that the peer has used last; undefined: it is not known. */
  keyOf(remote: Endpoint): number | undefined {
    return this.#security.keyOf(remote);
  }

  /** LMA: the peer has used this key before. */
  useKey(remote: Endpoint, spi: number): void {
    this.#security.useKey(remote, spi);
  }

  /** The message of a datagram, null if it goes no further. `utc`: milliseconds since 1970. */
  read({ socket, from, port, to, data, source, destination }: Datagram, utc: number): ReceivedMessage | null {
    const pseudoHeader = port === null ? { source, destination } : undefined;
    let message: Message;
    try {
      message = decodeMessage(data, pseudoHeader);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      count(this.#refused, error.code);
      if (pseudoHeader && (error.code === 'BAD_PAYLOAD_PROTO' || error.code === 'BAD_HEADER_LENGTH')) {
        this.#complain(data, error.offset, from, to, pseudoHeader, utc);
      }
      return null;
    }
    const octets = data.subarray(0, (data[1]! + 1) * 8);
    const remote = { address: from, port };
    const judged = this.#security.check(message, octets, { local: to, remote }, utc);
    if (judged.verdict !== 'accepted') {
      count(this.#refused, `authentication-${judged.verdict}`);
      // Networks double messages.
      if (judged.verdict !== 'replayed') this.#refusals.note(from, judged.verdict, utc);
      return null;
    }
    count(this.#received, messageName(message));
    return {
      message,
      identity: judged.identity,
      from: remote,
      to: { address: to, port: port === null ? null : SIGNALING_PORT },
      socket,
    };
  }

  /** Sends by socket number `socket`. Throws SystemCallError if the kernel refuses. */
  send(message: Message, from: Endpoint, to: Endpoint, socket: number, utc: number): void {
    const timed = this.#security.timed(message, to.address, utc);
    const octets = this.#security.protect(encodeMessage(timed), { local: from.address, remote: to });
    if (to.port === null) writeChecksum(octets, pseudoHeaderOf(from.address, to.address));
    try {
      this.#transport.send(socket, octets, from.address, to.address, to.port);
    } catch (error) {
      this.#unsent++;
      throw error;
    }
    count(this.#sent, messageName(message));
  }

  counters(): SignalingCounters {
    return {
      received: Object.fromEntries(this.#received),
      sent: Object.fromEntries(this.#sent),
      refused: Object.fromEntries(this.#refused),
      unsent: this.#unsent,
      overflow: this.#transport.receiveDrops,
    };
  }

  #complain(
    data: Uint8Array,
    offset: number,
    from: string,
    to: string,
    { source, destination }: PseudoHeader,
    utc: number,
  ): void {
    const second = Math.floor(utc / 1000);
    if (second !== this.#problemSecond) this.#problems = 0;
    this.#problemSecond = second;
    // Never to a multicast source (RFC 4443 §2.4 e.3, e.6).
    if (source[0] === 0xff || this.#problems++ >= PROBLEMS_A_SECOND) return;
    try {
      this.#transport.sendIcmp6(parameterProblem(data, offset, source, destination), to, from);
      count(this.#sent, 'ICMPv6 Parameter Problem');
    } catch {
      // A SHOULD that the kernel refuses is no reason to complain twice.
      this.#unsent++;
    }
  }
}

/** Says in the log that a peer's messages are refused. */
export function refusalLog(log: Logger): (peer: string, why: string) => void {
  return (peer, why) => log.warn({ event: 'refused', peer }, `messages are refused, authentication: ${why}`);
}

function pseudoHeaderOf(source: string, destination: string): PseudoHeader {
  return { source: parseAddress(source).bytes, destination: parseAddress(destination).bytes };
}

function count(counters: Map<string, number>, key: string): void {
  counters.set(key, (counters.get(key) ?? 0) + 1);
}
