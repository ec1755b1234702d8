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
    if (!multipath && named.length && this.dropOneFamily(request, session)) {
      return this.deregistered(request, session, multipath, true, now, 'one address family de-registered');
    }
    for (const binding of named) {
      binding.lastSequence = request.update.sequence;
      binding.lastTimestamp = request.timestamp ?? binding.lastTimestamp;
      unbind(this.cache, session, binding);
    }
    // It may have overtaken the registration that it ends.
    const { update, timestamp } = request;
    if (!named.length) session.past.set(bid, { sequence: update.sequence, timestamp: timestamp ?? null });
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

  /** RFC 5844 §3.1.2.5: Lifetime 0 with only the home address, or only the prefixes, ends that family alone. */
  private dropOneFamily(request: Request, session: Session): boolean {
    if (session.homeAddress === null || !session.prefixes.length) return false;
    if (request.ipv4Requests.length && !request.homePrefixes.length) {
      this.assignment.dropHomeAddress(session);
      return true;
    }
    if (!request.ipv4Requests.length && request.homePrefixes.length) {
      this.assignment.dropPrefixes(session);
      return true;
    }
    return false;
  }
}
