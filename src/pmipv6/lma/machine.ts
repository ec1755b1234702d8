/**
 * The Local Mobility Anchor as a pure state machine: (state, event, now) to effects. No sockets, clocks or timers; the
 * daemon, the tests and the simulator feed it.
 */
import type { Effect } from '../effect.ts';
import type { Arrival, Endpoint, Instant } from '../endpoint.ts';
import type { BindingUpdate } from '../wire/message/binding-update.ts';
import type { Message } from '../wire/mobility-header.ts';
import { BindingErrorStatus } from '../wire/numbers.ts';
import { PLAIN_BID, type Session, unbind } from './binding-cache.ts';
import type { LmaConfig } from './config.ts';
import { count, LmaContext } from './context.ts';
import { Heartbeats } from './heartbeats.ts';
import { Policy } from './policy.ts';
import type { Outcome } from './registration.ts';
import { type FormerPeer, RestartAnnouncement } from './restart-announcement.ts';
import { Revocations } from './revocations.ts';

export type LmaEvent =
  | {
      readonly event: 'message';
      readonly message: Message;
      readonly from: Endpoint;
      readonly to: Endpoint;
      /** MAG Identifier that the key of the message stands for; null or left out: there is none. */
      readonly identity?: string | null;
    }
  /** Once, after a restart without session state: the MAGs of before. */
  | { readonly event: 'restarted'; readonly peers: readonly FormerPeer[] }
  /** The data plane cannot have the session as it was last told; it has it as before, if it had it. The PBA said as much. */
  | { readonly event: 'refused'; readonly session: string }
  /** The operator's word: take back one binding or, without BID, the session. */
  | { readonly event: 'revoke'; readonly session: string; readonly bid?: number }
  | { readonly event: 'tick' };

/** Why messages led to nothing, and how those that led to something ended. */
export interface LmaStatistics {
  readonly received: Readonly<Record<string, number>>;
  readonly answered: Readonly<Record<string, number>>;
  readonly ignored: Readonly<Record<string, number>>;
}

interface WaitingUpdate extends Arrival {
  readonly update: BindingUpdate;
  readonly session: string;
  readonly until: number;
}

const MAX_WAITING = 1024;

export class LmaMachine {
  private readonly context: LmaContext;
  private readonly heartbeats: Heartbeats;
  private readonly announcement: RestartAnnouncement;
  private readonly revocations: Revocations;
  /** By node: PBUs that wait for the old MAG's de-registration (MaxDelayBeforeNewBCEAssign). */
  private readonly waiting = new Map<string, WaitingUpdate>();

  constructor(config: LmaConfig) {
    this.context = new LmaContext(config);
    this.heartbeats = new Heartbeats(this.context);
    this.announcement = new RestartAnnouncement(this.context);
    this.revocations = new Revocations(this.context);
  }

  handle(event: LmaEvent, now: Instant): Effect[] {
    this.begin(now);
    if (event.event === 'message') {
      const { message, from, to, identity = null } = event;
      this.message(message, { from, to, identity }, now);
    } else if (event.event === 'revoke') this.revocations.revoke(event.session, event.bid);
    else if (event.event === 'refused') this.revocations.refused(event.session);
    else if (event.event === 'restarted') this.announcement.begin(event.peers);
    this.expire(now);
    return this.context.effects;
  }

  /**
   * Goes on with another configuration: profiles, MAGs, times and choices, but not other pools. Bindings that could not be registered
   * any more are revoked.
   */
  reconfigure(config: LmaConfig, now: Instant): Effect[] {
    this.begin(now);
    this.context.config = config;
    this.context.policy = new Policy(config);
    this.context.allocation.setProfiles(config.nodes);
    this.context.registration.reconfigure(config, this.context.policy);
    this.heartbeats.reconfigure();
    for (const session of [...this.context.cache.sessions()]) {
      const profile = this.context.policy.profile(session.nodeKey);
      for (const { bid, careOf, signaling, speaker } of [...session.bindings.values()]) {
        const allowed =
          profile?.proxyRegistration === true &&
          this.context.policy.trusts(signaling.address, speaker) &&
          this.context.policy.maySpeakFor(signaling.address, speaker, profile);
        if (allowed) continue;
        this.context.log('info', 'no longer authorised', session.nodeKey, careOf.address);
        this.revocations.revoke(session.name, bid === PLAIN_BID ? undefined : bid);
      }
    }
    return this.context.effects;
  }

  /** Elapsed milliseconds at which a `tick` is wanted; null: none. */
  nextDeadline(): number | null {
    let next = Math.min(
      this.context.deadlines.next() ?? Infinity,
      this.heartbeats.nextDeadline(),
      this.announcement.nextDeadline(),
      this.revocations.nextDeadline(),
    );
    const [waitingLongest] = this.waiting.values();
    if (waitingLongest) next = Math.min(next, waitingLongest.until);
    return next === Infinity ? null : next;
  }

  /** The binding cache, for status and tests. Not to be changed. */
  sessions(): IterableIterator<Session> {
    return this.context.cache.sessions();
  }

  session(name: string): Session | undefined {
    return this.context.cache.named(name);
  }

  /** MAGs to be told after a restart: those that know heartbeats and have bindings, or that have not been told of the last one yet. */
  formerPeers(): FormerPeer[] {
    const { peers, cache } = this.context;
    const bound = [...peers.all()].filter(
      ({ endpoint, knowsHeartbeats }) => knowsHeartbeats && cache.withCareOf(endpoint).length > 0,
    );
    return [...bound, ...this.announcement.peers].map(({ endpoint, local }) => ({ endpoint, local }));
  }

  get prefixesInUse(): number {
    return this.context.allocation.used;
  }

  statistics(): LmaStatistics {
    return {
      received: Object.fromEntries(this.context.received),
      answered: Object.fromEntries(this.context.answered),
      ignored: Object.fromEntries(this.context.ignored),
    };
  }

  private begin(now: Instant): void {
    this.context.now = now;
    this.context.effects = [];
  }

  // ---- messages

  private message(message: Message, arrival: Arrival, now: Instant): void {
    const { from, to } = arrival;
    count(this.context.received, message.message);
    switch (message.message) {
      case 'binding-update':
        this.bindingUpdate(message, arrival, now, true);
        break;
      case 'heartbeat':
        this.heartbeats.message(message, from, to);
        break;
      case 'revocation':
        if (message.acknowledgement) this.revocations.acknowledgement(message, from);
        else this.revocations.indication(message, arrival);
        break;
      case 'binding-error':
        this.heartbeats.bindingError(message.status, from);
        break;
      case 'unknown':
        // RFC 6275 §9.2; only to peers that we know, so that we are no reflector.
        if (this.context.policy.trusts(from.address)) {
          this.context.send(
            {
              message: 'binding-error',
              status: BindingErrorStatus.UNRECOGNIZED_MH_TYPE,
              homeAddress: '::',
              options: [],
            },
            to,
            from,
          );
        } else count(this.context.ignored, 'untrusted');
        break;
      default:
        count(this.context.ignored, 'not-for-an-lma');
    }
  }

  private bindingUpdate(update: BindingUpdate, arrival: Arrival, now: Instant, mayWait: boolean): void {
    const { from, to } = arrival;
    // It is alive, whatever became of heartbeats while its interface was away. Invented addresses must not make us forget it.
    if (this.context.policy.trusts(from.address)) this.context.peers.heard(from, to, now).missing = 0;
    if (mayWait && !this.context.rates.take(from.address, now, this.context.config.maxUpdatesPerSecond)) {
      count(this.context.ignored, 'rate-limit');
      return;
    }
    if (this.revocations.crosses(update, from)) {
      count(this.context.ignored, 'extends-revoked');
      return;
    }
    const outcome = this.context.registration.handle(update, arrival, now, mayWait);
    this.carryOut(outcome, update, arrival, now);
  }

  private carryOut(outcome: Outcome, update: BindingUpdate, arrival: Arrival, now: Instant): void {
    const { from, to } = arrival;
    if (outcome.outcome === 'ignored') {
      count(this.context.ignored, outcome.reason);
      this.context.log('debug', `PBU ignored: ${outcome.reason}`, outcome.node, from.address);
      return;
    }
    if (outcome.outcome === 'wait') {
      if (this.waiting.size < MAX_WAITING || this.waiting.has(outcome.node)) {
        const until =
          this.waiting.get(outcome.node)?.until ?? now.elapsed + this.context.config.maxDelayBeforeAssign;
        this.waiting.set(outcome.node, { ...arrival, update, session: outcome.session.name, until });
      }
      return;
    }
    const { answer } = outcome;
    count(this.context.answered, String(answer.status));
    if (outcome.outcome === 'rejected') {
      this.context.log(
        'info',
        `PBU rejected, ${outcome.why} (status ${answer.status})`,
        outcome.node,
        from.address,
      );
      this.context.send(answer, to, from);
      return;
    }
    const { session } = outcome;
    this.revocations.isBack(session, from);
    if (this.context.config.revocation && outcome.replaced.length)
      this.revocations.revokeReplaced(session, outcome.replaced);
    // Tunnels stand before the MAG learns that it may use them.
    this.context.publish(session, outcome.changed);
    this.context.send(answer, to, from);
    if (outcome.changed) this.context.log('info', outcome.what, session.nodeKey, from.address);
    this.context.deadlines.watch(session);
    if (outcome.released) this.releaseWaiting(session, now);
  }

  /** A PBU that waited for this session's de-registration goes on. */
  private releaseWaiting(session: Session, now: Instant): void {
    const waiting = this.waiting.get(session.nodeKey);
    if (!waiting) return;
    this.waiting.delete(session.nodeKey);
    this.bindingUpdate(waiting.update, waiting, now, false);
  }

  // ---- time

  private expire(now: Instant): void {
    for (
      let session = this.context.deadlines.take(now.elapsed);
      session;
      session = this.context.deadlines.take(now.elapsed)
    ) {
      this.expireSession(session, now);
    }
    this.revocations.tick();
    for (const [node, waiting] of this.waiting) {
      if (waiting.until > now.elapsed) break;
      this.waiting.delete(node);
      this.bindingUpdate(waiting.update, waiting, now, false);
    }
    this.heartbeats.tick();
    this.announcement.tick();
  }

  private expireSession(session: Session, now: Instant): void {
    if (session.lingerUntil !== null) {
      this.context.log('info', 'session deleted', session.nodeKey);
      this.context.drop(session);
      return;
    }
    for (const binding of [...session.bindings.values()]) {
      if (binding.expires > now.elapsed) continue;
      this.context.log('info', `BID ${binding.bid} expired`, session.nodeKey, binding.careOf.address);
      unbind(this.context.cache, session, binding);
    }
    if (session.bindings.size === 0) this.context.drop(session);
    else {
      this.context.publish(session, true);
      this.context.deadlines.watch(session);
    }
  }
}
