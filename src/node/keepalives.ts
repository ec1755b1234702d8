/**
 * Keeps NATs open on UDP paths (RFC 5555 §4.3, RFC 5844 §4): a GRE header with the session's key and nothing behind it, from the path's own
 * socket. It also shows the LMA which port the NAT has given to the data, before any data flow.
 *
 *   TLV: 0, next header 47, length 12      GRE: K and S, protocol type 0      key      BID
 */
import type { Logger } from 'pino';
import type { TunnelSession } from '../pmipv6/tunnel-session.ts';
import type { HostPorts } from './host-ports.ts';

const PROTOCOL_GRE = 47;
const KEY_AND_SEQUENCE = 0x3000;

/** After a session was installed the LMA waits to learn its ports, so the first keepalive must not be the only one. */
const YOUNG_MS = 500;
const YOUNG_TIMES = 3;

export class Keepalives {
  readonly #ports: HostPorts;
  readonly #log: Logger;
  readonly #sessions: () => readonly TunnelSession[];
  readonly #youngTimer: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  /** Sessions installed of late, and how often they were told since. */
  readonly #young = new Map<string, { session: TunnelSession; times: number }>();

  /** `sessions` gives those that there are; `intervalMs` as in setInterval(). */
  constructor(ports: HostPorts, sessions: () => readonly TunnelSession[], intervalMs: number, log: Logger) {
    this.#ports = ports;
    this.#log = log;
    this.#sessions = sessions;
    this.#youngTimer = setInterval(() => this.#tellYoung(), YOUNG_MS);
    this.setInterval(intervalMs);
  }

  /** Another interval from now on; 0: only young sessions have keepalives. */
  setInterval(intervalMs: number): void {
    clearInterval(this.#timer);
    if (!intervalMs) return;
    this.#timer = setInterval(() => {
      for (const session of this.#sessions()) this.#send(session);
    }, intervalMs);
  }

  stop(): void {
    clearInterval(this.#youngTimer);
    clearInterval(this.#timer);
  }

  /** The session was installed or has changed. */
  installed(session: TunnelSession): void {
    this.#send(session);
    this.#young.set(session.name, { session, times: 0 });
  }

  #tellYoung(): void {
    for (const entry of this.#young.values()) {
      this.#send(entry.session);
      if (++entry.times >= YOUNG_TIMES) this.#young.delete(entry.session.name);
    }
  }

  /** One on every UDP path of the session that carries a GRE key. */
  #send({ sendKey, paths, name }: TunnelSession): void {
    if (sendKey === null) return;
    for (const { bid, encapsulation, local, remote, interface: device } of paths) {
      if (encapsulation !== 'udp-gre' || local.port === null || remote.port === null) continue;
      const end = {
        local: local.address,
        port: local.port,
        ...(device === null ? {} : { interface: device }),
      };
      try {
        this.#ports.sendFrom(end, keepaliveOf(sendKey, bid), remote.address, remote.port);
      } catch (error) {
        this.#log.debug({ session: name, peer: remote.address }, (error as Error).message);
      }
    }
  }
}

function keepaliveOf(key: number, bid: number): Uint8Array {
  const octets = new Uint8Array(16);
  const view = new DataView(octets.buffer);
  view.setUint8(1, PROTOCOL_GRE);
  view.setUint16(2, 12);
  view.setUint16(4, KEY_AND_SEQUENCE);
  view.setUint32(8, key);
  view.setUint32(12, bid);
  return octets;
}
