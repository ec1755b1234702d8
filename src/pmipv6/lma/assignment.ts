/** Prefixes and addresses of sessions: what a PBU asks for and a session lacks, and what it names no more (RFC 5213 §5.3, RFC 5844 §3.1.2, RFC 7148 §5.2.2). */
import { Status } from '../wire/numbers.ts';
import { type Allocation, isGranted } from './allocation.ts';
import { ANY_IPV4, ANY_IPV6 } from '../any-prefix.ts';
import { type BindingCache, hostPrefix, type Session } from './binding-cache.ts';
import type { Rejection } from './checks.ts';
import type { NodeProfile } from './config.ts';
import type { Request } from './request.ts';

export class Assignment {
  private readonly cache: BindingCache;
  private readonly allocation: Allocation;

  constructor(cache: BindingCache, allocation: Allocation) {
    this.cache = cache;
    this.allocation = allocation;
  }

  /** To a session that is not in the cache yet. What was taken stays in `session`, also if the rest is refused. */
  assign(request: Request, profile: NodeProfile, session: Session): Rejection | undefined {
    const { homePrefixes, namedPrefixes, ipv4Requests, delegatedRequests } = request;
    if (homePrefixes.length && !session.prefixes.length) {
      if (!profile.ipv6) {
        return { status: Status.NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE, why: 'node has no IPv6 service' };
      }
      const grant = this.allocation.homePrefixes(profile, namedPrefixes);
      if (!isGranted(grant)) return { ...grant, why: 'no home network prefix' };
      session.prefixes = grant.granted;
    }
    if (ipv4Requests[0] && session.homeAddress === null) {
      const grant = this.allocation.homeAddress(profile, ipv4Requests[0].prefix);
      if (!isGranted(grant)) return { ...grant, why: 'no IPv4 home address' };
      session.homeAddress = grant.granted;
    }
    if (delegatedRequests.length && !session.delegated.length && this.allocation.delegates(profile)) {
      const grant = this.allocation.delegatedPrefixes(profile, delegatedRequests);
      if (!isGranted(grant)) return { ...grant, why: 'no delegated prefix' };
      session.delegated = grant.granted;
    }
    return undefined;
  }

  /** To a session of the cache. */
  extend(request: Request, profile: NodeProfile, session: Session): Rejection | undefined {
    const { prefixes, homeAddress, delegated } = session;
    session.delegated = keptDelegated(request, session);
    const refused = this.assign(request, profile, session);
    if (refused) session.delegated = delegated;
    // assign() has put new ones into the session only; the index has to know them.
    if (!prefixes.length && session.prefixes.length) {
      const assigned = session.prefixes;
      session.prefixes = [];
      this.cache.setPrefixes(session, assigned);
    }
    if (session.homeAddress !== homeAddress) this.cache.setHomeAddress(session, session.homeAddress);
    if (refused) return refused;
    for (const prefix of delegated) if (!session.delegated.includes(prefix)) this.allocation.release(prefix);
    return undefined;
  }

  /** After a handoff only the families that the PBU names are extended (RFC 5844 §3.1.2.4). */
  dropUnnamed(request: Request, session: Session): void {
    if (!request.homePrefixes.length) this.dropPrefixes(session);
    if (!request.ipv4Requests.length) this.dropHomeAddress(session);
  }

  dropPrefixes(session: Session): void {
    for (const prefix of session.prefixes) this.allocation.release(prefix);
    this.cache.setPrefixes(session, []);
  }

  dropHomeAddress(session: Session): void {
    if (session.homeAddress) this.allocation.release(hostPrefix(session.homeAddress));
    this.cache.setHomeAddress(session, null);
  }

  /** Gives everything back that the session has, which is in the cache no more. */
  release({ prefixes, homeAddress, delegated }: Session): void {
    for (const prefix of [...prefixes, ...delegated]) this.allocation.release(prefix);
    if (homeAddress) this.allocation.release(hostPrefix(homeAddress));
  }
}

/** Without the option there is no delegation (RFC 7148 §5.2.2); ALL_ZERO leaves the choice to us, and so keeps what there is. */
function keptDelegated({ delegatedRequests }: Request, { delegated }: Session): string[] {
  if (delegatedRequests.some((prefix) => prefix === ANY_IPV6 || prefix === ANY_IPV4)) return delegated;
  return delegated.filter((prefix) => delegatedRequests.includes(prefix));
}
