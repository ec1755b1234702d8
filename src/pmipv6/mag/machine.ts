/**
 * The Mobile Access Gateway as a pure state machine: (state, event, now) to effects. No sockets, clocks or timers; the
 * daemon, the tests and the simulator feed it.
 */
import type { Effect } from '../effect.ts';
import type { Endpoint, Instant } from '../endpoint.ts';
import type { FlowBinding } from '../flow-binding.ts';
import { NodePatterns } from '../node-patterns.ts';
import type { Message } from '../wire/mobility-header.ts';
import { BindingErrorStatus, Handoff } from '../wire/numbers.ts';
import { hex } from '../wire/octets.ts';
import type { MagConfig, MagNode } from './config.ts';
import { count, MagContext } from './context.ts';
import type { MagEvent } from './event.ts';
import { Heartbeats } from './heartbeat.ts';
import { askForAll, newSession } from './sessions.ts';
import { Reconfiguration } from './reconfiguration.ts';
import { Registration } from './registration.ts';
import { Revival } from './revival.ts';
import { Revocations } from './revocation.ts';
import { type MagSessionStatus, sessionStatus } from './status.ts';
import type { MagSession, Path } from './update-list.ts';
import type { WanState } from './wan-links.ts';

/** Why messages led to nothing, and how those that led to something ended. */
export interface MagStatistics {
  /** Messages received, by name. */
  readonly received: Readonly<Record<string, number>>;
  /** PBUs sent, by purpose: register, refresh, bulk, deregister; those sent again count as `retransmission` only. */
  readonly sent: Readonly<Record<string, number>>;
  /** PBAs that answered a PBU, by status. */
  readonly answered: Readonly<Record<string, number>>;
  readonly ignored: Readonly<Record<string, number>>;
}

export class MagMachine {
  private readonly context: MagContext;
  private profiles: NodePatterns<MagNode>;
  private readonly registration: Registration;
  private readonly revocations: Revocations;
  private readonly heartbeats: Heartbeats;
  private readonly revival: Revival;
  private readonly reconfiguration: Reconfiguration;
  private started = false;

  constructor(config: MagConfig) {
    this.context = new MagContext(config);
    this.profiles = new NodePatterns(config.nodes);
    this.registration = new Registration(this.context, (path) => this.heartbeats.watch(path));
    this.revocations = new Revocations(this.context, this.registration);
    this.heartbeats = new Heartbeats(this.context, (sessions, path) => this.bindingsLost(sessions, path));
    this.revival = new Revival(this.context, this.registration);
    this.reconfiguration = new Reconfiguration(this.context, this.registration);
  }

  handle(event: MagEvent, now: Instant): Effect[] {
    this.begin(now);
    switch (event.event) {
      case 'message':
        this.message(event.message, event.from, event.to);
        this.heard(event.from, event.to);
        break;
      case 'attach':
        this.attach(event);
        break;
      case 'detach':
        this.detach(event.node, event.interface);
        break;
      case 'release':
        this.release(event.node, event.prefixes);
        break;
      case 'release-address':
        this.releaseAddress(event.node);
        break;
      case 'address':
        this.address(event.node);
        break;
      case 'delegation':
        this.delegation(event.node);
        break;
      case 'interface':
        this.interfaceIs(event);
        break;
      case 'path':
        this.pathIs(event);
        break;
      case 'metrics':
        this.metricsAre(event);
        break;
      case 'flows':
        for (const session of this.named(event.node)) this.flowsAre(session, event.flows);
        break;
      case 'register':
        for (const session of this.named(event.node)) this.register(session);
        break;
      case 'deregister':
        for (const session of this.named(event.node)) {
          session.suspended = true;
          this.registration.attend(session);
        }
        break;
      case 'tick':
        break;
    }
    this.runTimers();
    return this.context.effects;
  }

  /**
   * Goes over to another configuration, of which all but `identity` and `restartCounter` may be different. Sessions and paths that it does
   * not concern go on as they are; the others end, begin, or are registered anew. `news`: interfaces that are new in it, as they are.
   */
  reconfigure(config: MagConfig, now: Instant, news: readonly WanState[] = []): Effect[] {
    this.begin(now);
    this.profiles = new NodePatterns(config.nodes);
    this.reconfiguration.carryOut(config, this.profiles, news);
    this.heartbeats.reconfigure();
    this.runTimers();
    return this.context.effects;
  }

  /** Elapsed milliseconds at which a `tick` is wanted; null: none. */
  nextDeadline(): number | null {
    const next = Math.min(
      this.context.list.deadlines.next() ?? Infinity,
      this.heartbeats.nextDeadline(),
      this.reconfiguration.nextDeadline(),
    );
    return next === Infinity ? null : next;
  }

  sessions(): MagSessionStatus[] {
    return [...this.context.list.all()].map(sessionStatus);
  }

  /** Whether nothing is left of nodes that have gone; for tests. */
  get idle(): boolean {
    const { list } = this.context;
    return (
      list.deadlines.size === 0 &&
      this.heartbeats.size === 0 &&
      list.size === this.context.config.logicalNodes.length
    );
  }

  statistics(): MagStatistics {
    const { received, sent, answered, ignored } = this.context;
    return {
      received: Object.fromEntries(received),
      sent: Object.fromEntries(sent),
      answered: Object.fromEntries(answered),
      ignored: Object.fromEntries(ignored),
    };
  }

  private begin(now: Instant): void {
    this.context.now = now;
    this.context.effects = [];
    if (this.started) return;
    this.started = true;
    for (const node of this.context.config.logicalNodes) {
      this.registration.attend(newSession(this.context, node.identity, node, true));
    }
  }

  private runTimers(): void {
    const { list, now } = this.context;
    for (let due = list.deadlines.take(now.elapsed); due; due = list.deadlines.take(now.elapsed)) {
      this.registration.attend(due);
    }
    this.heartbeats.tick();
    this.reconfiguration.tick();
  }

  private *named(node: string | undefined): Iterable<MagSession> {
    const { list } = this.context;
    if (node === undefined) yield* [...list.all()];
    else {
      const session = list.ofNode(node);
      if (session) yield session;
      else this.context.log('warn', `there is no session of ${node}`, node);
    }
  }

  // ---- messages

  private message(message: Message, from: Endpoint, to: Endpoint): void {
    const { context } = this;
    count(context.received, message.message);
    switch (message.message) {
      case 'binding-ack':
        this.registration.bindingAck(message, from, to);
        break;
      case 'heartbeat':
        this.heartbeats.message(message, from, to);
        break;
      case 'revocation':
        if (message.acknowledgement) context.ignore('unmatched-bra', from);
        else this.revocations.indication(message, from, to);
        break;
      case 'update-notification':
        this.revocations.notification(message, from, to);
        break;
      case 'binding-error':
        if (message.status === BindingErrorStatus.UNRECOGNIZED_MH_TYPE) this.heartbeats.notKnown(from);
        break;
      case 'unknown':
        // RFC 6275 §9.2; only to LMAs that we know, so that we are no reflector.
        if (!context.anchors.find(from.address)) return context.ignore('untrusted', from);
        context.send(
          {
            message: 'binding-error',
            status: BindingErrorStatus.UNRECOGNIZED_MH_TYPE,
            homeAddress: '::',
            options: [],
          },
          to,
          from,
          null,
        );
        break;
      default:
        context.ignore('not-for-a-mag', from);
    }
  }

  private heard(from: Endpoint, to: Endpoint): void {
    const link = this.context.anchors.find(from.address) && this.context.links.withAddress(to.address);
    if (link) this.revival.heard(link, from.address);
  }

  // ---- access links

  private attach({
    node,
    interface: access,
    linkLayer,
    technology,
    handoff,
  }: MagEvent & { event: 'attach' }): void {
    const { context } = this;
    const before = context.list.ofNode(node);
    if (before?.logical) return context.log('warn', 'a logical node does not attach', node);
    const profile = this.profiles.find(node);
    if (!profile) {
      count(context.ignored, 'unknown-node');
      return context.log('warn', `node on ${access} has no profile: no service`, node);
    }
    const session = before ?? newSession(context, node, profile, false);
    const here =
      before?.present &&
      before.access === access &&
      before.technology === technology &&
      (before.linkLayer === null || text(before.linkLayer) === text(linkLayer));
    const { suspended, away } = session;
    if (here && !suspended && !away) {
      // The link-layer address may show later than the node, and is no other interface: the next PBU names it.
      session.linkLayer = linkLayer;
      return;
    }
    if (!before?.present || suspended || away) {
      session.present = true;
      session.suspended = false;
      session.denied = null;
      session.away = false;
      session.handoff = handoff ?? Handoff.UNKNOWN;
      for (const path of session.paths) path.revoked = false;
    } else {
      session.handoff = Handoff.BETWEEN_INTERFACES;
      this.registration.reregister(session);
    }
    session.access = access;
    session.technology = technology;
    session.linkLayer = linkLayer;
    this.registration.attend(session);
  }

  private detach(node: string, access: string): void {
    const session = this.context.list.ofNode(node);
    if (!session || session.logical || !session.present || session.access !== access) return;
    session.present = false;
    this.registration.attend(session);
  }

  /** The LMA releases what a PBU does not name (RFC 7148 §5.2.2). */
  private release(node: string, prefixes: readonly string[]): void {
    const session = this.context.list.ofNode(node);
    const left = session?.delegated.filter((prefix) => !prefixes.includes(prefix));
    if (!session || left?.length === session.delegated.length) return;
    session.delegated = left!;
    this.askForPrefixes(session, left!);
  }

  private delegation(node: string): void {
    const session = this.context.list.ofNode(node);
    if (session && !session.delegated.length) this.askForPrefixes(session, session.profile.delegated);
  }

  /** The LMA is told by a PBU about that address alone (RFC 5844 §3.1.2.5). */
  private releaseAddress(node: string): void {
    const session = this.context.list.ofNode(node);
    if (!session?.homeAddress || !session.asks.ipv4 || !session.asks.ipv6) return;
    const { homeAddress } = session;
    session.homeAddress = null;
    session.router = null;
    session.asks = { ...session.asks, ipv4: false };
    session.addressReleased = true;
    this.registration.plan.giveBack(session, homeAddress);
    this.registration.attend(session);
  }

  /** The node has to ask again as long as the LMA does not know that it had given its address back. */
  private address(node: string): void {
    const session = this.context.list.ofNode(node);
    if (!session?.addressReleased || session.farewells.some(({ homeAddress }) => homeAddress !== null))
      return;
    session.addressReleased = false;
    session.formerAddress = null;
    session.asks = { ...session.asks, ipv4: true };
    this.registration.extendOnce(session);
    this.registration.attend(session);
  }

  private askForPrefixes(session: MagSession, delegated: readonly string[]): void {
    session.asks = { ...session.asks, delegated };
    this.registration.extendOnce(session);
    this.registration.attend(session);
  }

  // ---- WAN interfaces

  private interfaceIs(state: WanState): void {
    if (!this.context.links.set(state)) return count(this.context.ignored, 'unknown-interface');
    for (const session of [...this.context.list.all()]) this.registration.attend(session);
  }

  /** A path of a session without multipath has BID 1 in the data plane, whatever its own is. */
  private pathIs({ session: name, bid, dead }: MagEvent & { event: 'path' }): void {
    const session = this.context.list.named(name);
    const path = session?.paths.find(
      (each) => each.active && (session.multipath !== 'on' || each.bid === bid),
    );
    if (!session || !path || path.dead === dead) return;
    path.dead = dead;
    // By itself, which shows whether the LMA has the binding still. A session without multipath moves to another path instead.
    if (dead && session.multipath === 'on' && !path.round) this.registration.extend(session, path);
    this.registration.attend(session);
    // Its probes are the LMA's word as well.
    if (!dead && path.lma) this.revival.heard(path.link, path.lma.address);
  }

  private metricsAre({ name, metrics }: MagEvent & { event: 'metrics' }): void {
    const link = this.context.links.named(name);
    if (!link) return count(this.context.ignored, 'unknown-interface');
    link.metrics = metrics;
    for (const session of [...this.context.list.all()]) {
      const path = session.paths.find((each) => each.link === link);
      if (!path) continue;
      this.registration.tellAgain(session, path);
      this.registration.attend(session);
    }
  }

  // ---- the operator, and the LMA's end

  private flowsAre(session: MagSession, flows: readonly FlowBinding[]): void {
    if (!session.flows.want(flows)) return;
    this.registration.extendOnce(session);
    this.registration.attend(session);
  }

  private register(session: MagSession): void {
    session.suspended = false;
    session.denied = null;
    session.away = false;
    askForAll(this.context, session);
    for (const path of session.paths) path.revoked = false;
    session.flows.forget();
    if (session.multipath === 'off') session.multipath = 'unknown';
    this.registration.extend(session);
    this.registration.attend(session);
  }

  private bindingsLost(sessions: MagSession[], lost: ((path: Path) => boolean) | null): void {
    for (const session of sessions) {
      if (!lost) this.registration.restart(session);
      for (const path of session.paths) if (lost?.(path)) path.active = false;
      this.registration.attend(session);
    }
  }
}

function text(linkLayer: Uint8Array | null): string {
  return linkLayer ? hex(linkLayer) : '';
}
