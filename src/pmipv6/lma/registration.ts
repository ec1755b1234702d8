/** What a PBU does to the binding cache, and the answer (RFC 5213 §5.3, RFC 5844 §3.1, RFC 8278 §3 and §4). */
import { formatAddress } from '../../ip.ts';
import type { Arrival, Instant } from '../endpoint.ts';
import type { TunnelEncapsulation } from '../tunnel-session.ts';
import type { BindingAck } from '../wire/message/binding-ack.ts';
import { type BindingUpdate, UpdateFlag } from '../wire/message/binding-update.ts';
import { Handoff, LIFETIME_UNIT_S, Status } from '../wire/numbers.ts';
import type { MobilityOption } from '../wire/options.ts';
import { accept, reject } from './acknowledgement.ts';
import type { Allocation } from './allocation.ts';
import { Assignment } from './assignment.ts';
import { type Binding, type BindingCache, PLAIN_BID, type Session, unbind } from './binding-cache.ts';
import { admit, checkOrder, missingOption, multipathFault, type Rejection } from './checks.ts';
import type { LmaConfig, MultipathPolicy, NodeProfile } from './config.ts';
import { DataPlaneState } from './data-plane-state.ts';
import { arrive, depart, extendsLost } from './departure.ts';
import { Deregistration } from './deregistration.ts';
import { updateFlows } from './flow-bindings.ts';
import { findSession } from './lookup.ts';
import type { Policy } from './policy.ts';
import { readRequest, type Request } from './request.ts';
import { TunnelAgreement } from './tunnel-agreement.ts';

export type Outcome =
  | { readonly outcome: 'ignored'; readonly reason: string; readonly node: string }
  | { readonly outcome: 'wait'; readonly node: string; readonly session: Session }
  | { readonly outcome: 'rejected'; readonly answer: BindingAck; readonly why: string; readonly node: string }
  | {
      readonly outcome: 'accepted';
      readonly answer: BindingAck;
      readonly session: Session;
      /** Whether the data plane has to know. */
      readonly changed: boolean;
      readonly what: string;
      /** Bindings of another MAG that this one took the place of. */
      readonly replaced: readonly Binding[];
      /** The session has just lost its last binding. */
      readonly released: boolean;
    };

export class Registration {
  private config: LmaConfig;
  private readonly cache: BindingCache;
  private readonly assignment: Assignment;
  private policy: Policy;
  private readonly tunnels: TunnelAgreement;
  private readonly deregistration: Deregistration;
  private linkLocals = 0;
  /** Of the PBU in hand: the PBA's answers to its flows. */
  private flows: readonly MobilityOption[] = [];

  constructor(config: LmaConfig, cache: BindingCache, allocation: Allocation, policy: Policy) {
    this.config = config;
    this.cache = cache;
    this.assignment = new Assignment(cache, allocation);
    this.policy = policy;
    this.tunnels = new TunnelAgreement(config);
    this.deregistration = new Deregistration(config, cache, this.assignment);
  }

  reconfigure(config: LmaConfig, policy: Policy): void {
    this.config = config;
    this.policy = policy;
    this.tunnels.config = config;
    this.deregistration.config = config;
  }

  /** Checks in the order of RFC 5213 §5.3.1, which is a MUST. `mayWait`: false for a PBU that MaxDelayBeforeNewBCEAssign has held back already. */
  handle(update: BindingUpdate, arrival: Arrival, now: Instant, mayWait: boolean): Outcome {
    const request = readRequest(update, arrival, this.config.vendor);
    const node = request.nodeKey;
    if (!(update.flags & UpdateFlag.PROXY)) return { outcome: 'ignored', reason: 'no-proxy-flag', node };
    const rejected = (rejection: Rejection): Outcome => ({
      outcome: 'rejected',
      answer: reject(request, rejection.status, now.utc, rejection),
      why: rejection.why,
      node,
    });
    const admission = admit(request, this.policy);
    if ('status' in admission) return rejected(admission);
    const { profile } = admission;

    const malformed = multipathFault(request);
    const policy: MultipathPolicy = profile.multipath ?? this.config.multipath;
    const multipath = request.multipath !== undefined && policy === 'on';
    const match = findSession(this.cache, request, multipath);
    const known = match.match === 'session' ? match.session : undefined;
    const bid = multipath ? request.multipath.bid : PLAIN_BID;

    // A PBU that has waited passed this check when it came; the de-registration it waited for is younger.
    const order = mayWait ? checkOrder(request, known, bid, this.config, now) : undefined;
    if (order) return rejected(order);
    const missing = missingOption(request);
    if (missing) return rejected(missing);
    if (malformed && policy !== 'off') return rejected({ status: Status.REASON_UNSPECIFIED, why: malformed });
    if (request.multipath && policy === 'reject') {
      return rejected({
        status: Status.CANNOT_SUPPORT_MULTIPATH_BINDING,
        why: 'node is not authorised for multipath',
        echoMultipath: true,
      });
    }
    if (match.match === 'refused') {
      return rejected({ ...match, why: 'prefixes are not those of the node' });
    }

    if (request.deregistration) {
      if (match.match !== 'session') return { outcome: 'ignored', reason: 'deregistration-of-nothing', node };
      return this.deregistration.handle(request, match.session, multipath, bid, now);
    }
    if (known && extendsLost(known, request, multipath)) {
      const status = Status.MAG_NOT_AUTHORIZED_FOR_PROXY_REG;
      return rejected({ status, why: 'node has been handed off from this MAG' });
    }
    if (match.match === 'wait' && mayWait) return { outcome: 'wait', node, session: match.session };
    if (match.match === 'session') {
      return this.extend(request, profile, match.session, match.handoff, multipath, bid, now);
    }
    return this.create(request, profile, multipath, bid, now);
  }

  /** Takes the session out of the cache and gives its prefixes back. */
  forget(session: Session): void {
    this.cache.remove(session);
    this.assignment.release(session);
    this.tunnels.release(session);
  }

  // ---- registration

  private create(
    request: Request,
    profile: NodeProfile,
    multipath: boolean,
    bid: number,
    now: Instant,
  ): Outcome {
    const { identity, nodeKey: node } = request;
    const rejected = (rejection: Rejection): Outcome => ({
      outcome: 'rejected',
      answer: reject(request, rejection.status, now.utc, rejection),
      why: rejection.why,
      node,
    });
    const tunnel = this.tunnels.encapsulation(request);
    if ('status' in tunnel) return rejected(tunnel);
    const session: Session = {
      name: this.cache.names.take(node),
      nodeKey: node,
      identity: { subtype: identity!.subtype, identifier: identity!.identifier },
      prefixes: [],
      homeAddress: null,
      delegated: [],
      linkLayerId: request.linkLayerId,
      linkLocal: '::',
      technology: request.technology!,
      mag: multipath ? request.mag! : null,
      gre: null,
      bindings: new Map(),
      flows: new Map(),
      lingerUntil: null,
      past: new Map(),
      departed: null,
      installed: false,
    };
    const refused = this.assignment.assign(request, profile, session);
    if (refused) {
      this.forget(session);
      return rejected(refused);
    }
    this.tunnels.agreeOnGre(session, request, tunnel.encapsulation, false);
    this.setLinkLocal(session, request);
    this.cache.add(session);
    const binding = this.bind(session, request, bid, tunnel.encapsulation, now);
    this.updateFlows(session, request, multipath);
    return {
      outcome: 'accepted',
      answer: this.answer(request, session, binding, multipath, now),
      session,
      changed: true,
      what: `session ${session.name} with ${[...session.prefixes, session.homeAddress ?? [], ...session.delegated].flat().join(', ')}, ${pathText(binding)}`,
      replaced: [],
      released: false,
    };
  }

  /** Extension of the lifetime, with or without handoff, and further bindings (§5.3.3, §5.3.4; RFC 8278 §4.1). */
  private extend(
    request: Request,
    profile: NodeProfile,
    session: Session,
    handoff: boolean,
    multipath: boolean,
    bid: number,
    now: Instant,
  ): Outcome {
    const tunnel = this.tunnels.encapsulation(request);
    const before = new DataPlaneState(session, bid);
    let unbound = false;
    const refused = 'status' in tunnel ? tunnel : this.assignment.extend(request, profile, session);
    if (refused || 'status' in tunnel) {
      const rejection = refused ?? (tunnel as Rejection);
      return {
        outcome: 'rejected',
        answer: reject(request, rejection.status, now.utc, rejection),
        why: rejection.why,
        node: session.nodeKey,
      };
    }
    const otherMag = multipath && session.mag !== request.mag;
    const replaced: Binding[] = [];
    // Without MAG Identifiers, another care-of address may be the same MAG's: what it says of the handoff decides.
    const moved = handoff && (otherMag || (!multipath && request.handoff !== Handoff.NOT_CHANGED));
    for (const binding of session.bindings.values()) {
      if (moved && binding.careOf.address !== request.careOf.address) replaced.push(binding);
      // A binding without MMB and bindings with one exclude each other; so do those of two MAGs.
      const goes =
        binding.bid !== bid &&
        (!multipath || otherMag || binding.bid === PLAIN_BID || request.multipath!.overwrite);
      if (!goes) continue;
      unbind(this.cache, session, binding);
      unbound = true;
    }
    // None of the bindings before goes on, also if they have ended already.
    if (handoff || !session.bindings.size) this.assignment.dropUnnamed(request, session);
    depart(session, replaced, request);
    arrive(session, request);
    session.mag = multipath ? request.mag! : null;
    session.technology = request.technology!;
    session.linkLayerId = request.linkLayerId;
    session.lingerUntil = null;
    this.setLinkLocal(session, request);
    this.tunnels.agreeOnGre(session, request, tunnel.encapsulation, handoff);
    const binding = this.bind(session, request, bid, tunnel.encapsulation, now);
    this.updateFlows(session, request, multipath);
    if (multipath && request.multipath!.bulk) {
      // B: one message extends the lifetime of every binding of the node.
      for (const other of session.bindings.values()) other.expires = binding.expires;
    }
    return {
      outcome: 'accepted',
      answer: this.answer(request, session, binding, multipath, now),
      session,
      changed: unbound || before.isOutdated(session, binding),
      what: `session ${session.name}: ${pathText(binding)}, ${session.bindings.size} in all`,
      replaced,
      released: false,
    };
  }

  /** BIDs are those of the MMB: without it there is nothing that a flow could be bound to. */
  private updateFlows(session: Session, request: Request, multipath: boolean): void {
    if (multipath) this.flows = updateFlows(session, request.options, this.config);
    else {
      session.flows = new Map();
      this.flows = [];
    }
  }

  private bind(
    session: Session,
    request: Request,
    bid: number,
    encapsulation: TunnelEncapsulation,
    now: Instant,
  ): Binding {
    const { multipath } = request;
    const lifetime = this.lifetime(request) * LIFETIME_UNIT_S * 1000;
    const known = session.bindings.get(bid);
    const values = {
      bid,
      careOf: request.careOf,
      signaling: request.from,
      speaker: request.speaker,
      local: request.to,
      technology: bid === PLAIN_BID ? request.technology! : multipath!.technology,
      label: bid === PLAIN_BID ? null : multipath!.label,
      encapsulation,
      metrics: request.metrics,
      since: known && request.handoff === Handoff.NOT_CHANGED ? known.since : now.elapsed,
      expires: now.elapsed + lifetime,
      lastSequence: request.update.sequence,
      lastTimestamp: request.timestamp ?? null,
    };
    if (known && known.careOf.address === values.careOf.address && known.careOf.port === values.careOf.port) {
      return Object.assign(known, values, { careOf: known.careOf });
    }
    this.cache.setBinding(session, values);
    session.past.delete(bid);
    return values;
  }

  // ---- answers

  private lifetime(request: Request): number {
    return Math.min(request.update.lifetime, Math.floor(this.config.maxLifetime / LIFETIME_UNIT_S));
  }

  private answer(
    request: Request,
    session: Session,
    binding: Binding,
    multipath: boolean,
    now: Instant,
  ): BindingAck {
    const lifetime = this.lifetime(request);
    const { flows } = this;
    return accept(request, session, binding, this.config, { lifetime, multipath, utc: now.utc, flows });
  }

  /** ALL_ZERO asks us to choose; anything else is the MAG's choice and kept (RFC 5213 §5.3.6). */
  private setLinkLocal(session: Session, request: Request): void {
    const option = request.options.find(({ option }) => option === 'link-local-address');
    if (!option || option.option !== 'link-local-address') return;
    if (option.address !== '::') session.linkLocal = option.address;
    else if (session.linkLocal === '::') session.linkLocal = linkLocalOf(++this.linkLocals);
  }
}

/** fe80::5213:0:n, another address for each n of 32 bits. */
function linkLocalOf(n: number): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xfe80);
  view.setUint16(10, 0x5213);
  view.setUint32(12, n);
  return formatAddress(bytes);
}

function pathText({ bid, careOf, encapsulation, label }: Binding): string {
  const name = bid === PLAIN_BID ? 'single path' : `BID ${bid}`;
  return `${name}${label === null ? '' : ` label ${label}`} from ${careOf.address} by ${encapsulation}`;
}
