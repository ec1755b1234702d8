/**
 * Which paths a session should have now, and the difference to those that it has (RFC 8278 §3.2): one at first while the LMA is
 * unknown, then all; one if the LMA does not grant multipath.
 */
import type { MagContext } from './context.ts';
import type { Rounds } from './rounds.ts';
import type { TunnelPath } from '../tunnel-session.ts';
import { clearPath, type Farewell, type MagSession, type Path } from './update-list.ts';
import { type EndpointPair, pairOf } from './wan-links.ts';

/** Whether the session is to have bindings now. */
export function wanted({ present, suspended, renewing, denied }: MagSession): boolean {
  return present && !suspended && !renewing && denied === null;
}

/** Whether its PBUs ask for multipath (RFC 8278 §3.2). */
export function asksForMultipath({ config }: MagContext, { profile, multipath }: MagSession): boolean {
  return config.multipath && profile.multipath && multipath !== 'off';
}

export class PathPlan {
  private readonly context: MagContext;
  private readonly rounds: Rounds;

  constructor(context: MagContext, rounds: Rounds) {
    this.context = context;
    this.rounds = rounds;
  }

  /** Starts and stops what has to be started and stopped. */
  carryOut(session: MagSession): void {
    if (!wanted(session)) {
      this.end(session);
      return;
    }
    this.chooseLead(session);
    for (const path of session.paths) {
      const pair = this.allowed(session, path);
      if (!pair) {
        // Where the LMA keeps one binding only, the next registration replaces it.
        if (path.careOf) this.leave(session, path, session.multipath !== 'off');
      } else if (!same(path, pair)) {
        this.move(session, path, pair);
      } else if (!path.active && !path.round) {
        this.register(session, path);
      }
    }
  }

  /** The path leaves service; `say`: the LMA is told to forget its binding. `draining`: what packets still come by until it has. */
  leave(session: MagSession, path: Path, say: boolean, draining: TunnelPath | null = null): void {
    const { careOf, lma, round } = path;
    // A registration without an answer may have made a binding all the same.
    const perhaps = round?.purpose === 'register' ? round.sent.at(-1)?.until : undefined;
    const until = Math.max(path.expires ?? -Infinity, perhaps ?? -Infinity);
    if (say && careOf && lma && until > this.context.now.elapsed) {
      const multipath =
        session.multipath === 'on' || (session.multipath === 'unknown' && (round?.multipath ?? false));
      session.farewells.push({
        path,
        careOf,
        lma,
        multipath,
        until,
        homeAddress: null,
        draining,
        round: null,
      });
    }
    clearPath(path);
    if (session.lead === path) session.lead = null;
  }

  /** The LMA is told that the node does not want its home address any more, by one of the paths. */
  giveBack(session: MagSession, homeAddress: string): void {
    session.formerAddress = homeAddress;
    const path = session.paths.find(({ active }) => active);
    if (!path || session.farewells.some((farewell) => farewell.homeAddress !== null)) return;
    const { careOf, lma, expires } = path;
    session.farewells.push({
      path,
      careOf: careOf!,
      lma: lma!,
      multipath: false,
      until: expires!,
      homeAddress,
      draining: null,
      round: null,
    });
  }

  /** All of the LMA's bindings of the session are void: start as with a node that has just come, but ask for the same prefixes. */
  restart(session: MagSession): void {
    for (const path of session.paths) {
      clearPath(path);
      path.known = false;
    }
    session.farewells = [];
    session.formerAddress = null;
    session.flows.forget();
    session.multipath = 'unknown';
    session.lead = null;
  }

  /** The next path in order may try what the present lead has tried in vain; false: there is none. */
  passLead(session: MagSession): boolean {
    const usable = session.paths.filter((path) => this.pair(session, path));
    if (usable.length < 2) return false;
    const before = session.lead!;
    const next = usable[(usable.indexOf(before) + 1) % usable.length]!;
    this.context.log(
      'info',
      `no answer over ${before.link.config.name}, trying ${next.link.config.name}`,
      session.node,
    );
    clearPath(before);
    session.moved = true;
    session.lead = next;
    return true;
  }

  private chooseLead(session: MagSession): void {
    const { lead, multipath } = session;
    const usable = session.paths.filter((path) => this.pair(session, path));
    const alive = usable.filter(({ dead }) => !dead);
    // With several paths the data plane leaves the dead ones out; the only one has to give way to another.
    if (lead && usable.includes(lead) && (multipath === 'on' || !lead.dead || !alive.length)) return;
    if (lead?.careOf) session.moved = true;
    session.lead = alive.find(({ active }) => active) ?? alive[0] ?? usable[0] ?? null;
  }

  private pair(session: MagSession, path: Path): EndpointPair | null {
    return path.revoked ? null : pairOf(path.link, session.lma);
  }

  private allowed(session: MagSession, path: Path): EndpointPair | null {
    const pair = this.pair(session, path);
    if (!pair || path === session.lead || session.multipath === 'on') return pair;
    const known = this.context.anchors.of(pair.lma.address).multipath;
    return known && session.multipath === 'unknown' && asksForMultipath(this.context, session) ? pair : null;
  }

  /** Another care-of address under the same BID, or the first one. */
  private move(session: MagSession, path: Path, pair: EndpointPair): void {
    if (path.careOf && session.multipath !== 'on') session.moved = true;
    path.careOf = pair.careOf;
    path.lma = pair.lma;
    path.active = false;
    path.dead = false;
    this.register(session, path);
  }

  private register(session: MagSession, path: Path): void {
    session.farewells = session.farewells.filter((farewell) => !isVoid(farewell, session, path));
    path.refreshAt = null;
    path.round = this.rounds.open('register', path.lma!);
  }

  private end(session: MagSession): void {
    const say = session.denied === null;
    // Its de-registration names that address as well.
    session.farewells = session.farewells.filter(({ homeAddress }) => homeAddress === null);
    for (const path of session.paths) {
      if (path.careOf)
        this.leave(session, path, say && (session.multipath !== 'off' || path === session.lead));
      path.known = false;
    }
    session.lead = null;
    session.flows.forget();
    session.boundUntil = null;
    if (!say) session.farewells = [];
  }
}

/** The registration of this path takes the place of the binding that the farewell is about. */
function isVoid(farewell: Farewell, { lma }: MagSession, path: Path): boolean {
  const { address } = farewell.lma;
  if (farewell.homeAddress !== null) return false;
  if (address !== lma.ipv6 && address !== lma.ipv4) return false;
  return farewell.path.bid === path.bid || !farewell.multipath;
}

function same({ careOf, lma }: Path, pair: EndpointPair): boolean {
  return careOf?.address === pair.careOf.address && lma?.address === pair.lma.address;
}
