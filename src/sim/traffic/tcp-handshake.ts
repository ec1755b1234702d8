/**
 * Opening of a TCP connection (RFC 9293 §3.5) by the end that wants data, and its request. What gets no answer is sent again: segments of
 * the handshake after a second (RFC 6298 §2.1), a request after three round trips, 200 ms more than one at least; then twice as late each time.
 */
import type { EventLoop } from '../event-loop.ts';

/** Segments that are no data. */
export const CONTROLS = ['syn', 'syn-ack', 'ack', 'request'] as const;
export type Control = (typeof CONTROLS)[number];

const FIRST_RTO = 1e9;
const SHORTEST_VARIATION = 200e6;

export interface HandshakePorts {
  send(control: Control): void;
  /** The connection is there; `rtt` is null if a segment had to be sent again (Karn's rule). */
  established(now: number, rtt: number | null): void;
}

/** Sends a segment until it is answered. */
class Retransmission {
  /** When it was sent first, and whether that was the only time. */
  sentAt = 0;
  isFirst = true;
  readonly #loop: EventLoop;
  readonly #timer: number;
  #send: () => void = () => {};
  #wait = 0;

  constructor(loop: EventLoop) {
    this.#loop = loop;
    this.#timer = loop.register((now) => {
      this.isFirst = false;
      this.#wait *= 2;
      this.#loop.at(this.#timer, now + this.#wait);
      this.#send();
    });
  }

  start(now: number, wait: number, send: () => void): void {
    this.sentAt = now;
    this.isFirst = true;
    this.#send = send;
    this.#wait = Math.round(wait);
    this.#loop.at(this.#timer, now + this.#wait);
    send();
  }

  /** The round trip to the answer that has come. */
  answered(now: number): number | null {
    this.stop();
    return this.isFirst ? now - this.sentAt : null;
  }

  stop(): void {
    this.#loop.at(this.#timer, Infinity);
  }
}

/** Who connects: closed -> syn-sent -> established -> answered. */
export class TcpClient {
  readonly #ports: HandshakePorts;
  readonly #retransmission: Retransmission;
  readonly #hasRequest: boolean;
  #state: 'closed' | 'syn-sent' | 'established' | 'answered' = 'closed';

  constructor(loop: EventLoop, hasRequest: boolean, ports: HandshakePorts) {
    this.#ports = ports;
    this.#hasRequest = hasRequest;
    this.#retransmission = new Retransmission(loop);
  }

  /** Opens a new connection; nothing of one before it matters any more. */
  open(now: number): void {
    this.#state = 'syn-sent';
    this.#retransmission.start(now, FIRST_RTO, () => this.#ports.send('syn'));
  }

  /** A SYN-ACK, again if our ACK was lost. */
  receive(now: number): void {
    if (this.#state === 'closed') return;
    this.#ports.send('ack');
    if (this.#state !== 'syn-sent') return;
    this.#state = 'established';
    const rtt = this.#retransmission.answered(now);
    if (this.#hasRequest) {
      const wait = rtt === null ? FIRST_RTO : rtt + Math.max(2 * rtt, SHORTEST_VARIATION);
      this.#retransmission.start(now, wait, () => this.#ports.send('request'));
    }
    this.#ports.established(now, rtt);
  }

  /** Data came, which also answers the request. */
  answered(): void {
    if (this.#state !== 'established') return;
    this.#state = 'answered';
    this.#retransmission.stop();
  }

  close(): void {
    this.#state = 'closed';
    this.#retransmission.stop();
  }
}

/** Who is connected to: listen -> syn-received -> established. */
export class TcpServer {
  readonly #ports: HandshakePorts;
  readonly #retransmission: Retransmission;
  #state: 'listen' | 'syn-received' | 'established' = 'listen';

  constructor(loop: EventLoop, ports: HandshakePorts) {
    this.#ports = ports;
    this.#retransmission = new Retransmission(loop);
  }

  /** Waits for the next connection. */
  listen(): void {
    this.#state = 'listen';
    this.#retransmission.stop();
  }

  /** Any segment of the client's; a request acknowledges the SYN-ACK as well. */
  receive(control: Control, now: number): void {
    if (control === 'syn') {
      if (this.#state === 'listen') {
        this.#state = 'syn-received';
        this.#retransmission.start(now, FIRST_RTO, () => this.#ports.send('syn-ack'));
      } else if (this.#state === 'syn-received') this.#ports.send('syn-ack');
      return;
    }
    if (this.#state !== 'syn-received') return;
    this.#state = 'established';
    this.#ports.established(now, this.#retransmission.answered(now));
  }
}
