/** What a rejecting PBA does to a session (RFC 5213 §6.9.1.2; RFC 5844 §3.2, 5845 §3.2, 7148 §5.1, 8278 §3.2 and §4.3). */
import { nameOf, Status } from '../wire/numbers.ts';
import { timestampMilliseconds } from '../wire/option/timestamp.ts';
import { findOption } from '../wire/options.ts';
import { ANY_IPV4, ANY_IPV6 } from '../any-prefix.ts';
import type { Answer } from './answer.ts';
import type { MagContext } from './context.ts';
import { pathText } from './acceptance.ts';
import type { PathPlan } from './path-plan.ts';
import { clearPath, type MagSession, type Path, type Round } from './update-list.ts';

/** Changes of one request because of answers, before the LMA is given time. */
const MAX_CORRECTIONS = 6;

/** TimestampValidityWindow (RFC 5213 §9.1): clocks that differ less are good enough for every LMA. */
const CLOCKS_AGREE_MS = 300;

export class Rejection {
  private readonly context: MagContext;
  private readonly plan: PathPlan;

  constructor(context: MagContext, plan: PathPlan) {
    this.context = context;
    this.plan = plan;
  }

  handle(session: MagSession, path: Path, answer: Answer): void {
    const { status, sequence } = answer.ack;
    const round = path.round!;
    switch (status) {
      case Status.SEQUENCE_NUMBER_OUT_OF_WINDOW:
        // The PBA holds the last number that the LMA has accepted. If ours is beyond, it was about an older PBU.
        if (((sequence - session.sequence - 1) & 0xffff) >= 0x7fff) return;
        session.sequence = sequence;
        this.again(round);
        return;
      case Status.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED:
        this.again(round);
        return;
      case Status.TIMESTAMP_MISMATCH:
        if (this.wasLate(round, answer)) return;
        // Only a corrected clock helps, and the PBA's time is not to correct it by (§5.5).
        this.report('error', session, path, this.clocks(answer));
        this.later(path);
        return;
      case Status.MAG_NOT_AUTHORIZED_FOR_PROXY_REG:
        // It was, so the node is at another MAG by now.
        session.away = path.known;
        this.deny(session, path, path.known ? 'node has left for another MAG' : nameOf(Status, status));
        return;
      case Status.PROXY_REG_NOT_ENABLED:
      case Status.NOT_LMA_FOR_THIS_MOBILE_NODE:
      case Status.BCE_PBU_PREFIX_SET_DO_NOT_MATCH:
      case Status.NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE:
        if (status === Status.NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE && session.asks.ipv4) {
          this.change(session, path, { ipv6: false });
        } else this.deny(session, path, nameOf(Status, status));
        return;
    }
    this.report('warn', session, path, `registration rejected, status ${nameOf(Status, status)}`);
    this.correct(session, path, status, answer);
  }

  /** Statuses after which less, or something else, may be granted. */
  private correct(session: MagSession, path: Path, status: number, answer: Answer): void {
    const { asks } = session;
    switch (status) {
      case Status.CANNOT_SUPPORT_MULTIPATH_BINDING:
        this.singlePath(session, path, answer);
        return;
      case Status.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX:
        this.forgetPrefixes(session, path);
        return;
      case Status.GRE_KEY_OPTION_REQUIRED:
        if (this.context.config.gre === 'off')
          this.deny(session, path, 'LMA demands GRE keys, which are off here');
        else if (path.round!.gre) this.later(path);
        else this.change(session, path, { gre: true });
        return;
      case Status.NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE:
        if (asks.ipv6 && asks.ipv4) this.change(session, path, { ipv4: false });
        else this.deny(session, path, nameOf(Status, status));
        return;
      case Status.NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS:
        if (session.homeAddress === null) return this.later(path);
        session.homeAddress = null;
        this.change(session, path, {});
        return;
      case Status.NOT_AUTHORIZED_FOR_DELEGATED_MNP:
        session.delegated = [];
        this.change(session, path, { delegated: [] });
        return;
      case Status.REQUESTED_DMNP_IN_USE:
        session.delegated = [];
        this.change(session, path, { delegated: asks.delegated.map(anyOfFamily) });
        return;
      case Status.ADMINISTRATIVELY_PROHIBITED:
        if (path.round!.forcedUdp) this.change(session, path, { forceUdp: false });
        else this.later(path);
        return;
      default:
        this.later(path);
    }
  }

  /** Either meaning of 180 leaves the node without multipath; as it is a rejection, the node needs another PBU (docs/multipath.md). */
  private singlePath(session: MagSession, path: Path, { multipath }: Answer): void {
    if (multipath) this.context.anchors.of(path.lma!.address).multipath = true;
    for (const other of session.paths)
      if (other !== path && other.careOf) this.plan.leave(session, other, false);
    session.multipath = 'off';
    session.lead = path;
    path.active = false;
    path.expires = null;
    this.again(path.round!);
  }

  /** 155: not the same prefixes again, but whatever the LMA gives. What the node had is not its own any more. */
  private forgetPrefixes(session: MagSession, path: Path): void {
    if (!session.prefixes.length) return this.later(path);
    session.prefixes = [];
    session.boundUntil = null;
    for (const other of session.paths) if (other !== path) clearPath(other);
    session.lead = path;
    path.round!.purpose = 'register';
    this.change(session, path, {});
  }

  private change(session: MagSession, path: Path, less: Partial<MagSession['asks']>): void {
    session.asks = { ...session.asks, ...less };
    path.active = false;
    path.expires = null;
    path.round!.purpose = 'register';
    this.again(path.round!);
  }

  /** At once with what has been changed, but not for ever. */
  private again(round: Round): void {
    if (++round.corrections <= MAX_CORRECTIONS) round.due = this.context.now.elapsed;
  }

  /**
   * Whether the clocks agree, by the LMA's own time in the PBA, and only the PBU was long on its way: it waited for a neighbour's address
   * (RFC 4861 §7.2.2), say. Then the next transmission, which has a time of its own, is all that is wanted.
   */
  private wasLate(round: Round, { ack }: Answer): boolean {
    const timestamp = findOption(ack.options, 'timestamp');
    const first = round.sent[0];
    if (!timestamp || !first) return false;
    const { utc, elapsed } = this.context.now;
    const theirs = timestampMilliseconds(timestamp);
    return theirs >= utc - (elapsed - first.at) - CLOCKS_AGREE_MS && theirs <= utc + CLOCKS_AGREE_MS;
  }

  /** What there is to do for whoever keeps the clocks. */
  private clocks({ ack }: Answer): string {
    const timestamp = findOption(ack.options, 'timestamp');
    if (!timestamp) return "this clock and the LMA's differ too much";
    const ahead = (this.context.now.utc - timestampMilliseconds(timestamp)) / 1000;
    return `this clock is ${Math.abs(ahead).toFixed(1)} s ${ahead < 0 ? 'behind' : 'ahead of'} the LMA's, which takes no PBU until it is set right`;
  }

  /** The binding is not granted; the LMA is asked again when it has had time. */
  private later(path: Path): void {
    const round = path.round!;
    round.delay = this.context.anchors.of(path.lma!.address).timers.maxTimeout;
    round.due = this.context.now.elapsed + round.delay;
    if (path.lastStatus === Status.TIMESTAMP_MISMATCH) return;
    round.purpose = 'register';
    path.active = false;
    path.expires = null;
  }

  /** No service, and no further PBU until the operator says so or the node comes anew. */
  private deny(session: MagSession, path: Path, why: string): void {
    this.report(session.away ? 'warn' : 'error', session, path, `service denied: ${why}`);
    session.denied = why;
  }

  private report(level: 'warn' | 'error', session: MagSession, path: Path, text: string): void {
    this.context.log(level, `${pathText(path)}: ${text}`, session.node, path.lma!.address);
  }
}

function anyOfFamily(prefix: string): string {
  return prefix.includes(':') ? ANY_IPV6 : ANY_IPV4;
}
