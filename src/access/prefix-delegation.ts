/**
 * A DHCPv6 server for one mobile router: a pure state machine (RFC 8415 §18.3) that gives out the delegated prefixes which the LMA
 * granted (RFC 7148 §5.1.3.1: the delegating router is in the MAG), and no addresses. Whoever is behind the link owns them, whatever its
 * DUID: nothing has to be remembered but that they were released. What the node asks before the binding is there waits for it. Driven by
 * access-interface.ts.
 */
import {
  type Dhcp6Message,
  Dhcp6Option,
  Dhcp6Status,
  Dhcp6Type,
  type IdentityAssociation,
  type OfferedPrefix,
  type StatusCode,
} from './wire/dhcp6-message.ts';

/** What the binding grants. */
export interface DelegationService {
  /** Delegated IPv6 prefixes, as text; none: the LMA has given none. */
  readonly prefixes: readonly string[];
  /** When the binding ends (milliseconds of the clock that never jumps). */
  readonly until: number;
  readonly dns: readonly string[];
}

/** A message with what its octets do not say. */
export interface ReceivedDhcp6 {
  readonly message: Dhcp6Message;
  /** To all servers, as it ought to be, or to our own address. */
  readonly multicast: boolean;
}

/** What came of a message, for counters and the log. */
export type DelegationOutcome =
  | { readonly outcome: 'reply'; readonly reply: Dhcp6Message }
  /** `wanted`: waiting as well, for prefixes in the place of those that were given back. */
  | { readonly outcome: 'waiting' | 'wanted' | 'otherServer' | 'invalid' | 'unicast' | 'ignored' };

/** The node gives up and asks anew by then (RFC 8415 §7.6: SOL_TIMEOUT 1 s, doubling). */
const WAITING_MS = 10_000;
/** §14.2: recommended are 0.5 and 0.8 of the shortest preferred lifetime. */
const RENEW_SHARE = 0.5;
const REBIND_SHARE = 0.8;

/** Messages that only a server's own clients send it: they have to name it (§16.4, 16.6, 16.8, 16.9). */
const TO_ONE_SERVER: ReadonlySet<number> = new Set([
  Dhcp6Type.REQUEST,
  Dhcp6Type.RENEW,
  Dhcp6Type.RELEASE,
  Dhcp6Type.DECLINE,
]);
/** Messages to any server: they must not name one (§16.2, 16.5, 16.7). */
const TO_ANY_SERVER: ReadonlySet<number> = new Set([Dhcp6Type.SOLICIT, Dhcp6Type.CONFIRM, Dhcp6Type.REBIND]);
const WANTS_LEASES: ReadonlySet<number> = new Set([
  Dhcp6Type.SOLICIT,
  Dhcp6Type.REQUEST,
  Dhcp6Type.RENEW,
  Dhcp6Type.REBIND,
]);

const ASKS_ANEW: ReadonlySet<number> = new Set([Dhcp6Type.SOLICIT, Dhcp6Type.REQUEST]);

export class PrefixDelegation {
  #service: DelegationService | null = null;
  #waiting: { readonly received: ReceivedDhcp6; readonly until: number } | null = null;
  /** Prefixes that the router behind the link has given back and not asked for again. */
  readonly #released = new Set<string>();

  /** Whether the node asks for service, that is, has come. */
  static wantsService({ type }: Dhcp6Message): boolean {
    return WANTS_LEASES.has(type);
  }

  /** Whether the router behind the link has given the prefix back: nothing is to be routed to it then. */
  hasReleased(prefix: string): boolean {
    return this.#released.has(prefix);
  }

  /** The binding is there, or has changed; the answer to what waits for it. `serverId`: our DUID. */
  serve(service: DelegationService, serverId: Uint8Array, now: number): Dhcp6Message | null {
    this.#service = service;
    const waiting = this.#waiting;
    // What was given back may be gone from the binding before others are asked for.
    if (this.#isForgone) return null;
    this.#waiting = null;
    if (!waiting || waiting.until < now) return null;
    const outcome = this.receive(waiting.received, serverId, now);
    return outcome.outcome === 'reply' ? outcome.reply : null;
  }

  /** The binding has ended; nothing is answered. */
  refuse(): void {
    this.#service = null;
    this.#waiting = null;
    this.#released.clear();
  }

  receive(received: ReceivedDhcp6, serverId: Uint8Array, now: number): DelegationOutcome {
    const { message, multicast } = received;
    const { type } = message;
    if (!WANTS_LEASES.has(type) && !isAnswered(type)) return { outcome: 'ignored' };
    if (!isValid(message)) return { outcome: 'invalid' };
    if (message.serverId && !sameOctets(message.serverId, serverId)) return { outcome: 'otherServer' };
    if (!multicast) {
      // §16: those are discarded; §18.4: the others are told.
      if (!TO_ONE_SERVER.has(type)) return { outcome: 'unicast' };
      return answer(message, serverId, { status: status(Dhcp6Status.USE_MULTICAST, 'send to ff02::1:2') });
    }
    const service = this.#service;
    if (!service) {
      if (!WANTS_LEASES.has(type)) return { outcome: 'ignored' };
      this.#waiting = { received, until: now + WAITING_MS };
      return { outcome: 'waiting' };
    }
    if (this.#isForgone && ASKS_ANEW.has(type) && asksForPrefixes(message)) {
      this.#waiting = { received, until: now + WAITING_MS };
      return { outcome: 'wanted' };
    }
    switch (type) {
      case Dhcp6Type.RELEASE:
        return this.#release(message, serverId, service);
      case Dhcp6Type.DECLINE:
        // Only addresses are declined, and of those none is ours.
        return answer(message, serverId, {
          status: status(Dhcp6Status.SUCCESS, ''),
          associations: message.associations.map((one) => without(one, NO_BINDING)),
        });
      case Dhcp6Type.INFORMATION_REQUEST:
        return answer(message, serverId, { dns: service.dns });
      default:
        return this.#assign(message, serverId, service, now);
    }
  }

  /** The router has given all of its prefixes back, and the LMA has been told. */
  get #isForgone(): boolean {
    return this.#released.size > 0 && this.#service?.prefixes.length === 0;
  }

  /** Solicit, Request, Renew and Rebind: the prefixes with what is left of the binding's lifetime. */
  #assign(
    message: Dhcp6Message,
    serverId: Uint8Array,
    service: DelegationService,
    now: number,
  ): DelegationOutcome {
    const rapidCommit = message.type === Dhcp6Type.SOLICIT && message.rapidCommit;
    const advertised = message.type === Dhcp6Type.SOLICIT && !rapidCommit;
    const extending = message.type === Dhcp6Type.RENEW || message.type === Dhcp6Type.REBIND;
    const lifetime = Math.max(0, Math.floor((service.until - now) / 1000));
    const offered = service.prefixes.filter((prefix) => !extending || !this.#released.has(prefix));
    const shares = share(message.associations, offered);
    const associations = message.associations.map((association): IdentityAssociation => {
      if (association.option !== Dhcp6Option.IA_PD) {
        return without(association, extending ? NO_BINDING : NO_ADDRESSES);
      }
      const mine = shares.get(association) ?? [];
      const prefixes = mine.map((prefix) => lease(prefix, lifetime));
      // §18.3.4: what the node believes to have and we know nothing of is over.
      const over = extending ? foreign(association, offered).map((prefix) => lease(prefix, 0)) : [];
      if (!prefixes.length && !over.length) return without(association, NO_PREFIX);
      return {
        option: association.option,
        id: association.id,
        renewAfter: Math.floor(prefixes.length ? lifetime * RENEW_SHARE : 0),
        rebindAfter: Math.floor(prefixes.length ? lifetime * REBIND_SHARE : 0),
        prefixes: [...prefixes, ...over],
        status: null,
      };
    });
    if (!advertised) for (const prefix of [...shares.values()].flat()) this.#released.delete(prefix);
    const type = advertised ? Dhcp6Type.ADVERTISE : Dhcp6Type.REPLY;
    return answer(message, serverId, { type, rapidCommit, associations, dns: service.dns });
  }

  /** §18.3.7; RFC 7148 §5.1.3.1: the node does without its prefixes. */
  #release(message: Dhcp6Message, serverId: Uint8Array, service: DelegationService): DelegationOutcome {
    const held = ({ prefix }: OfferedPrefix): boolean => service.prefixes.includes(prefix);
    for (const { prefixes } of message.associations) {
      for (const { prefix } of prefixes.filter(held)) this.#released.add(prefix);
    }
    const unknown = message.associations.filter(({ prefixes }) => !prefixes.some(held));
    return answer(message, serverId, {
      status: status(Dhcp6Status.SUCCESS, ''),
      associations: unknown.map((one) => without(one, NO_BINDING)),
    });
  }
}

const NO_ADDRESSES = status(Dhcp6Status.NO_ADDRESSES_AVAILABLE, 'addresses come by Router Advertisements');
const NO_PREFIX = status(Dhcp6Status.NO_PREFIX_AVAILABLE, 'no delegated prefix in the binding');
const NO_BINDING = status(Dhcp6Status.NO_BINDING, '');

function asksForPrefixes({ associations }: Dhcp6Message): boolean {
  return associations.some(({ option }) => option === Dhcp6Option.IA_PD);
}

function isAnswered(type: number): boolean {
  return TO_ONE_SERVER.has(type) || type === Dhcp6Type.INFORMATION_REQUEST;
}

/** §16: which identifiers have to be there, and which must not. */
function isValid({ type, clientId, serverId, associations }: Dhcp6Message): boolean {
  if (type === Dhcp6Type.INFORMATION_REQUEST) return associations.length === 0;
  if (!clientId) return false;
  return TO_ANY_SERVER.has(type) ? serverId === null : serverId !== null;
}

/**
 * Which prefix goes into which IA_PD: where it is named, else into the first. So one association has them all, and a router that has
 * spread them over several finds them there again.
 */
function share(
  associations: readonly IdentityAssociation[],
  prefixes: readonly string[],
): ReadonlyMap<IdentityAssociation, readonly string[]> {
  const shares = new Map<IdentityAssociation, string[]>();
  const asking = associations.filter(({ option }) => option === Dhcp6Option.IA_PD);
  for (const prefix of prefixes) {
    const taker = asking.find((one) => one.prefixes.some((named) => named.prefix === prefix)) ?? asking[0];
    if (taker) shares.set(taker, [...(shares.get(taker) ?? []), prefix]);
  }
  return shares;
}

/** Prefixes that the node names and that are none of ours; ::/n is a mere wish for a length. */
function foreign({ prefixes }: IdentityAssociation, ours: readonly string[]): string[] {
  const named = new Set(prefixes.map(({ prefix }) => prefix));
  return [...named].filter((prefix) => !ours.includes(prefix) && !prefix.startsWith('::/'));
}

function lease(prefix: string, lifetime: number): OfferedPrefix {
  return { prefix, preferredLifetime: lifetime, validLifetime: lifetime };
}

function without({ option, id }: IdentityAssociation, status: StatusCode): IdentityAssociation {
  return { option, id, renewAfter: 0, rebindAfter: 0, prefixes: [], status };
}

function status(code: number, text: string): StatusCode {
  return { code, text };
}

function answer(
  { transaction, clientId }: Dhcp6Message,
  serverId: Uint8Array,
  fields: Partial<Dhcp6Message>,
): DelegationOutcome {
  const reply: Dhcp6Message = {
    type: Dhcp6Type.REPLY,
    transaction,
    clientId,
    serverId,
    status: null,
    rapidCommit: false,
    associations: [],
    requested: [],
    dns: [],
    ...fields,
  };
  return { outcome: 'reply', reply };
}

function sameOctets(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((octet, i) => octet === other[i]);
}

/** DUID-LL (RFC 8415 §11.4) of an Ethernet address: the same again after every start, and on every MAG if they share the address. */
export function linkLayerDuid(address: Uint8Array): Uint8Array {
  return Uint8Array.of(0, 3, 0, 1, ...address);
}
