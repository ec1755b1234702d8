/** Sending PBUs and repeating them: back-off, fresh numbers, limits of rate (RFC 6275 §11.8, RFC 5213 §6.9.4). */
import type { Endpoint } from '../endpoint.ts';
import { LIFETIME_UNIT_S } from '../wire/numbers.ts';
import { findOptions } from '../wire/options.ts';
import { count, type MagContext } from './context.ts';
import { buildUpdate, handoffOf, type Subject } from './request.ts';
import type { Farewell, MagSession, Path, Purpose, Round } from './update-list.ts';
import { contact, pairOf } from './wan-links.ts';

/** Transmissions of a de-registration before the LMA is left to forget the binding by itself. */
export const FAREWELL_TRIES = 3;

export class Rounds {
  private readonly context: MagContext;

  constructor(context: MagContext) {
    this.context = context;
  }

  /** A request that is due at once. */
  open(purpose: Purpose, lma: Endpoint): Round {
    return {
      purpose,
      sent: [],
      began: null,
      reserved: false,
      due: this.context.now.elapsed,
      delay: this.context.anchors.of(lma.address).timers.firstTimeout,
      multipath: false,
      gre: false,
      forcedUdp: false,
      corrections: 0,
    };
  }

  /** The next transmission of a path's request, or its time if the limits of rate do not let it go yet. */
  transmit(session: MagSession, path: Path, wantsMultipath: boolean, overwrite: boolean): void {
    const round = path.round!;
    const lma = path.lma!;
    if (this.held(path, round, lma)) return;
    round.multipath = wantsMultipath;
    this.send(
      session,
      path,
      round,
      { careOf: path.careOf!, lma, wan: path.link.config.name },
      { alternateCareOf: null, overwrite, homeAddress: null },
    );
  }

  /** The next transmission of a de-registration, over another path if its own is dead (docs/multipath.md). */
  transmitFarewell(session: MagSession, farewell: Farewell): void {
    const round = farewell.round!;
    const way = this.wayOf(session, farewell);
    if (!way) {
      farewell.round = null;
      return;
    }
    if (this.held(farewell.path, round, way.lma)) return;
    round.multipath = farewell.multipath;
    const { careOf, homeAddress } = farewell;
    const alternateCareOf = way.careOf.address === careOf.address ? null : careOf.address;
    this.send(session, farewell.path, round, way, { alternateCareOf, overwrite: false, homeAddress });
  }

  /** How the de-registration can reach the LMA now. */
  wayOf(
    session: MagSession,
    { path, careOf, lma }: Farewell,
  ): { careOf: Endpoint; lma: Endpoint; wan: string } | undefined {
    const { link } = path;
    if (link.up && link.addresses.includes(careOf.address)) return { careOf, lma, wan: link.config.name };
    // Alternate Care-of Address has room for IPv6 alone.
    if (careOf.port !== null) return undefined;
    const others = [...session.paths].sort((a, b) => Number(b.active) - Number(a.active));
    for (const other of others) {
      const pair = pairOf(other.link, session.lma);
      if (pair && pair.careOf.port === null) return { ...pair, wan: other.link.config.name };
    }
    return undefined;
  }

  /** Whether the limits of rate hold it back, until `due`. Each gets a place of its own, so that thousands do not ask again and again. */
  private held({ pace }: Path, round: Round, lma: Endpoint): boolean {
    const now = this.context.now.elapsed;
    if (!round.reserved) {
      round.due = pace.earliest(now);
      if (round.due > now) return true;
      round.due = this.context.anchors.of(lma.address).pace.reserve(now);
      round.reserved = round.due > now;
      if (round.reserved) return true;
    }
    round.reserved = false;
    pace.spend(now);
    return false;
  }

  private send(
    session: MagSession,
    path: Path,
    round: Round,
    way: { readonly careOf: Endpoint; readonly lma: Endpoint; readonly wan: string },
    particulars: Pick<Subject, 'alternateCareOf' | 'overwrite' | 'homeAddress'>,
  ): void {
    const { context } = this;
    const { elapsed, utc } = context.now;
    const { purpose, multipath } = round;
    const { careOf } = way;
    const handoff = handoffOf(session, path, round, context.config);
    const subject = { session, path, purpose, multipath, handoff, careOf, ...particulars };
    const update = buildUpdate(subject, context.config, utc);
    count(context.sent, round.sent.length ? 'retransmission' : purpose);
    round.gre = session.asks.gre;
    round.forcedUdp = session.asks.forceUdp && careOf.port !== null;
    round.sent.push({
      sequence: update.sequence,
      from: careOf.address,
      at: elapsed,
      until: elapsed + update.lifetime * LIFETIME_UNIT_S * 1000,
      handoff,
      technology: session.technology,
      linkLayer: session.linkLayer,
      overwrite: particulars.overwrite && multipath,
      flows: findOptions(update.options, 'flow-identification'),
    });
    const anchor = context.anchors.of(way.lma.address);
    const { maxTimeout } = anchor.timers;
    round.began ??= elapsed;
    const known = contact(path.link, way.lma.address);
    if (round.began > known.heard && round.sent.length > 1) known.silent = true;
    round.due = elapsed + round.delay;
    round.delay = Math.min(round.delay * 2, maxTimeout);
    // 32 s apart, 16 numbers reach back for minutes.
    if (round.sent.length > 16) round.sent.shift();
    context.send(update, careOf, way.lma, way.wan);
  }
}
