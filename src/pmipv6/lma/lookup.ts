/** Which Binding Cache Entry a PBU is about (RFC 5213 §5.4.1; before it, RFC 8278 with the choices of docs/multipath.md). */
import { Handoff, Status } from '../wire/numbers.ts';
import { NOT_THIS_ADDRESS } from './allocation.ts';
import type { BindingCache, Session } from './binding-cache.ts';
import type { Request } from './request.ts';

export type Match =
  | {
      readonly match: 'session';
      readonly session: Session;
      /** Another MAG, or another interface. */ readonly handoff: boolean;
    }
  | { readonly match: 'new' }
  /** New, but the old MAG's de-registration may still come (MaxDelayBeforeNewBCEAssign). */
  | { readonly match: 'wait'; readonly session: Session }
  | ({ readonly match: 'refused' } & Refusal);

/** Statuses of the PBA, and of the IPv4 Home Address Reply in it. */
interface Refusal {
  readonly status: number;
  readonly ipv4Status?: number;
}

const NEW: Match = { match: 'new' };

/** The session that a PBU is about (RFC 5213 §5.4.1, RFC 8278 §4.1), and whether it is a handoff. `multipath`: the PBU asks for it and may have it. */
export function findSession(cache: BindingCache, request: Request, multipath: boolean): Match {
  if (request.namedPrefixes.length) return byPrefix(cache, request, multipath);
  if (request.namedAddress !== null) return byAddress(cache, request, multipath, request.namedAddress);
  return multipath ? byMag(cache, request) : byNode(cache, request);
}

/** §5.4.1.1: the PBU names a prefix. */
function byPrefix(cache: BindingCache, request: Request, multipath: boolean): Match {
  const session = firstWith(cache, request.namedPrefixes);
  if (!session) return NEW;
  const stranger = { status: Status.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX };
  if (session.nodeKey !== request.nodeKey) return { match: 'refused', ...stranger };
  if (!sameSet(request.namedPrefixes, session.prefixes)) {
    return { match: 'refused', status: Status.BCE_PBU_PREFIX_SET_DO_NOT_MATCH };
  }
  return judge(session, request, multipath, stranger);
}

function firstWith(cache: BindingCache, prefixes: readonly string[]): Session | undefined {
  for (const prefix of prefixes) {
    const session = cache.withPrefix(prefix);
    if (session) return session;
  }
  return undefined;
}

/** `own` has each prefix once, `named` what the PBU says. */
function sameSet(named: readonly string[], own: readonly string[]): boolean {
  return own.every((prefix) => named.includes(prefix)) && named.every((prefix) => own.includes(prefix));
}

/** RFC 5844 §3.1.2.7: no prefix is named, but a home address; the rules are the same. */
function byAddress(cache: BindingCache, request: Request, multipath: boolean, address: string): Match {
  const session = cache.withPrefix(address);
  if (!session) return multipath ? byMag(cache, request) : byNode(cache, request);
  if (session.nodeKey !== request.nodeKey) return { match: 'refused', ...NOT_THIS_ADDRESS };
  return judge(session, request, multipath, NOT_THIS_ADDRESS);
}

/** The session that the PBU names. `stranger`: for who must not have it. */
function judge(session: Session, request: Request, multipath: boolean, stranger: Refusal): Match {
  const found = (handoff: boolean): Match => ({ match: 'session', session, handoff });
  if (multipath) return found(session.mag !== null && session.mag !== request.mag);
  const sameAccess = session.technology === request.technology;
  const samePlace = !movedFrom(session, request);
  // A PBU without MMB of a multipath session replaces all its bindings (as RFC 5648 §6.2 for a BU without BID).
  if (samePlace || session.lingerUntil !== null || request.deregistration) return found(!samePlace);
  if (request.linkLayerId !== '' && request.linkLayerId === session.linkLayerId && sameAccess)
    return found(true);
  if (request.handoff === Handoff.BETWEEN_INTERFACES) return found(true);
  if (request.linkLayerId === '' && session.linkLayerId === '' && sameAccess) {
    if (request.handoff === Handoff.BETWEEN_MAGS) return found(true);
  }
  // A new session cannot have a prefix that is in use: nobody but this session gets it.
  return { match: 'refused', ...stranger };
}

/** RFC 8278 with HNP ALL_ZERO: the MAG's session for this node, if there is one. */
function byMag(cache: BindingCache, request: Request): Match {
  const sessions = cache.ofNode(request.nodeKey);
  const own = sessions.find(({ mag }) => mag !== null && mag === request.mag);
  if (own) return { match: 'session', session: own, handoff: false };
  return byNode(cache, request);
}

/** §5.4.1.2 and §5.4.1.3: no prefix is named. */
function byNode(cache: BindingCache, request: Request): Match {
  const sessions = cache.ofNode(request.nodeKey);
  if (request.linkLayerId !== '') {
    const same = sessions.find(
      ({ linkLayerId, technology }) =>
        linkLayerId === request.linkLayerId && technology === request.technology,
    );
    if (same) return { match: 'session', session: same, handoff: movedFrom(same, request) };
  }
  const [only] = sessions;
  if (sessions.length !== 1 || !only) return NEW;
  const { handoff } = request;
  if (
    handoff === Handoff.BETWEEN_INTERFACES ||
    (request.linkLayerId === '' && handoff === Handoff.BETWEEN_MAGS)
  ) {
    return { match: 'session', session: only, handoff: movedFrom(only, request) };
  }
  // The MAG that has the node already asks again: it has lost its state, or its first answer.
  if (only.linkLayerId === request.linkLayerId && !movedFrom(only, request)) {
    return { match: 'session', session: only, handoff: false };
  }
  if (handoff === Handoff.UNKNOWN) {
    // The old MAG has de-registered already: that is what the wait is for.
    if (only.lingerUntil !== null) return { match: 'session', session: only, handoff: true };
    return { match: 'wait', session: only };
  }
  return NEW;
}

function movedFrom(session: Session, request: Request): boolean {
  for (const { careOf } of session.bindings.values())
    if (careOf.address === request.careOf.address) return false;
  return true;
}
