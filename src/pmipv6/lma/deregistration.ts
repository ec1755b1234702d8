/** A PBU with Lifetime 0 (RFC 5213 §5.3.5; RFC 8278: of one binding; RFC 5844 §3.1.2.5: of one address family). */
import type { Instant } from '../endpoint.ts';
import { accept } from './acknowledgement.ts';
import type { Assignment } from './assignment.ts';
import { type Binding, type BindingCache, type Session, unbind } from './binding-cache.ts';
import type { LmaConfig } from './config.ts';
import type { Outcome } from './registration.ts';
import type { Request } from './request.ts';

export class Deregistration {
  config: LmaConfig;
  private readonly cache: BindingCache;
  private readonly assignment: Assignment;

  constructor(config: LmaConfig, cache: BindingCache, assignment: Assignment) {
    this.config = config;
    this.cache = cache;
    this.assignment = assignment;
  }

  handle(request: Request, session: Session, multipath: boolean, bid: number, now: Instant): Outcome {
    const bindings = [...session.bindings.values()];
    const mine = (binding: Binding): boolean => binding.careOf.address === request.careOf.address;
    const all = !multipath || request.multipath!.bulk;
    const named = bindings.filter((binding) => all || binding.bid === bid);
    // From another Proxy-CoA it MUST be ignored: the node is elsewhere by now.
    if (named.length && !named.some(mine)) {
      return { outcome: 'ignored', reason: 'deregistration-from-elsewhere', node: session.nodeKey };
    }
    if (!multipath && named.length) {
      const dropped = this.dropOneFamily(request, session);
      if (dropped !== null) {
        this.note(request, session, bid);
        return this.deregistered(
          request,
          session,
          multipath,
          dropped,
          now,
          'one address family de-registered',
        );
      }
    }
    for (const binding of named) {
      binding.lastSequence = request.update.sequence;
      binding.lastTimestamp = request.timestamp ?? binding.lastTimestamp;
      unbind(this.cache, session, binding);
    }
    // It may have overtaken the registration that it ends.
    if (!named.length) this.note(request, session, bid);
    const last = session.bindings.size === 0;
    if (last) session.flows = new Map();
    if (last && session.lingerUntil === null) {
      session.lingerUntil = now.elapsed + this.config.minDelayBeforeDelete;
    }
    const what = last ? 'de-registered' : `BID ${bid} de-registered, ${session.bindings.size} left`;
    // A repetition finds nothing to do and is answered all the same: its first answer was lost.
    return this.deregistered(request, session, multipath, named.length > 0, now, what);
  }

  private deregistered(
    request: Request,
    session: Session,
    multipath: boolean,
    changed: boolean,
    now: Instant,
    what: string,
  ): Outcome {
    return {
      outcome: 'accepted',
      answer: accept(request, session, null, this.config, { lifetime: 0, multipath, utc: now.utc }),
      session,
      changed,
      what: `session ${session.name}: ${what}`,
      replaced: [],
      released: session.bindings.size === 0,
    };
  }

  /** Nothing older is taken any more, not even a copy of the same. */
  private note({ update, timestamp }: Request, session: Session, bid: number): void {
    const binding = session.bindings.get(bid);
    if (!binding) {
      session.past.set(bid, { sequence: update.sequence, timestamp: timestamp ?? null });
      return;
    }
    binding.lastSequence = update.sequence;
    binding.lastTimestamp = timestamp ?? binding.lastTimestamp;
  }

  /**
   * RFC 5844 §3.1.2.5: Lifetime 0 with only the home address, or only the prefixes, ends that family alone. Whether there was something
   * of it: a repetition finds nothing. null: it ends what there is.
   */
  private dropOneFamily({ ipv4Requests, homePrefixes }: Request, session: Session): boolean | null {
    if (ipv4Requests.length && !homePrefixes.length && session.prefixes.length) {
      const had = session.homeAddress !== null;
      if (had) this.assignment.dropHomeAddress(session);
      return had;
    }
    if (!ipv4Requests.length && homePrefixes.length && session.homeAddress !== null) {
      const had = session.prefixes.length > 0;
      if (had) this.assignment.dropPrefixes(session);
      return had;
    }
    return null;
  }
}
