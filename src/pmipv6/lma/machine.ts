/**
 * The Local Mobility Anchor as a pure state machine: (state, event, now) to effects. No sockets, clocks or timers; the
 * daemon, the tests and the simulator feed it.
 */
import type { Effect } from '../effect.ts';
import type { Endpoint, Instant } from '../endpoint.ts';
import { Deadlines } from '../deadlines.ts';
import type { TunnelPath, TunnelSession } from '../tunnel-session.ts';
import type { Heartbeat } from '../wire/message/heartbeat.ts';
import { type Revocation, RevocationFlag } from '../wire/message/revocation.ts';
import type { BindingUpdate } from '../wire/message/binding-update.ts';
import type { Message } from '../wire/mobility-header.ts';
import {
  BindingErrorStatus,
  DATA_PORT,
  nameOf,
  RevocationStatus,
  RevocationTrigger,
} from '../wire/numbers.ts';
import { identifierText } from '../wire/option/identifier.ts';
import { findOption, findOptions, type MobilityOption } from '../wire/options.ts';
import { Allocation } from './allocation.ts';
import { homeAddressHost } from './acknowledgement.ts';
import { type Binding, BindingCache, PLAIN_BID, type Session } from './binding-cache.ts';
import type { LmaConfig } from './config.ts';
import { type Peer, Peers, takeToken } from './peers.ts';
import { Policy } from './policy.ts';
import { type Outcome, Registration } from './registration.ts';

export type LmaEvent =
  | { readonly event: 'message'; readonly message: Message; readonly from: Endpoint; readonly to: Endpoint }
  /** The operator's word: take back one binding or, without BID, the session. */
  | { readonly event: 'revoke'; readonly session: string; readonly bid?: number }
  | { readonly event: 'tick' };

/** Why messages led to nothing, and how those that led to something ended. */
export interface LmaStatistics {
  readonly received: Readonly<Record<string, number>>;
  readonly answered: Readonly<Record<string, number>>;
  readonly ignored: Readonly<Record<string, number>>;
}

/** First retransmission of a BRI, and the longest (RFC 5846 §13: InitMINDelayBRIs, MAX_BRACK_TIMEOUT). */
const BRI_FIRST_MS = 1000;
const BRI_MAX_MS = 2000;
const BRI_RETRIES = 1;

interface OutstandingBri {
  readonly message: Revocation;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly node: string;
  at: number;
  delay: number;
  retries: number;
}

interface WaitingUpdate {
  readonly update: BindingUpdate;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly session: string;
  readonly until: number;
}

const MAX_WAITING = 1024;

export class LmaMachine {
  private config: LmaConfig;
  private policy: Policy;
  private readonly cache = new BindingCache();
  private readonly allocation: Allocation;
  private readonly registration: Registration;
  private readonly peers = new Peers();
  private readonly deadlines = new Deadlines<Session>((session) => this.deadlineOf(session));
  private readonly revocations = new Map<number, OutstandingBri>();
  /** By node: PBUs that wait for the old MAG's de-registration (MaxDelayBeforeNewBCEAssign). */
  private readonly waiting = new Map<string, WaitingUpdate>();
  private revocationSequence = 0;
  private effects: Effect[] = [];
  private readonly received = new Map<string, number>();
  private readonly answered = new Map<string, number>();
  private readonly ignored = new Map<string, number>();

  constructor(config: LmaConfig) {
    this.config = config;
    this.policy = new Policy(config);
    this.allocation = new Allocation(config);
    this.registration = new Registration(config, this.cache, this.allocation, this.policy);
  }

  handle(event: LmaEvent, now: Instant): Effect[] {
    this.effects = [];
    if (event.event === 'message') this.message(event.message, event.from, event.to, now);
    else if (event.event === 'revoke') this.revoke(event.session, event.bid, now);
    this.expire(now);
    return this.effects;
  }

  /**
   * Goes on with another configuration: profiles, MAGs, times and choices, but not other pools. Bindings that could not be registered
   * any more are revoked.
   */
  reconfigure(config: LmaConfig, now: Instant): Effect[] {
    this.effects = [];
    this.config = config;
    this.policy = new Policy(config);
    this.allocation.setProfiles(config.nodes);
    this.registration.reconfigure(config, this.policy);
    for (const session of [...this.cache.sessions()]) {
      const profile = this.policy.profile(session.nodeKey);
      const mag = session.mag ?? undefined;
      for (const { bid, careOf, signaling } of [...session.bindings.values()]) {
        const allowed =
          profile?.proxyRegistration === true &&
          this.policy.trusts(signaling.address, mag) &&
          this.policy.maySpeakFor(signaling.address, profile);
        if (allowed) continue;
        this.log('info', 'no longer authorised', session.nodeKey, careOf.address);
        this.revoke(session.name, bid === PLAIN_BID ? undefined : bid, now);
      }
    }
    return this.effects;
  }

  /** Elapsed milliseconds at which a `tick` is wanted; null: none. */
  nextDeadline(): number | null {
    let next = this.deadlines.next() ?? Infinity;
    for (const { at } of this.revocations.values()) next = Math.min(next, at);
    for (const { until } of this.waiting.values()) next = Math.min(next, until);
    if (this.config.heartbeat) {
      for (const { nextHeartbeat } of this.peers.all()) next = Math.min(next, nextHeartbeat ?? Infinity);
    }
    return next === Infinity ? null : next;
  }

  /** The binding cache, for status and tests. Not to be changed. */
  sessions(): IterableIterator<Session> {
    return this.cache.sessions();
  }

  session(name: string): Session | undefined {
    return this.cache.named(name);
  }

  get prefixesInUse(): number {
    return this.allocation.used;
  }

  statistics(): LmaStatistics {
    return {
      received: Object.fromEntries(this.received),
      answered: Object.fromEntries(this.answered),
      ignored: Object.fromEntries(this.ignored),
    };
  }

  // ---- messages

  private message(message: Message, from: Endpoint, to: Endpoint, now: Instant): void {
    count(this.received, message.message);
    switch (message.message) {
      case 'binding-update':
        this.bindingUpdate(message, from, to, now, true);
        break;
      case 'heartbeat':
        this.heartbeat(message, from, to, now);
        break;
      case 'revocation':
        if (message.acknowledgement) this.revocationAck(message, from);
        else this.revocationIndication(message, from, to);
        break;
      case 'binding-error':
        this.bindingError(message.status, from);
        break;
      case 'unknown':
        // RFC 6275 §9.2; only to peers that we know, so that we are no reflector.
        if (this.policy.trusts(from.address)) {
          this.send(
            {
              message: 'binding-error',
              status: BindingErrorStatus.UNRECOGNIZED_MH_TYPE,
              homeAddress: '::',
              options: [],
            },
            to,
            from,
          );
        } else count(this.ignored, 'untrusted');
        break;
      default:
        count(this.ignored, 'not-for-an-lma');
    }
  }

  private bindingUpdate(
    update: BindingUpdate,
    from: Endpoint,
    to: Endpoint,
    now: Instant,
    mayWait: boolean,
  ): void {
    const peer = this.peers.heard(from, to, now, this.config.maxUpdatesPerSecond);
    // It is alive, whatever became of heartbeats while its interface was away.
    peer.missing = 0;
    if (mayWait && !takeToken(peer, now, this.config.maxUpdatesPerSecond)) {
      count(this.ignored, 'rate-limit');
      return;
    }
    const outcome = this.registration.handle(update, from, to, now, mayWait);
    this.carryOut(outcome, update, from, to, now);
  }

  private carryOut(
    outcome: Outcome,
    update: BindingUpdate,
    from: Endpoint,
    to: Endpoint,
    now: Instant,
  ): void {
    if (outcome.outcome === 'ignored') {
      count(this.ignored, outcome.reason);
      this.log('debug', `PBU ignored: ${outcome.reason}`, outcome.node, from.address);
      return;
    }
    if (outcome.outcome === 'wait') {
      if (this.waiting.size < MAX_WAITING || this.waiting.has(outcome.node)) {
        const until = this.waiting.get(outcome.node)?.until ?? now.elapsed + this.config.maxDelayBeforeAssign;
        this.waiting.set(outcome.node, { update, from, to, session: outcome.session.name, until });
      }
      return;
    }
    const { answer } = outcome;
    count(this.answered, String(answer.status));
    if (outcome.outcome === 'rejected') {
      this.log('info', `PBU rejected, ${outcome.why} (status ${answer.status})`, outcome.node, from.address);
      this.send(answer, to, from);
      return;
    }
    const { session } = outcome;
    if (this.config.revocation && outcome.replaced.length)
      this.revokeReplaced(session, outcome.replaced, now);
    // Tunnels stand before the MAG learns that it may use them.
    this.publish(session, outcome.changed);
    this.send(answer, to, from);
    if (outcome.changed) this.log('info', outcome.what, session.nodeKey, from.address);
    this.deadlines.watch(session);
    if (outcome.released) this.releaseWaiting(session, now);
  }

  /** A PBU that waited for this session's de-registration goes on. */
  private releaseWaiting(session: Session, now: Instant): void {
    const waiting = this.waiting.get(session.nodeKey);
    if (!waiting) return;
    this.waiting.delete(session.nodeKey);
    this.bindingUpdate(waiting.update, waiting.from, waiting.to, now, false);
  }

  // ---- data plane

  private publish(session: Session, changed: boolean): void {
    if (session.bindings.size === 0) {
      if (session.installed) this.effects.push({ effect: 'remove', session: session.name });
      session.installed = false;
    } else if (changed || !session.installed) {
      this.effects.push({ effect: 'install', session: tunnelSession(session) });
      session.installed = true;
    }
  }

  private drop(session: Session): void {
    this.registration.forget(session);
    this.publish(session, true);
  }

  // ---- time

  private deadlineOf(session: Session): number | null {
    if (this.cache.named(session.name) !== session) return null;
    if (session.lingerUntil !== null) return session.lingerUntil;
    let first = Infinity;
    for (const { expires } of session.bindings.values()) first = Math.min(first, expires);
    return first === Infinity ? null : first;
  }

  private expire(now: Instant): void {
    for (
      let session = this.deadlines.take(now.elapsed);
      session;
      session = this.deadlines.take(now.elapsed)
    ) {
      this.expireSession(session, now);
    }
    for (const [sequence, bri] of this.revocations)
      if (bri.at <= now.elapsed) this.retransmit(sequence, bri, now);
    for (const [node, { update, from, to, until }] of this.waiting) {
      if (until > now.elapsed) continue;
      this.waiting.delete(node);
      this.bindingUpdate(update, from, to, now, false);
    }
    if (this.config.heartbeat) this.requestHeartbeats(now);
  }

  private expireSession(session: Session, now: Instant): void {
    if (session.lingerUntil !== null) {
      this.log('info', 'session deleted', session.nodeKey);
      this.drop(session);
      return;
    }
    for (const binding of [...session.bindings.values()]) {
      if (binding.expires > now.elapsed) continue;
      this.log('info', `BID ${binding.bid} expired`, session.nodeKey, binding.careOf.address);
      this.cache.deleteBinding(session, binding.bid);
    }
    if (session.bindings.size === 0) this.drop(session);
    else {
      this.publish(session, true);
      this.deadlines.watch(session);
    }
  }

  // ---- heartbeat (RFC 5847)

  private heartbeat(message: Heartbeat, from: Endpoint, to: Endpoint, now: Instant): void {
    if (!this.policy.trusts(from.address)) {
      count(this.ignored, 'untrusted');
      return;
    }
    const peer = this.peers.heard(from, to, now, this.config.maxUpdatesPerSecond);
    peer.knowsHeartbeats = true;
    if (this.config.heartbeat)
      peer.nextHeartbeat ??= now.elapsed + this.config.heartbeat.intervalSeconds * 1000;
    if (!message.response) {
      const options: MobilityOption[] = [{ option: 'restart-counter', counter: this.config.restartCounter }];
      this.send(
        { message: 'heartbeat', response: true, unsolicited: false, sequence: message.sequence, options },
        to,
        from,
      );
      return;
    }
    if (!message.unsolicited && message.sequence !== peer.heartbeatSequence) {
      count(this.ignored, 'heartbeat-sequence');
      return;
    }
    peer.missing = 0;
    const counter = findOption(message.options, 'restart-counter')?.counter;
    if (counter === undefined) return;
    const before = peer.restartCounter;
    peer.restartCounter = counter;
    if (before !== null && before !== counter) this.peerIsGone(peer, 'has restarted without its bindings');
  }

  private requestHeartbeats(now: Instant): void {
    const { intervalSeconds, missingAllowed } = this.config.heartbeat!;
    for (const peer of this.peers.all()) {
      if (peer.nextHeartbeat === null || peer.nextHeartbeat > now.elapsed) continue;
      // Only while there is a binding with the peer (§3.1).
      if (!this.cache.withCareOf(peer.endpoint).length || !peer.knowsHeartbeats) {
        peer.nextHeartbeat = null;
        continue;
      }
      if (peer.missing > missingAllowed) {
        peer.nextHeartbeat = null;
        peer.missing = 0;
        this.peerIsGone(peer, 'answers no heartbeats');
        continue;
      }
      peer.missing += 1;
      peer.heartbeatSequence = (peer.heartbeatSequence + 1) >>> 0;
      peer.nextHeartbeat = now.elapsed + intervalSeconds * 1000;
      this.send(
        {
          message: 'heartbeat',
          response: false,
          unsolicited: false,
          sequence: peer.heartbeatSequence,
          options: [],
        },
        peer.local,
        peer.endpoint,
      );
    }
  }

  private peerIsGone(peer: Peer, why: string): void {
    this.log('warn', `MAG ${why}; its bindings are removed`, undefined, peer.address);
    for (const session of this.cache.withCareOf(peer.endpoint)) {
      for (const { bid, careOf } of [...session.bindings.values()]) {
        if (careOf.address === peer.address) this.cache.deleteBinding(session, bid);
      }
      if (session.bindings.size === 0) this.drop(session);
      else this.publish(session, true);
    }
  }

  private bindingError(status: number, from: Endpoint): void {
    const peer = this.peers.find(from.address);
    if (!peer || status !== BindingErrorStatus.UNRECOGNIZED_MH_TYPE) return;
    peer.knowsHeartbeats = false;
    peer.nextHeartbeat = null;
  }

  // ---- revocation (RFC 5846)

  private revoke(name: string, bid: number | undefined, now: Instant): void {
    const session = this.cache.named(name);
    if (!session) {
      this.log('warn', `there is no session "${name}" to revoke`);
      return;
    }
    const bindings = [...session.bindings.values()].filter(
      (binding) => bid === undefined || binding.bid === bid,
    );
    for (const binding of bindings) {
      const whole = bid === undefined;
      this.indicate(session, binding, whole ? null : bid, RevocationTrigger.ADMINISTRATIVE, now);
    }
    for (const binding of bindings) this.cache.deleteBinding(session, binding.bid);
    if (session.bindings.size === 0) this.drop(session);
    else this.publish(session, true);
  }

  /** The node moved to another MAG: the old one is told at once instead of waited for (§8.1). */
  private revokeReplaced(session: Session, replaced: readonly Binding[], now: Instant): void {
    for (const binding of replaced)
      this.indicate(session, binding, null, RevocationTrigger.INTER_MAG_UNKNOWN, now);
  }

  private indicate(
    session: Session,
    binding: Binding,
    bid: number | null,
    trigger: number,
    now: Instant,
  ): void {
    this.revocationSequence = (this.revocationSequence + 1) & 0xffff;
    const options: MobilityOption[] = [{ option: 'mn-identifier', ...session.identity }];
    for (const prefix of session.prefixes)
      options.push({ option: 'home-network-prefix', prefix, offLink: false });
    if (bid !== null && bid !== PLAIN_BID) {
      options.push({
        option: 'binding-identifier',
        bid,
        status: 0,
        simultaneous: false,
        priority: 0,
        careOfAddress: null,
      });
    }
    const message: Revocation = {
      message: 'revocation',
      acknowledgement: false,
      code: trigger,
      sequence: this.revocationSequence,
      flags: RevocationFlag.PROXY,
      options,
    };
    const { local: from, signaling: to } = binding;
    const at = now.elapsed + BRI_FIRST_MS;
    const node = session.nodeKey;
    this.revocations.set(message.sequence, { message, from, to, node, at, delay: BRI_FIRST_MS, retries: 0 });
    this.send(message, from, to);
  }

  private retransmit(sequence: number, bri: OutstandingBri, now: Instant): void {
    if (bri.retries >= BRI_RETRIES) {
      this.revocations.delete(sequence);
      this.log('warn', 'MAG did not answer the revocation', bri.node, bri.to.address);
      return;
    }
    bri.retries += 1;
    bri.delay = Math.min(bri.delay * 2, BRI_MAX_MS);
    bri.at = now.elapsed + bri.delay;
    this.send(bri.message, bri.from, bri.to);
  }

  private revocationAck(message: Revocation, from: Endpoint): void {
    const bri = this.revocations.get(message.sequence);
    if (!bri || bri.to.address !== from.address) {
      count(this.ignored, 'unmatched-bra');
      return;
    }
    this.revocations.delete(message.sequence);
    if (message.code >= 128) {
      this.log(
        'warn',
        `revocation refused, status ${nameOf(RevocationStatus, message.code)}`,
        bri.node,
        from.address,
      );
    }
  }

  /** A MAG takes back its bindings: those of one node, or with G all of them (§9.1). */
  private revocationIndication(message: Revocation, from: Endpoint, to: Endpoint): void {
    const status = this.revokedByMag(message, from);
    if (status === null) return;
    this.send({ ...message, acknowledgement: true, code: status, options: ackOptions(message) }, to, from);
  }

  private revokedByMag(message: Revocation, from: Endpoint): number | null {
    if (!this.policy.trusts(from.address)) {
      count(this.ignored, 'untrusted');
      return null;
    }
    if (!(message.flags & RevocationFlag.PROXY)) return RevocationStatus.FUNCTION_NOT_SUPPORTED;
    const identity = findOption(message.options, 'mn-identifier');
    if (!identity) return RevocationStatus.IDENTITY_REQUIRED;
    const global = (message.flags & RevocationFlag.GLOBAL) !== 0;
    if (global && message.code !== RevocationTrigger.PER_PEER_POLICY)
      return RevocationStatus.TRIGGER_NOT_SUPPORTED;
    const key = identifierText(identity);
    const sessions = global
      ? [...this.cache.sessions()].filter(({ mag, bindings }) =>
          mag === key ? anyFrom(bindings, from) : false,
        )
      : this.cache.ofNode(key).filter(({ bindings }) => anyFrom(bindings, from));
    if (!sessions.length) return RevocationStatus.BINDING_DOES_NOT_EXIST;
    const bids = findOptions(message.options, 'binding-identifier').map(({ bid }) => bid);
    for (const session of sessions) {
      for (const binding of [...session.bindings.values()]) {
        if (bids.length && !bids.includes(binding.bid)) continue;
        this.cache.deleteBinding(session, binding.bid);
      }
      this.log('info', 'bindings revoked by the MAG', session.nodeKey, from.address);
      if (session.bindings.size === 0) this.drop(session);
      else this.publish(session, true);
    }
    return RevocationStatus.SUCCESS;
  }

  // ---- effects

  private send(message: Message, from: Endpoint, to: Endpoint): void {
    this.effects.push({ effect: 'send', message, from, to, interface: null });
  }

  private log(level: 'debug' | 'info' | 'warn', text: string, node?: string, peer?: string): void {
    this.effects.push({ effect: 'log', level, text, node, peer });
  }
}

function count(counters: Map<string, number>, key: string): void {
  counters.set(key, (counters.get(key) ?? 0) + 1);
}

function anyFrom(bindings: ReadonlyMap<number, Binding>, from: Endpoint): boolean {
  for (const { careOf } of bindings.values()) if (careOf.address === from.address) return true;
  return false;
}

/** A BRA names what the BRI named (RFC 5846 §8.2). */
function ackOptions({ options }: Revocation): MobilityOption[] {
  return options.filter(
    ({ option }) =>
      option === 'mn-identifier' || option === 'home-network-prefix' || option === 'binding-identifier',
  );
}

/** The session in the data plane's words. */
export function tunnelSession(session: Session): TunnelSession {
  const paths = [...session.bindings.values()]
    .map((binding): TunnelPath => {
      const udp = binding.encapsulation === 'udp' || binding.encapsulation === 'udp-gre';
      const port = udp ? DATA_PORT : null;
      return {
        bid: binding.bid === PLAIN_BID ? 1 : binding.bid,
        local: { address: binding.local.address, port },
        remote: { address: binding.careOf.address, port },
        encapsulation: binding.encapsulation,
        technology: binding.technology,
        label: binding.label,
        metrics: binding.metrics,
        interface: null,
      };
    })
    .sort((a, b) => a.bid - b.bid);
  return {
    name: session.name,
    node: session.nodeKey,
    prefixes: [
      ...session.prefixes,
      ...(session.homeAddress ? [homeAddressHost(session.homeAddress)] : []),
      ...session.delegated,
    ],
    sendKey: session.gre?.downlinkKey ?? null,
    receiveKey: session.gre?.uplinkKey ?? null,
    paths,
  };
}
