/** Goes over to another configuration while running (docs/mag.md): what every session has to do about it, and what is left behind. */
import type { NodePatterns } from '../node-patterns.ts';
import type { LmaAddress, LogicalNode, MagConfig, MagNode } from './config.ts';
import type { MagContext } from './context.ts';
import { wanted } from './path-plan.ts';
import { tunnelPath } from './publication.ts';
import type { Registration } from './registration.ts';
import { askForAll, newPath, newSession, usableLinks } from './sessions.ts';
import { Pace } from './pace.ts';
import type { MagSession, Path } from './update-list.ts';
import { pairOf, type WanLink, type WanState } from './wan-links.ts';

/** Milliseconds between looks whether what was left behind is still needed. */
const LOOK_MS = 1000;

/** Every PBU depends on these: the LMA has to hear of a change. */
const TOLD = ['lifetime', 'ordering', 'gre', 'tlv', 'forceUdp', 'linkLocal', 'vendor'] as const;

/** A change of these asks for another mobility session. */
const OTHER_SESSION = ['homePrefixes', 'homeAddress'] as const;

/** What has changed for all sessions. */
interface Changes {
  readonly before: MagConfig;
  /** Every PBU says something else now. */
  readonly told: boolean;
  /** Interfaces of which the LMA has to be told. */
  readonly links: ReadonlySet<WanLink>;
}

export class Reconfiguration {
  private readonly context: MagContext;
  private readonly registration: Registration;
  private lookAt: number | null = null;

  constructor(context: MagContext, registration: Registration) {
    this.context = context;
    this.registration = registration;
  }

  /** `profiles` are those of `config`; `news`: interfaces that are new in it, as they are. */
  carryOut(config: MagConfig, profiles: NodePatterns<MagNode>, news: readonly WanState[]): void {
    const { context, registration } = this;
    const changes = this.change(config, news);
    const logicalNodes = new Map(config.logicalNodes.map((node) => [node.identity, node]));
    for (const session of [...context.list.all()]) {
      this.endUnwanted(session);
      const logical = logicalNodes.get(session.node);
      if (logical) this.makeLogical(session);
      else if (session.logical) Object.assign(session, { logical: false, present: false });
      const profile = logical ?? profiles.find(session.node);
      if (profile) this.goOn(session, profile, changes);
      else session.present = false;
      registration.attend(session);
    }
    for (const [identity, node] of logicalNodes) {
      if (!context.list.ofNode(identity)) registration.attend(newSession(context, identity, node, true));
    }
    this.lookAt = context.now.elapsed;
  }

  nextDeadline(): number {
    return this.lookAt ?? Infinity;
  }

  /** Gives up interfaces and LMAs that are not configured any more, once nobody has to be told over them or by them. */
  tick(): void {
    const { context } = this;
    if (this.lookAt === null || this.lookAt > context.now.elapsed) return;
    const links = new Set<WanLink>();
    const lmas = new Set<string>();
    for (const { paths, farewells } of context.list.all()) {
      for (const { path, lma } of farewells) {
        links.add(path.link);
        lmas.add(lma.address);
      }
      for (const { lma } of paths) if (lma) lmas.add(lma.address);
    }
    for (const { config } of context.links.giveUp(links)) {
      context.effects.push({ effect: 'close', interface: config.name });
    }
    const done = context.anchors.forget(lmas) && !context.links.leaving.length;
    this.lookAt = done ? null : context.now.elapsed + LOOK_MS;
  }

  private change(config: MagConfig, news: readonly WanState[]): Changes {
    const { context } = this;
    const before = context.config;
    context.config = config;
    if (config.lifetime < before.lifetime) {
      context.oldUntil = Math.max(context.oldUntil, context.now.elapsed + before.lifetime * 1000);
    }
    const links = context.links.configure(config.interfaces);
    context.anchors.configure(config);
    for (const state of news) context.links.set(state);
    return { before, links, told: TOLD.some((key) => differ(before[key], config[key])) };
  }

  /** The LMA is told in the words of the old profile what it has to forget. If the node comes again, it is with another session. */
  private endUnwanted(session: MagSession): void {
    if (wanted(session)) return;
    this.registration.plan.carryOut(session);
    if (session.farewells.length) session.renewing = true;
  }

  /** The node is logical from now on: it is there, whatever was on an access link. */
  private makeLogical(session: MagSession): void {
    if (session.logical) return;
    session.logical = true;
    session.access = null;
    session.linkLayer = null;
    if (session.present) return;
    session.present = true;
    session.suspended = false;
    session.denied = null;
  }

  private goOn(session: MagSession, profile: MagNode | LogicalNode, changes: Changes): void {
    const { context, registration } = this;
    const { config } = context;
    const old = session.profile;
    const lma = profile.lma ?? config.lma;
    const multipath = (all: MagConfig, node: MagNode): boolean => all.multipath && node.multipath;
    const renew =
      session.renewing ||
      isElsewhere(session.lma, lma) ||
      multipath(changes.before, old) !== multipath(config, profile) ||
      isOther(old, profile);
    if (renew) {
      session.renewing = true;
      session.denied = null;
    }
    this.endUnwanted(session);
    session.profile = profile;
    this.useLinks(session);
    if (session.renewing) return;
    for (const path of session.paths) {
      if (path.pace.perSecond !== config.maxUpdatesPerBinding)
        path.pace = new Pace(config.maxUpdatesPerBinding);
    }
    session.lma = lma;
    const technology = 'technology' in profile ? profile.technology : session.technology;
    if (technology !== session.technology) {
      session.technology = technology;
      registration.reregister(session);
    }
    if (changes.told || differ(asked(old), asked(profile))) {
      askForAll(context, session);
      session.denied = null;
      registration.tellAgain(session);
    }
    for (const path of session.paths) if (changes.links.has(path.link)) registration.tellAgain(session, path);
    if (!session.flows.want(profile.flows)) return;
    registration.extendOnce(session);
  }

  /** One path for each interface that may carry the node; a BID keeps its path, by another interface as from another care-of address. */
  private useLinks(session: MagSession): void {
    const links = usableLinks(this.context, session.profile);
    const before = new Map(session.paths.map((path) => [path.bid, path]));
    const paths = links.map((link): Path => {
      const path = before.get(link.config.bid);
      if (path?.link !== link && !pairOf(link, session.lma)) return newPath(this.context, link);
      before.delete(link.config.bid);
      if (!path) return newPath(this.context, link);
      if (path.link === link) return path;
      const moved = { ...path, link, revoked: false };
      if (session.lead === path) session.lead = moved;
      return moved;
    });
    session.paths = paths;
    for (const path of before.values()) {
      if (path === session.lead && path.careOf) session.moved = true;
      // Without multipath the next registration takes the binding's place, if there is one.
      const replaced = session.multipath === 'off' && paths.some(({ link }) => pairOf(link, session.lma));
      const draining = path.active ? tunnelPath(session, path) : null;
      if (path.careOf) this.registration.plan.leave(session, path, !replaced, draining);
    }
  }
}

/** No address is the same: another LMA. */
function isElsewhere(before: LmaAddress, after: LmaAddress): boolean {
  const same = (one: string | null, other: string | null): boolean => one !== null && one === other;
  return !same(before.ipv6, after.ipv6) && !same(before.ipv4, after.ipv4);
}

/** Whether the profile asks for other, or for less: what a session has it keeps until it ends (RFC 5844 §3.1.2.3). */
function isOther(before: MagNode, after: MagNode): boolean {
  return (
    OTHER_SESSION.some((key) => differ(before[key], after[key])) ||
    (before.ipv6 && !after.ipv6) ||
    (before.ipv4 && !after.ipv4) ||
    (before.delegated.length > 0 && differ(before.delegated, after.delegated))
  );
}

function asked({ ipv6, ipv4, delegated }: MagNode): unknown {
  return { ipv6, ipv4, delegated };
}

function differ(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) !== JSON.stringify(after);
}
