/** What an accepting PBA does to a session (RFC 5213 §6.9.1.2; RFC 5844 §3.2, 5845 §3.2, 7148 §5.1, 8278 §3.2). */
import type { TunnelEncapsulation } from '../tunnel-session.ts';
import { Status } from '../wire/numbers.ts';
import type { Answer } from './answer.ts';
import type { MagContext } from './context.ts';
import type { PathPlan } from './path-plan.ts';
import { clearPath, type MagSession, type Path, type Transmission } from './update-list.ts';

export class Acceptance {
  private readonly context: MagContext;
  private readonly plan: PathPlan;
  private readonly bound: (path: Path) => void;

  /** `bound` is told of each path that the LMA has accepted. */
  constructor(context: MagContext, plan: PathPlan, bound: (path: Path) => void) {
    this.context = context;
    this.plan = plan;
    this.bound = bound;
  }

  /** `sent`: the transmission that was answered. The lifetime counts from then, so that ours never ends after the LMA's. */
  handle(session: MagSession, path: Path, answer: Answer, sent: Transmission): void {
    const round = path.round!;
    if (!this.takeAddresses(session, path, answer)) return;
    this.agreeOnMultipath(session, path, answer, sent.overwrite);
    this.agreeOnTunnel(session, path, answer);
    this.agreeOnFlows(session, path, answer, sent);
    const { timers } = this.context.anchors.of(path.lma!.address);
    const expires = sent.at + answer.lifetime;
    const refreshAt = expires - Math.min(timers.refreshBefore, answer.lifetime / 2);
    const extended = round.purpose === 'bulk' ? session.paths.filter((other) => other.active) : [path];
    for (const each of extended) {
      each.expires = expires;
      each.refreshAt = refreshAt;
    }
    if (!path.active) {
      this.context.log(
        'info',
        `${pathText(path)} registered by ${path.encapsulation}`,
        session.node,
        path.lma!.address,
      );
    }
    path.active = true;
    path.known = true;
    path.round = null;
    session.moved = false;
    this.bound(path);
    session.boundUntil = Math.max(expires, ...session.paths.map((other) => other.expires ?? 0));
  }

  /** Prefixes and addresses as granted; false: nothing that the node could use. */
  private takeAddresses(session: MagSession, path: Path, answer: Answer): boolean {
    const { prefixes } = answer;
    // An LMA that echoes ALL_ZERO has accepted without assigning: nothing to offer to the node.
    const served = prefixes.length > 0 || answer.homeAddress !== null || answer.delegated.length > 0;
    if (!served) {
      this.context.log(
        'error',
        'PBA grants no prefix and no address; configure the home prefix',
        session.node,
        path.lma!.address,
      );
      this.postpone(path);
      return false;
    }
    const others = session.paths.filter((other) => other !== path && other.expires !== null);
    if (others.length && !equal(prefixes, session.prefixes)) {
      // Two bindings with different prefixes are two sessions: the younger word counts, the other paths register for it.
      this.context.log(
        'warn',
        `prefixes have become ${prefixes.join(', ')}`,
        session.node,
        path.lma!.address,
      );
      for (const other of others) clearPath(other);
    }
    session.prefixes = [...prefixes];
    session.offLink = answer.offLink;
    // Without a Reply IPv4 MUST NOT be enabled (RFC 5844 §3.2.2).
    session.homeAddress = session.asks.ipv4 ? answer.homeAddress : null;
    // The answer to a PBU from before the node gave it back.
    if (session.addressReleased && answer.homeAddress !== null)
      this.plan.giveBack(session, answer.homeAddress);
    session.router = session.homeAddress ? answer.router : null;
    session.delegated = session.asks.delegated.length ? [...answer.delegated] : [];
    if (answer.linkLocal !== null) session.linkLocal = answer.linkLocal;
    return true;
  }

  private agreeOnMultipath(
    session: MagSession,
    path: Path,
    { multipath }: Answer,
    overwritten: boolean,
  ): void {
    const anchor = this.context.anchors.of(path.lma!.address);
    if (path.round!.multipath && multipath) {
      anchor.multipath = true;
      if (anchor.knowsHeartbeats === null) anchor.knowsHeartbeats = true;
      session.multipath = 'on';
      // Whatever the LMA had of the node is gone.
      if (overwritten) session.bulkFrom = 0;
      return;
    }
    if (session.multipath !== 'off' && path.round!.multipath) {
      this.context.log('info', 'LMA does not grant multipath: one path', session.node, anchor.address);
    }
    session.multipath = 'off';
    session.lead = path;
    // This registration has taken the place of all others there.
    for (const other of session.paths)
      if (other !== path && other.careOf) this.plan.leave(session, other, false);
  }

  private agreeOnTunnel(session: MagSession, path: Path, answer: Answer): void {
    const { greKey, ack } = answer;
    const agreed = path.round!.gre && greKey !== undefined;
    path.encapsulation = encapsulation(answer, agreed, path.careOf!.port !== null);
    path.metrics = answer.metrics;
    const usesGre = path.encapsulation === 'gre' || path.encapsulation === 'udp-gre';
    if (usesGre) {
      const key = greKey?.key ?? null;
      session.gre = { sendKey: key, receiveKey: key === null ? null : session.downlinkKey };
      return;
    }
    const others = session.paths.some(
      (other) =>
        other !== path &&
        other.active &&
        (other.encapsulation === 'gre' || other.encapsulation === 'udp-gre'),
    );
    if (!others) session.gre = null;
    if (!path.round!.gre || greKey) return;
    // Status 2: not for this session. No word of it at all: the LMA does not know the option (RFC 5845 §3.2).
    session.asks = { ...session.asks, gre: false };
    if (ack.status !== Status.GRE_KEY_OPTION_NOT_REQUIRED) {
      this.context.anchors.of(path.lma!.address).ignoresGre = true;
    }
  }

  private agreeOnFlows(session: MagSession, path: Path, { ack }: Answer, sent: Transmission): void {
    if (session.multipath !== 'on') return;
    // A BID that was not there is there now, perhaps.
    if (!path.active) session.flows.retry(path.bid);
    for (const refusal of session.flows.answered(sent.flows, ack.options)) {
      this.context.log('warn', refusal, session.node, path.lma!.address);
    }
  }

  private postpone(path: Path): void {
    const round = path.round!;
    round.delay = this.context.anchors.of(path.lma!.address).timers.maxTimeout;
    round.due = this.context.now.elapsed + round.delay;
    path.active = false;
    path.expires = null;
  }
}

/** RFC 5844 §4.2.2: UDP only with NAT Detection; RFC 5845 §7: GRE over UDP only with the TLV header, status 3 GRE without UDP. */
function encapsulation({ ack, udp, tlv }: Answer, gre: boolean, overIpv4: boolean): TunnelEncapsulation {
  if (!overIpv4 || !udp) return gre ? 'gre' : 'ipip';
  if (!gre) return 'udp';
  if (tlv) return 'udp-gre';
  return ack.status === Status.GRE_TUNNELING_BUT_TLV_HEADER_NOT_SUPPORTED ? 'gre' : 'udp';
}

export function pathText({ bid, link, careOf }: Path): string {
  return `BID ${bid} label ${link.config.label} over ${link.config.name} from ${careOf?.address ?? 'nowhere'}`;
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((prefix) => b.includes(prefix));
}
