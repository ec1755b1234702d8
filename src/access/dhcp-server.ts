/**
 * A DHCPv4 server for one mobile node: a pure state machine (RFC 2131 §4.3) that gives out one address, the IPv4 home address which
 * the LMA granted (RFC 5844 §3.4.1). What the node asks before the binding is there waits for it: Discover, PBU, PBA, Offer. Driven by
 * access-interface.ts.
 */
import { parseAddress } from '../ip.ts';
import { type DhcpMessage, DhcpOption, DhcpType, UNSPECIFIED } from './wire/dhcp-message.ts';

/** What the binding grants. */
export interface DhcpService {
  readonly address: string;
  readonly prefixLength: number;
  /** Default router, which is also our server identifier: the address that we answer ARP for on the access link. */
  readonly router: string;
  readonly mtu: number;
  /** Seconds. */
  readonly lease: number;
  readonly dns: readonly string[];
}

export interface DhcpReply {
  readonly message: DhcpMessage;
  /** Destination; 255.255.255.255 goes to the link-layer broadcast address. */
  readonly to: string;
}

/** What came of a message, for counters and the log. */
export type DhcpOutcome =
  | { readonly outcome: 'reply'; readonly reply: DhcpReply }
  /** Nothing to answer; `declined`: the node found its address in use. */
  | { readonly outcome: 'waiting' | 'released' | 'declined' | 'otherServer' | 'relayed' | 'ignored' };

const BROADCAST = '255.255.255.255';
/** The node gives up and asks anew by then (RFC 2131 §4.1: 4, 8, 16 .. 64 s). */
const WAITING_MS = 10_000;
/** An address that the node declined is not offered again before. */
const DECLINED_MS = 10_000;

export class DhcpServer {
  #service: DhcpService | null = null;
  #waiting: { readonly message: DhcpMessage; readonly until: number } | null = null;
  #declinedUntil = -Infinity;

  /** Whether the node asks for service, that is, has come. */
  static wantsService({ op, type }: DhcpMessage): boolean {
    return op === 1 && (type === DhcpType.DISCOVER || type === DhcpType.REQUEST);
  }

  /** The binding is there, or has changed; the answer to what waits for it. */
  serve(service: DhcpService, now: number): DhcpReply | null {
    this.#service = service;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (!waiting || waiting.until < now) return null;
    const outcome = this.receive(waiting.message, now);
    return outcome.outcome === 'reply' ? outcome.reply : null;
  }

  /** No IPv4 service (any more); nothing is answered. */
  refuse(): void {
    this.#service = null;
    this.#waiting = null;
  }

  receive(message: DhcpMessage, now: number): DhcpOutcome {
    if (message.op !== 1) return { outcome: 'ignored' };
    // Relay agents have no place on a link between a MAG and its node.
    if (message.relayAddress !== UNSPECIFIED) return { outcome: 'relayed' };
    const service = this.#service;
    if (!service) {
      if (!DhcpServer.wantsService(message)) return { outcome: 'ignored' };
      this.#waiting = { message, until: now + WAITING_MS };
      return { outcome: 'waiting' };
    }
    switch (message.type) {
      case DhcpType.DISCOVER:
        if (now < this.#declinedUntil) return { outcome: 'declined' };
        return answer(message, service, DhcpType.OFFER);
      case DhcpType.REQUEST:
        return this.#request(message, service);
      case DhcpType.DECLINE:
        this.#declinedUntil = now + DECLINED_MS;
        return { outcome: 'declined' };
      case DhcpType.RELEASE:
        return this.#release(message, service);
      case DhcpType.INFORM:
        return answer(message, service, DhcpType.ACK);
      default:
        return { outcome: 'ignored' };
    }
  }

  /** RFC 2131 §4.3.4, table 5: ciaddr is the address, and the server is named. */
  #release(message: DhcpMessage, { address, router }: DhcpService): DhcpOutcome {
    const server = addressOption(message, DhcpOption.SERVER_IDENTIFIER);
    if (server !== null && server !== router) return { outcome: 'otherServer' };
    return { outcome: message.clientAddress === address ? 'released' : 'ignored' };
  }

  /** RFC 2131 §4.3.2, told apart by server identifier, requested address and ciaddr. */
  #request(message: DhcpMessage, service: DhcpService): DhcpOutcome {
    const server = addressOption(message, DhcpOption.SERVER_IDENTIFIER);
    if (server !== null && server !== service.router) return { outcome: 'otherServer' };
    const requested = addressOption(message, DhcpOption.REQUESTED_ADDRESS);
    // SELECTING and INIT-REBOOT name the address in the option, RENEWING and REBINDING in ciaddr.
    const wanted = requested ?? message.clientAddress;
    if (wanted === UNSPECIFIED) return { outcome: 'ignored' };
    return answer(message, service, wanted === service.address ? DhcpType.ACK : DhcpType.NAK);
  }
}

function answer(message: DhcpMessage, service: DhcpService, type: number): DhcpOutcome {
  const nak = type === DhcpType.NAK;
  // RFC 2131 §4.1: to ciaddr if there is one; by broadcast if asked for, and always with a NAK; else to the new address.
  const named = message.clientAddress !== UNSPECIFIED;
  const to =
    nak || (message.broadcast && !named) ? BROADCAST : named ? message.clientAddress : service.address;
  const inform = message.type === DhcpType.INFORM;
  return {
    outcome: 'reply',
    reply: {
      to,
      message: {
        op: 2,
        type,
        transaction: message.transaction,
        seconds: 0,
        broadcast: message.broadcast,
        clientAddress: type === DhcpType.ACK ? message.clientAddress : UNSPECIFIED,
        yourAddress: nak || inform ? UNSPECIFIED : service.address,
        relayAddress: UNSPECIFIED,
        hardwareAddress: message.hardwareAddress,
        options: options(message, service, nak, inform),
      },
    },
  };
}

/** RFC 2131 table 3. RFC 5844 §3.4.1 demands subnet mask, router and interface MTU, asked for or not. */
function options(
  message: DhcpMessage,
  service: DhcpService,
  nak: boolean,
  inform: boolean,
): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  options.set(DhcpOption.SERVER_IDENTIFIER, parseAddress(service.router).bytes);
  // RFC 6842: the client's identifier comes back.
  const client = message.options.get(DhcpOption.CLIENT_IDENTIFIER);
  if (client) options.set(DhcpOption.CLIENT_IDENTIFIER, client);
  if (nak) return options;
  if (!inform) {
    options.set(DhcpOption.LEASE_TIME, number32(service.lease));
    options.set(DhcpOption.RENEWAL_TIME, number32(service.lease * 0.5));
    options.set(DhcpOption.REBINDING_TIME, number32(service.lease * 0.875));
  }
  const mask = service.prefixLength === 0 ? 0 : -1 << (32 - service.prefixLength);
  options.set(DhcpOption.SUBNET_MASK, number32(mask >>> 0));
  options.set(DhcpOption.ROUTER, parseAddress(service.router).bytes);
  options.set(DhcpOption.INTERFACE_MTU, Uint8Array.of(service.mtu >> 8, service.mtu & 255));
  if (service.dns.length) {
    options.set(
      DhcpOption.DNS,
      Uint8Array.from(service.dns.flatMap((server) => [...parseAddress(server).bytes])),
    );
  }
  return options;
}

function addressOption(message: DhcpMessage, number: number): string | null {
  const value = message.options.get(number);
  return value?.length === 4 ? value.join('.') : null;
}

function number32(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, Math.floor(value));
  return octets;
}
