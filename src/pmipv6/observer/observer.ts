/**
 * Watches the signaling between a MAG and an LMA and says what their data plane needs: a pure state machine, fed with the
 * messages of both directions (RFC 5213, 5844 to 5846, 7148, 8278). It never sends. What counts is the answer: a PBU does
 * nothing until the PBA that accepts it has passed.
 *
 *   PBU --note--> pairing --PBA--> grant --accepted--> session: install, change, remove
 *   BRI --note--> pairing --BRA------------accepted--> session: remove bindings
 *   time ------------------------------------expired--> session: remove bindings
 */
import { parseAddress, parsePrefix, prefixContains, type Prefix } from '../../ip.ts';
import { Deadlines } from '../deadlines.ts';
import type { Effect } from '../effect.ts';
import type { Endpoint, Instant } from '../endpoint.ts';
import { hostPrefix, PLAIN_BID } from '../lma/binding-cache.ts';
import { readRequest, type Request } from '../lma/request.ts';
import { AckFlag, type BindingAck } from '../wire/message/binding-ack.ts';
import { type BindingUpdate, UpdateFlag } from '../wire/message/binding-update.ts';
import { type Revocation, RevocationFlag } from '../wire/message/revocation.ts';
import { type Message, messageName } from '../wire/mobility-header.ts';
import { identifierText } from '../wire/option/identifier.ts';
import { findOption, findOptions } from '../wire/options.ts';
import type { ObserverConfig } from './config.ts';
import { type Grant, readGrant } from './grant.ts';
import { ObservedSessions, type ObservedSession, prefixesOf, tunnelSessionOf } from './observed-sessions.ts';
import { Pairing } from './pairing.ts';

export type ObserverEvent =
  | {
      readonly event: 'message';
      readonly message: Message;
      readonly from: Endpoint;
      readonly to: Endpoint;
      /** Whether it left this host; null: not known. */
      readonly outgoing: boolean | null;
    }
  | { readonly event: 'tick' };

/** Counts since the start; what never happened is left out. */
export interface ObserverStatistics {
  readonly seen: Readonly<Record<string, number>>;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly ignored: Readonly<Record<string, number>>;
  readonly expired: number;
  readonly sessions: number;
}

type MessageEvent = Extract<ObserverEvent, { event: 'message' }>;
type Side = 'mag' | 'lma';

export class Observer {
  readonly #config: ObserverConfig;
  readonly #peers: Readonly<Record<Side, readonly Prefix[]>>;
  readonly #sessions = new ObservedSessions();
  readonly #updates: Pairing<Request>;
  readonly #revocations: Pairing<{ readonly message: Revocation; readonly outgoing: boolean | null }>;
  readonly #deadlines: Deadlines<ObservedSession>;
  readonly #seen = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  readonly #ignored = new Map<string, number>();
  #accepted = 0;
  #expired = 0;
  #effects: Effect[] = [];

  constructor(config: ObserverConfig) {
    this.#config = config;
    this.#peers = { lma: config.lmas.map(parsePrefix), mag: config.mags.map(parsePrefix) };
    this.#updates = new Pairing(config.answerTimeout, config.maxPending);
    this.#revocations = new Pairing(config.answerTimeout, config.maxPending);
    this.#deadlines = new Deadlines((session) => this.#deadlineOf(session));
  }

  /** What is to be done, in this order. */
  handle(event: ObserverEvent, now: Instant): Effect[] {
    this.#effects = [];
    this.#expire(now);
    if (event.event === 'message') this.#message(event, now);
    return this.#effects;
  }

  /** Elapsed milliseconds at which a tick is wanted; null: never. */
  nextDeadline(): number | null {
    return this.#deadlines.next();
  }

  sessions(): IterableIterator<ObservedSession> {
    return this.#sessions.all();
  }

  statistics(): ObserverStatistics {
    return {
      seen: Object.fromEntries(this.#seen),
      accepted: this.#accepted,
      refused: Object.fromEntries(this.#refused),
      ignored: Object.fromEntries(this.#ignored),
      expired: this.#expired,
      sessions: this.#sessions.size,
    };
  }

  // ---- messages

  #message(event: MessageEvent, now: Instant): void {
    const { message } = event;
    count(this.#seen, messageName(message));
    if (message.message === 'binding-update') this.#bindingUpdate(event, message, now);
    else if (message.message === 'binding-ack') this.#bindingAck(event, message, now);
    else if (message.message === 'revocation') this.#revocation(event, message, now);
  }

  #bindingUpdate(event: MessageEvent, update: BindingUpdate, now: Instant): void {
    if (!(update.flags & UpdateFlag.PROXY)) return this.#ignore('not-proxy');
    const { from, to } = event;
    if (!this.#isBelievable(event, 'mag') || !this.#areKnown(from, to)) return;
    const request = readRequest(update, { from, to, identity: null }, this.#config.vendor);
    if (!request.identity) return this.#ignore('no-identity');
    this.#updates.note(from, to, update.sequence, request, now.elapsed);
  }

  #bindingAck(event: MessageEvent, ack: BindingAck, now: Instant): void {
    if (!(ack.flags & AckFlag.PROXY)) return this.#ignore('not-proxy');
    const { from, to } = event;
    if (!this.#isBelievable(event, 'lma') || !this.#areKnown(to, from)) return;
    const request = this.#updates.take(from, to, ack.sequence, now.elapsed);
    if (!request) return this.#ignore('unmatched');
    const grant = readGrant(request, ack);
    if ('refused' in grant) {
      count(this.#refused, grant.refused);
      this.#log('info', `registration refused: ${grant.refused}`, request.nodeKey, from.address);
      return;
    }
    this.#accepted++;
    if (grant.lifetime === 0) this.#deregister(request, grant);
    else this.#register(request, grant, now);
  }

  /** On the daemon's own host its messages go out and the others come in. */
  #isBelievable({ outgoing }: MessageEvent, sender: Side): boolean {
    if (this.#config.trust === 'wire' || outgoing === (sender === this.#config.role)) return true;
    this.#ignore('wrong-direction');
    return false;
  }

  #areKnown(mag: Endpoint, lma: Endpoint): boolean {
    if (contains(this.#peers.mag, mag.address) && contains(this.#peers.lma, lma.address)) return true;
    this.#ignore('unknown-peer');
    return false;
  }

  // ---- registration

  #register(request: Request, grant: Grant, now: Instant): void {
    const prefixes = prefixesIn(grant);
    if (!prefixes.every(isPrefix)) return this.#ignore('bad-prefix');
    let session = this.#find(request, grant, prefixes);
    if (!session) {
      if (!prefixes.length) return this.#ignore('no-prefix');
      if (this.#sessions.size >= this.#config.maxSessions) return this.#ignore('too-many-sessions');
      session = this.#sessions.create(request.nodeKey);
    }
    if (prefixes.length) {
      this.#claim(session, prefixes);
      this.#sessions.setPrefixes(session, {
        homePrefixes: grant.homePrefixes ?? session.homePrefixes,
        homeAddress: grant.homeAddress === undefined ? session.homeAddress : grant.homeAddress,
        delegated: grant.delegated ?? session.delegated,
      });
    }
    this.#bind(session, request, grant, now);
    this.#publish(session);
    this.#deadlines.watch(session);
  }

  /**
   * The session that the grant is about: by a prefix that it has. If the LMA gave others than before, as after its restart, by what
   * names a session besides (RFC 5213 §5.4.1.2: MN-ID, technology and link-layer identifier; RFC 8278: MN-ID, MAG and BID).
   */
  #find(request: Request, grant: Grant, prefixes: readonly string[]): ObservedSession | undefined {
    for (const prefix of prefixes) {
      const owner = this.#sessions.withPrefix(prefix);
      if (owner?.node === request.nodeKey) return owner;
    }
    return this.#sessions
      .ofNode(request.nodeKey)
      .find((session) =>
        grant.bid === PLAIN_BID
          ? request.linkLayerId !== '' &&
            session.linkLayerId === request.linkLayerId &&
            session.technology === (request.technology ?? 0)
          : session.magIdentity === request.mag && session.bindings.has(grant.bid),
      );
  }

  /** A prefix is one session's: the LMA has given it to another one now. */
  #claim(session: ObservedSession, prefixes: readonly string[]): void {
    for (const prefix of prefixes) {
      const owner = this.#sessions.withPrefix(prefix);
      if (!owner || owner === session) continue;
      this.#log('warn', `${prefix} went from session ${owner.name} to ${session.name}`, session.node);
      this.#sessions.setPrefixes(owner, {
        homePrefixes: owner.homePrefixes.filter((other) => other !== prefix),
        homeAddress: owner.homeAddress === prefix ? null : owner.homeAddress,
        delegated: owner.delegated.filter((other) => other !== prefix),
      });
      this.#publish(owner);
    }
  }

  #bind(session: ObservedSession, request: Request, grant: Grant, now: Instant): void {
    const { bid, encapsulation, label, metrics } = grant;
    const multipath = bid !== PLAIN_BID;
    const magIdentity = multipath ? (request.mag ?? '') : null;
    for (const other of [...session.bindings.values()]) {
      // RFC 8278 §3: with and without MMB exclude each other; O replaces; another MAG starts anew.
      const stays = multipath && other.bid !== PLAIN_BID && session.magIdentity === magIdentity;
      if (other.bid !== bid && (!stays || grant.overwrite)) session.bindings.delete(other.bid);
    }
    session.magIdentity = magIdentity;
    session.linkLayerId = request.linkLayerId;
    session.technology = request.technology ?? 0;
    this.#agreeOnKeys(session, grant);
    session.bindings.set(bid, {
      bid,
      careOf: grant.careOf,
      anchor: grant.anchor,
      mag: request.from.address,
      encapsulation,
      technology: grant.technology,
      label,
      metrics,
      expires: now.elapsed + grant.lifetime,
    });
    if (!grant.bulk) return;
    for (const other of session.bindings.values()) other.expires = now.elapsed + grant.lifetime;
  }

  /** One sequence space spans all paths, so one pair of keys has to. */
  #agreeOnKeys(session: ObservedSession, { keys, bid }: Grant): void {
    const others = [...session.bindings.values()].filter(
      (other) => other.bid !== bid && (other.encapsulation === 'gre' || other.encapsulation === 'udp-gre'),
    );
    if (!keys) {
      if (!others.length) session.keys = null;
      return;
    }
    const before = session.keys;
    if (others.length && before && (before.downlink !== keys.downlink || before.uplink !== keys.uplink)) {
      this.#log(
        'warn',
        `session ${session.name}: BID ${bid} has GRE keys of its own; they are taken for all paths`,
      );
    }
    session.keys = keys;
  }

  // ---- de-registration

  /** The answer says which session it was; if it names none, the request does; else it is all that the sender holds. */
  #deregister(request: Request, grant: Grant): void {
    const answered = prefixesIn(grant);
    const named = answered.length
      ? answered
      : [
          ...request.namedPrefixes,
          ...request.ipv4Requests.map(({ prefix }) => hostPrefix(prefix)),
          ...request.delegatedRequests,
        ].filter((prefix) => prefix !== '0.0.0.0/32' && !prefix.endsWith('/0'));
    for (const session of [...this.#sessions.ofNode(request.nodeKey)]) {
      const own = prefixesOf(session);
      if (!named.length || named.some((prefix) => own.includes(prefix)))
        this.#release(session, request, grant);
    }
  }

  #release(session: ObservedSession, request: Request, grant: Grant): void {
    // From elsewhere: the node has moved on (RFC 5213 §5.3.5), and the LMA accepts nothing but a repetition.
    const mine = [...session.bindings.values()].filter(({ careOf }) => careOf === grant.careOf);
    if (!mine.length) return this.#ignore('deregistration-from-elsewhere');
    const multipath = request.multipath;
    if (!multipath && session.homeAddress !== null && session.homePrefixes.length) {
      // RFC 5844 §3.1.2.5: only one family is named, so only that one ends.
      const { homePrefixes, homeAddress, delegated } = session;
      if (!request.homePrefixes.length || !request.ipv4Requests.length) {
        const rest = request.homePrefixes.length
          ? { homePrefixes: [], homeAddress, delegated }
          : { homePrefixes, homeAddress: null, delegated };
        this.#sessions.setPrefixes(session, rest);
        return this.#publish(session);
      }
    }
    if (!multipath || multipath.bulk) session.bindings.clear();
    else session.bindings.delete(multipath.bid);
    this.#publish(session);
  }

  // ---- revocation (RFC 5846)

  #revocation(event: MessageEvent, message: Revocation, now: Instant): void {
    const { from, to, outgoing } = event;
    if (!message.acknowledgement) {
      this.#revocations.note(from, to, message.sequence, { message, outgoing }, now.elapsed);
      return;
    }
    const indication = this.#revocations.take(from, to, message.sequence, now.elapsed);
    if (!indication) return this.#ignore('unmatched');
    // One of the two is our daemon's: nobody else can make up both.
    if (this.#config.trust === 'host' && (outgoing === null || indication.outgoing !== !outgoing))
      return this.#ignore('wrong-direction');
    if (message.code >= 128) return count(this.#refused, `revocation status ${message.code}`);
    this.#accepted++;
    this.#revoke(indication.message, [from.address, to.address]);
  }

  #revoke({ options, flags }: Revocation, ends: readonly string[]): void {
    const identity = findOption(options, 'mn-identifier');
    const bids = findOptions(options, 'binding-identifier').map(({ bid }) => bid);
    const prefixes = findOptions(options, 'home-network-prefix').map(({ prefix }) => prefix);
    const whose = identity ? this.#sessions.ofNode(identifierText(identity)) : [];
    const all = !identity && (flags & RevocationFlag.GLOBAL) !== 0;
    for (const session of all ? [...this.#sessions.all()] : [...whose]) {
      if (prefixes.length && !prefixes.some((prefix) => session.homePrefixes.includes(prefix))) continue;
      const theirs = [...session.bindings.values()].filter(({ mag }) => ends.includes(mag));
      if (!theirs.length) continue;
      if (flags & RevocationFlag.IPV4_ONLY) {
        const { homePrefixes, delegated } = session;
        this.#sessions.setPrefixes(session, { homePrefixes, homeAddress: null, delegated });
      } else {
        for (const { bid } of theirs) if (!bids.length || bids.includes(bid)) session.bindings.delete(bid);
      }
      this.#publish(session);
    }
  }

  // ---- time

  #deadlineOf(session: ObservedSession): number | null {
    if (!this.#sessions.has(session) || !session.bindings.size) return null;
    return Math.min(...[...session.bindings.values()].map(({ expires }) => expires));
  }

  #expire({ elapsed }: Instant): void {
    for (let due = this.#deadlines.take(elapsed); due; due = this.#deadlines.take(elapsed)) {
      for (const { bid, expires } of [...due.bindings.values()]) {
        if (expires > elapsed) continue;
        due.bindings.delete(bid);
        this.#expired++;
        this.#log('info', `session ${due.name}: BID ${bid || 1} expired`, due.node);
      }
      this.#publish(due);
      this.#deadlines.watch(due);
    }
  }

  // ---- data plane

  /** Installs what differs from what is installed; a session without prefixes or paths goes. */
  #publish(session: ObservedSession): void {
    const tunnels = tunnelSessionOf(session, this.#config.role);
    if (!session.bindings.size || !tunnels.prefixes.length) {
      if (session.installed) this.#effects.push({ effect: 'remove', session: session.name });
      this.#sessions.remove(session);
      session.bindings.clear();
      return;
    }
    const text = JSON.stringify(tunnels);
    if (text === session.installed) return;
    session.installed = text;
    this.#effects.push({ effect: 'install', session: tunnels });
    const paths = tunnels.paths.map(({ bid, remote }) => `BID ${bid} ${remote.address}`).join(', ');
    this.#log('info', `session ${session.name}: ${tunnels.prefixes.join(', ')} over ${paths}`, session.node);
  }

  #ignore(reason: string): void {
    count(this.#ignored, reason);
  }

  #log(level: 'info' | 'warn', text: string, node?: string, peer?: string): void {
    this.#effects.push({ effect: 'log', level, text, node, peer });
  }
}

function prefixesIn({ homePrefixes, homeAddress, delegated }: Grant): string[] {
  return [...(homePrefixes ?? []), ...(homeAddress ? [homeAddress] : []), ...(delegated ?? [])];
}

function contains(prefixes: readonly Prefix[], address: string): boolean {
  if (!prefixes.length) return true;
  const { bytes } = parseAddress(address);
  return prefixes.some((prefix) => prefixContains(prefix, bytes));
}

/** The codec takes any length and host bits; the data plane does not. */
function isPrefix(text: string): boolean {
  try {
    parsePrefix(text);
    return true;
  } catch {
    return false;
  }
}

function count(counters: Map<string, number>, key: string): void {
  counters.set(key, (counters.get(key) ?? 0) + 1);
}
