/** Registers, extends and ends the bindings of sessions: what is due, and what the LMA's answers mean (RFC 5213 §6.9.1, RFC 8278 §3.2). */
import type { Endpoint } from '../endpoint.ts';
import { AckFlag, type BindingAck } from '../wire/message/binding-ack.ts';
import { Status } from '../wire/numbers.ts';
import { identifierText } from '../wire/option/identifier.ts';
import { findOption } from '../wire/options.ts';
import { Acceptance } from './acceptance.ts';
import { impossibleParameters, mismatch, readAnswer } from './answer.ts';
import { count, type MagContext } from './context.ts';
import { asksForMultipath, PathPlan, wanted } from './path-plan.ts';
import { publish } from './publication.ts';
import { Rejection } from './rejection.ts';
import { FAREWELL_TRIES, Rounds } from './rounds.ts';
import { askForAll, succeed } from './sessions.ts';
import {
  bulkUnderWay,
  type Farewell,
  type MagSession,
  type Path,
  type Round,
  type Transmission,
} from './update-list.ts';
import { contact, pairsOf } from './wan-links.ts';

/** Transmissions without an answer after which another path may lead, and after which a bulk re-registration is given up. */
const LEAD_TRIES = 3;
const BULK_TRIES = 2;

export class Registration {
  readonly plan: PathPlan;
  private readonly context: MagContext;
  private readonly rounds: Rounds;
  private readonly acceptance: Acceptance;
  private readonly rejection: Rejection;
  private readonly watch: (path: Path) => void;

  /** `watch` is told of each path that the LMA has accepted, and of those given up whose return is waited for: heartbeats tell of it. */
  constructor(context: MagContext, watch: (path: Path) => void) {
    this.context = context;
    this.watch = watch;
    this.rounds = new Rounds(context);
    this.plan = new PathPlan(context, this.rounds);
    this.acceptance = new Acceptance(context, this.plan, watch);
    this.rejection = new Rejection(context, this.plan);
  }

  /** Does everything that is due and tells data plane and access side; after each change of a session. */
  attend(session: MagSession): void {
    const now = this.context.now.elapsed;
    this.expire(session, now);
    this.plan.carryOut(session);
    this.defineFlows(session);
    this.refresh(session, now);
    for (const path of session.paths) this.advance(session, path, now);
    this.sayFarewells(session, now);
    publish(this.context, session);
    if (session.renewing && session.present && !session.farewells.length) {
      this.attend(succeed(this.context, session));
      return;
    }
    if (!wanted(session) && !session.farewells.length && !session.present) this.context.list.remove(session);
    else this.context.list.deadlines.watch(session);
  }

  /** The bindings are extended now, whenever they would end. */
  extend(session: MagSession, only?: Path): void {
    for (const path of session.paths) {
      if (path.active && (!only || path === only)) path.round = this.rounds.open('refresh', path.lma!);
    }
  }

  /** What concerns the session as a whole is told by one path. */
  extendOnce(session: MagSession): void {
    const path = session.paths.find(({ active }) => active);
    if (path) this.extend(session, path);
  }

  /** The LMA is told anew of these paths, also where it is being told already. */
  tellAgain(session: MagSession, only?: Path): void {
    for (const path of session.paths) {
      if ((only && path !== only) || (!path.active && !path.round)) continue;
      const under = path.round?.purpose ?? 'bulk';
      path.round = this.rounds.open(under === 'bulk' ? 'refresh' : under, path.lma!);
    }
  }

  /** The node is on another access link: its bindings are registered anew with what has changed, also where the LMA has yet to answer. */
  reregister(session: MagSession): void {
    for (const path of session.paths) {
      path.known = false;
      if (path.active || path.round) path.round = this.rounds.open('register', path.lma!);
    }
  }

  /** The LMA has lost the bindings. */
  restart(session: MagSession): void {
    this.plan.restart(session);
    askForAll(this.context, session);
    session.bulkFrom = 0;
  }

  // ---- time

  private expire(session: MagSession, now: number): void {
    for (const path of session.paths) {
      if (path.expires === null || path.expires > now) continue;
      this.context.log('warn', `BID ${path.bid} expired`, session.node, path.lma?.address);
      path.expires = null;
      path.active = false;
      path.refreshAt = null;
      if (path.round) path.round.purpose = 'register';
    }
    if (session.boundUntil !== null && session.boundUntil <= now) session.boundUntil = null;
  }

  private refresh(session: MagSession, now: number): void {
    const due = session.paths.filter(
      ({ active, round, refreshAt }) => active && !round && refreshAt !== null && refreshAt <= now,
    );
    if (!due.length || bulkUnderWay(session)) return;
    if (!this.bulkAllowed(session, now)) {
      for (const path of due) path.round = this.rounds.open('refresh', path.lma!);
      return;
    }
    // Each path has its turn, so that the LMA learns of one that it has lost.
    const active = session.paths.filter((path) => path.active).sort((a, b) => a.bid - b.bid);
    const turn = active.find(({ bid }) => bid > session.bulkTurn) ?? active[0]!;
    session.bulkTurn = turn.bid;
    turn.round = this.rounds.open('bulk', turn.lma!);
  }

  /** Flows that the LMA does not have yet, once all of their paths stand and nothing else is on its way. */
  private defineFlows(session: MagSession): void {
    if (session.multipath !== 'on' || session.paths.some(({ round }) => round)) return;
    const active = session.paths.filter((path) => path.active);
    if (!session.flows.pending(new Set(active.map(({ bid }) => bid)))) return;
    const [path] = active;
    if (path) path.round = this.rounds.open('refresh', path.lma!);
  }

  private bulkAllowed(session: MagSession, now: number): boolean {
    const active = session.paths.filter((path) => path.active);
    return (
      this.context.config.bulk &&
      session.multipath === 'on' &&
      active.length > 1 &&
      // A bulk re-registration would keep a dead path's binding alive as well.
      active.every(({ round, dead }) => !round && !dead) &&
      !session.farewells.length &&
      now >= session.bulkFrom
    );
  }

  private advance(session: MagSession, path: Path, now: number): void {
    const { round } = path;
    if (!round || round.due > now) return;
    const tries = round.sent.length;
    if (round.purpose === 'bulk' && tries >= BULK_TRIES) {
      // Perhaps this path alone is dead: each speaks for itself.
      this.extend(session);
      for (const each of session.paths) if (each.round) this.transmit(session, each);
      return;
    }
    if (tries >= LEAD_TRIES && this.changeTransport(session, path)) return;
    if (
      session.multipath !== 'on' &&
      path === session.lead &&
      tries >= LEAD_TRIES &&
      this.plan.passLead(session)
    ) {
      this.plan.carryOut(session);
      this.transmit(session, session.lead!);
      return;
    }
    this.transmit(session, path);
  }

  /** Over IPv4 what had no answer over IPv6, and the other way round; false: the LMA is heard, or there is one way only. */
  private changeTransport(session: MagSession, path: Path): boolean {
    const { link, round, lma } = path;
    const [first, second] = pairsOf(link, session.lma);
    if (!first || !second || round!.began === null || round!.began <= contact(link, lma!.address).heard)
      return false;
    const [v6, v4] = [contact(link, first.lma.address), contact(link, second.lma.address)];
    const { delay } = round!;
    // Where neither is heard it is the LMA that is away: the back-off goes on.
    const both = v6.failed || v4.failed;
    if (!v6.failed) this.watch(path);
    v6.failed = !v6.failed;
    v4.failed = !v6.failed;
    this.context.log('warn', `no answer over ${link.config.name} from ${path.careOf!.address}`, session.node);
    this.plan.carryOut(session);
    if (!path.round) return true;
    if (both) path.round.delay = delay;
    this.transmit(session, path);
    return true;
  }

  private transmit(session: MagSession, path: Path): void {
    if (!path.round || path.round.due > this.context.now.elapsed) return;
    const multipath = asksForMultipath(this.context, session);
    // The first word to an LMA that we know nothing of: bindings from before our restart have to go. No second one: it might
    // come late, and wipe out what has been registered since.
    const overwrite =
      path.round.sent.length === 0 &&
      session.multipath === 'unknown' &&
      !this.context.anchors.of(path.lma!.address).multipath &&
      session.paths.every((other) => other === path || (!other.round && other.expires === null));
    this.rounds.transmit(session, path, multipath, overwrite);
  }

  private sayFarewells(session: MagSession, now: number): void {
    for (const farewell of session.farewells) {
      if (!farewell.round && farewell.until > now && this.rounds.wayOf(session, farewell)) {
        farewell.round = this.rounds.open('deregister', farewell.lma);
      }
      const { round } = farewell;
      if (round && round.due <= now && round.sent.length < FAREWELL_TRIES) {
        this.rounds.transmitFarewell(session, farewell);
      } else if (round && round.due <= now) {
        this.giveUp(session, farewell);
      }
    }
    const gone = wanted(session)
      ? isLost
      : (farewell: Farewell) => isLost(farewell) || farewell.round === null;
    session.farewells = session.farewells.filter((farewell) => !gone(farewell) && farewell.until > now);
  }

  private giveUp(session: MagSession, farewell: Farewell): void {
    if (farewell.homeAddress === null) session.bulkFrom = Math.max(session.bulkFrom, farewell.until);
    farewell.round!.due = Infinity;
    this.context.log(
      'warn',
      `LMA does not answer the de-registration of ${farewell.homeAddress ?? `BID ${farewell.path.bid}`}`,
      session.node,
      farewell.lma.address,
    );
  }

  // ---- answers

  bindingAck(ack: BindingAck, from: Endpoint, to: Endpoint): void {
    if (!this.context.anchors.find(from.address)) return this.context.ignore('untrusted', from);
    const { config, ignored } = this.context;
    if (!(ack.flags & AckFlag.PROXY) && config.strict) return this.context.ignore('no-proxy-flag', from);
    const found = this.findRound(ack, from, to);
    if (!found) return this.context.ignore('unmatched-pba', from);
    const { session, path, round, sent, farewell } = found;
    // There is no silence about it.
    round.began = null;
    const different = mismatch(ack, session, sent, config.strict);
    // Status 135 does not hold our number: if the rest differs as well, it is about another PBU, perhaps from before our restart.
    if (different && ack.status === Status.SEQUENCE_NUMBER_OUT_OF_WINDOW)
      return this.context.ignore('unmatched-pba', from);
    if (different) {
      count(ignored, 'mismatch');
      session.denied = `answer of the LMA has another ${different}`;
      this.context.log('error', `PBA ignored: ${different} is not what was sent`, session.node, from.address);
      this.attend(session);
      return;
    }
    const answer = readAnswer(ack, session.multipath === 'off' ? 1 : path.bid, config.vendor);
    // Of an older transmission only a yes counts: the younger one has overtaken it, or will be answered by itself.
    if (!answer.accepted && sent !== round.sent.at(-1))
      return this.context.ignore('answer-to-older-pbu', from);
    if (impossibleParameters(answer)) {
      this.context.log(
        'warn',
        'PBA ignored: a timer of its LMA-Controlled MAG Parameters is zero',
        session.node,
        from.address,
      );
      return this.context.ignore('impossible-parameters', from);
    }
    if (answer.accepted && answer.multipath && round.multipath && answer.multipath.bid !== path.bid) {
      return this.context.ignore('other-bid', from);
    }
    count(this.context.answered, String(ack.status));
    if (answer.parameters) this.context.anchors.of(from.address).control(answer.parameters);
    if (farewell) this.farewellAnswered(session, farewell, answer.accepted, round);
    else {
      path.lastStatus = ack.status;
      if (answer.accepted && answer.lifetime > 0) this.acceptance.handle(session, path, answer, sent);
      else if (!answer.accepted) this.rejection.handle(session, path, answer);
    }
    this.attend(session);
  }

  private farewellAnswered(session: MagSession, farewell: Farewell, accepted: boolean, round: Round): void {
    // Rejected for its number or its time: once more with fresh ones, as long as there are tries.
    if (accepted) {
      session.farewells = session.farewells.filter((other) => other !== farewell);
      if (farewell.homeAddress !== null) session.formerAddress = null;
    } else if (round.sent.length < FAREWELL_TRIES) round.due = this.context.now.elapsed;
  }

  private findRound(ack: BindingAck, from: Endpoint, to: Endpoint): Found | undefined {
    const identity = findOption(ack.options, 'mn-identifier');
    const named = identity && this.context.list.ofNode(identifierText(identity));
    const sessions = named ? [named] : this.context.config.strict ? [] : this.context.list.all();
    for (const session of sessions) {
      for (const path of session.paths) {
        if (!path.round || path.lma!.address !== from.address) continue;
        const sent = matching(path.round, ack, to);
        if (sent) return { session, path, round: path.round, sent, farewell: null };
      }
      for (const farewell of session.farewells) {
        const sent = matching(farewell.round, ack, to);
        if (sent) return { session, path: farewell.path, round: farewell.round!, sent, farewell };
      }
    }
    return undefined;
  }
}

interface Found {
  readonly session: MagSession;
  readonly path: Path;
  readonly round: Round;
  /** What was answered. */
  readonly sent: Transmission;
  readonly farewell: Farewell | null;
}

/** The transmission that the PBA answers. Status 135 holds the LMA's number, which another request of ours may have as well: it is about the last one from there. */
function matching(
  round: Round | null,
  { sequence, status }: BindingAck,
  { address }: Endpoint,
): Transmission | undefined {
  const last = round?.sent.at(-1);
  if (status === Status.SEQUENCE_NUMBER_OUT_OF_WINDOW) return last?.from === address ? last : undefined;
  return round?.sent.find((sent) => sent.sequence === sequence && sent.from === address);
}

function isLost({ round }: Farewell): boolean {
  return round?.due === Infinity;
}
