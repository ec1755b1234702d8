/** What a PBU does to the binding cache, and the answer (RFC 5213 §5.3, RFC 5844 §3.1, RFC 8278 §3 and §4). */
import type { Endpoint, Instant } from '../endpoint.ts';
import type { TunnelEncapsulation } from '../tunnel-session.ts';
import type { BindingAck } from '../wire/message/binding-ack.ts';
import { type BindingUpdate, UpdateFlag } from '../wire/message/binding-update.ts';
import { LIFETIME_UNIT_S, SIGNALING_PORT, Status } from '../wire/numbers.ts';
import { timestampOf } from '../wire/option/timestamp.ts';
import { findOptions } from '../wire/options.ts';
import { accept, homeAddressHost, reject } from './acknowledgement.ts';
import { ANY_IPV6 } from '../any-prefix.ts';
import { type Allocation, isGranted } from './allocation.ts';
import { type Binding, type BindingCache, PLAIN_BID, type Session } from './binding-cache.ts';
import type { LmaConfig, MultipathPolicy, NodeProfile } from './config.ts';
import { findSession } from './lookup.ts';
import type { Policy } from './policy.ts';
import { readRequest, type Request } from './request.ts';

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

type Rejection = {
  readonly status: number;
  readonly why: string;
  readonly sequence?: number;
  readonly ipv4Status?: number;
  readonly echoMultipath?: boolean;
};

const MMB_TYPE = 63;
const MAG_IDENTIFIER_TYPE = 64;

export class Registration {
  private config: LmaConfig;
  private readonly cache: BindingCache;
  private readonly allocation: Allocation;
  private policy: Policy;
  private readonly uplinkKeys = new Set<number>();
  private linkLocals = 0;

  constructor(config: LmaConfig, cache: BindingCache, allocation: Allocation, policy: Policy) {
    this.config = config;
    this.cache = cache;
    this.allocation = allocation;
    this.policy = policy;
  }

  reconfigure(config: LmaConfig, policy: Policy): void {
    this.config = config;
    this.policy = policy;
  }

  /** Checks in the order of RFC 5213 §5.3.1, which is a MUST. `mayWait`: false for a PBU that MaxDelayBeforeNewBCEAssign has held back already. */
  handle(update: BindingUpdate, from: Endpoint, to: Endpoint, now: Instant, mayWait: boolean): Outcome {
    const request = readRequest(update, from, to, this.config.vendor);
    const node = request.nodeKey;
    if (!(update.flags & UpdateFlag.PROXY)) return { outcome: 'ignored', reason: 'no-proxy-flag', node };
    const rejected = (rejection: Rejection): Outcome => ({
      outcome: 'rejected',
      answer: reject(request, rejection.status, now.utc, rejection),
      why: rejection.why,
      node,
    });
    const admission = this.admit(request);
    if ('status' in admission) return rejected(admission);
    const { profile } = admission;

    const malformed = multipathFault(request);
    const policy: MultipathPolicy = profile.multipath ?? this.config.multipath;
    const multipath = request.multipath !== undefined && policy === 'on';
    const match = findSession(this.cache, request, multipath);
    const known = match.match === 'session' ? match.session : undefined;
    const bid = multipath ? request.multipath.bid : PLAIN_BID;

    // A PBU that has waited passed this check when it came; the de-registration it waited for is younger.
    const order = mayWait ? this.checkOrder(request, known, bid, now) : undefined;
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
      return rejected({ status: match.status, why: 'prefixes are not those of the node' });
    }

    if (request.deregistration) {
      if (match.match !== 'session') return { outcome: 'ignored', reason: 'deregistration-of-nothing', node };
      return this.deregister(request, match.session, multipath, bid, now);
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
    for (const prefix of session.prefixes) this.allocation.release(prefix);
    if (session.homeAddress) this.allocation.release(homeAddressHost(session.homeAddress));
    for (const prefix of session.delegated) this.allocation.release(prefix);
    const key = session.gre?.uplinkKey;
    if (key !== undefined && key !== null) this.uplinkKeys.delete(key);
  }

  // ---- checks

  private admit(request: Request): { readonly profile: NodeProfile } | Rejection {
    if (!request.identity || request.identity.identifier.length === 0) {
      return { status: Status.MISSING_MN_IDENTIFIER_OPTION, why: 'MN Identifier is missing' };
    }
    const { address } = request.from;
    const profile = this.policy.profile(request.nodeKey);
    if (
      !this.policy.trusts(address, request.mag) ||
      (profile && !this.policy.maySpeakFor(address, profile))
    ) {
      return { status: Status.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, why: 'MAG is not authorised' };
    }
    if (!profile) return { status: Status.NOT_LMA_FOR_THIS_MOBILE_NODE, why: 'node is not known' };
    if (!profile.proxyRegistration) {
      return { status: Status.PROXY_REG_NOT_ENABLED, why: 'node is not authorised for proxy mobility' };
    }
    return { profile };
  }

  /** RFC 5213 §5.5; per session and BID, so that paths of different delay do not overtake each other's messages. */
  private checkOrder(
    request: Request,
    session: Session | undefined,
    bid: number,
    now: Instant,
  ): Rejection | undefined {
    const { timestamp, update } = request;
    const binding = session?.bindings.get(bid);
    const past = binding
      ? { sequence: binding.lastSequence, timestamp: binding.lastTimestamp }
      : session?.past.get(bid);
    if (timestamp === undefined) {
      if (!past) return undefined;
      const ahead = (update.sequence - past.sequence) & 0xffff;
      if (ahead > 0 && ahead < 0x8000) return undefined;
      return {
        status: Status.SEQUENCE_NUMBER_OUT_OF_WINDOW,
        why: `sequence number ${update.sequence} after ${past.sequence}`,
        sequence: past.sequence,
      };
    }
    if (!this.config.mobileNodeTimestamps) {
      const clock = timestampOf(now.utc).ticks;
      const window = BigInt(Math.round((this.config.timestampWindow * 65536) / 1000));
      if (timestamp > clock + window || timestamp < clock - window) {
        return { status: Status.TIMESTAMP_MISMATCH, why: 'timestamp is outside of the validity window' };
      }
      // Our clock has been set back since: the mark would lock the node out until its binding expires.
      if (past?.timestamp && past.timestamp > clock + window) return undefined;
    }
    if (past?.timestamp !== null && past !== undefined && timestamp <= past.timestamp) {
      return {
        status: Status.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED,
        why: 'timestamp is not later than the last',
      };
    }
    return undefined;
  }

  // ---- tunnels

  private encapsulation(request: Request): Rejection | { readonly encapsulation: TunnelEncapsulation } {
    const { from, greKey, forceUdp, tlv } = request;
    const { config } = this;
    if (config.gre === 'required' && !greKey) {
      return { status: Status.GRE_KEY_OPTION_REQUIRED, why: 'GRE key is required' };
    }
    if (forceUdp && !config.acceptForcedUdp) {
      return { status: Status.ADMINISTRATIVELY_PROHIBITED, why: 'forced UDP encapsulation is not accepted' };
    }
    // A NAT has changed the port, or the MAG knows of one.
    const udp = from.port !== null && (forceUdp || from.port !== SIGNALING_PORT);
    const gre = greKey !== undefined && config.gre !== 'off';
    if (!udp) return { encapsulation: gre ? 'gre' : 'ipip' };
    // GRE over UDP needs the TLV header (RFC 5845 §7.2); if it was asked for but is off here: status 3, no UDP.
    if (gre && tlv) return { encapsulation: config.tlv ? 'udp-gre' : 'gre' };
    return { encapsulation: 'udp' };
  }

  private newUplinkKey(): number {
    for (;;) {
      const key = this.config.randomKey() >>> 0;
      if (key !== 0 && !this.uplinkKeys.has(key)) {
        this.uplinkKeys.add(key);
        return key;
      }
    }
  }

  /** Keys belong to the session: one sequence space spans all its paths. True if they changed. */
  private agreeOnGre(
    session: Session,
    request: Request,
    encapsulation: TunnelEncapsulation,
    moved: boolean,
  ): boolean {
    const usesGre = encapsulation === 'gre' || encapsulation === 'udp-gre';
    const before = session.gre;
    if (!usesGre) {
      const others = [...session.bindings.values()].some(
        (binding) => binding.encapsulation === 'gre' || binding.encapsulation === 'udp-gre',
      );
      if (!before || (others && !moved)) return false;
      if (before.uplinkKey !== null) this.uplinkKeys.delete(before.uplinkKey);
      session.gre = null;
      return true;
    }
    const downlinkKey = request.greKey?.key ?? null;
    if (before && before.downlinkKey === downlinkKey) return false;
    session.gre = {
      downlinkKey,
      // The same uplink key for the session's life (RFC 5845 §3.3).
      uplinkKey: downlinkKey === null ? null : (before?.uplinkKey ?? this.newUplinkKey()),
    };
    return true;
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
    const tunnel = this.encapsulation(request);
    if ('status' in tunnel) return rejected(tunnel);
    const session: Session = {
      name: this.freeName(node),
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
      lingerUntil: null,
      past: new Map(),
      installed: false,
    };
    const refused = this.assign(request, profile, session);
    if (refused) {
      this.forget(session);
      return rejected(refused);
    }
    this.agreeOnGre(session, request, tunnel.encapsulation, false);
    this.setLinkLocal(session, request);
    this.cache.add(session);
    const binding = this.bind(session, request, bid, tunnel.encapsulation, now);
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

  /** Prefixes and addresses that the session lacks and the PBU asks for. What was taken stays in `session`. */
  private assign(request: Request, profile: NodeProfile, session: Session): Rejection | undefined {
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
    const tunnel = this.encapsulation(request);
    const before = dataPlaneText(session);
    const refused = 'status' in tunnel ? tunnel : this.extendAssignment(request, profile, session);
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
    for (const binding of [...session.bindings.values()]) {
      // A binding without MMB and bindings with one exclude each other; so do those of two MAGs.
      const goes =
        binding.bid !== bid &&
        (!multipath || otherMag || binding.bid === PLAIN_BID || request.multipath!.overwrite);
      if (!goes) continue;
      if (otherMag && handoff && binding.careOf.address !== request.careOf.address) replaced.push(binding);
      this.unbind(session, binding);
    }
    session.mag = multipath ? request.mag! : null;
    session.technology = request.technology!;
    session.linkLayerId = request.linkLayerId;
    session.lingerUntil = null;
    this.setLinkLocal(session, request);
    this.agreeOnGre(session, request, tunnel.encapsulation, handoff);
    const binding = this.bind(session, request, bid, tunnel.encapsulation, now);
    if (multipath && request.multipath!.bulk) {
      // B: one message extends the lifetime of every binding of the node.
      for (const other of session.bindings.values()) other.expires = binding.expires;
    }
    return {
      outcome: 'accepted',
      answer: this.answer(request, session, binding, multipath, now),
      session,
      changed: dataPlaneText(session) !== before,
      what: `session ${session.name}: ${pathText(binding)}, ${session.bindings.size} in all`,
      replaced,
      released: false,
    };
  }

  private extendAssignment(request: Request, profile: NodeProfile, session: Session): Rejection | undefined {
    const had = session.prefixes.length;
    const refused = this.assign(request, profile, session);
    // assign() has put new ones into the session only; the index has to know them.
    if (!had && session.prefixes.length) {
      const { prefixes } = session;
      session.prefixes = [];
      this.cache.setPrefixes(session, prefixes);
    }
    return refused;
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
      local: request.to,
      technology: bid === PLAIN_BID ? request.technology! : multipath!.technology,
      label: bid === PLAIN_BID ? null : multipath!.label,
      encapsulation,
      metrics: request.metrics,
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

  private unbind(session: Session, binding: Binding): void {
    session.past.set(binding.bid, { sequence: binding.lastSequence, timestamp: binding.lastTimestamp });
    this.cache.deleteBinding(session, binding.bid);
  }

  // ---- de-registration (§5.3.5; RFC 8278: of one binding)

  private deregister(
    request: Request,
    session: Session,
    multipath: boolean,
    bid: number,
    now: Instant,
  ): Outcome {
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
      this.unbind(session, binding);
    }
    const last = session.bindings.size === 0;
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
      this.allocation.release(homeAddressHost(session.homeAddress));
      session.homeAddress = null;
      return true;
    }
    if (!request.ipv4Requests.length && request.homePrefixes.length) {
      for (const prefix of session.prefixes) this.allocation.release(prefix);
      this.cache.setPrefixes(session, []);
      return true;
    }
    return false;
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
    return accept(request, session, binding, this.config, { lifetime, multipath, utc: now.utc });
  }

  /** ALL_ZERO asks us to choose; anything else is the MAG's choice and kept (RFC 5213 §5.3.6). */
  private setLinkLocal(session: Session, request: Request): void {
    const option = request.options.find(({ option }) => option === 'link-local-address');
    if (!option || option.option !== 'link-local-address') return;
    if (option.address !== '::') session.linkLocal = option.address;
    else if (session.linkLocal === '::')
      session.linkLocal = `fe80::5213:${(++this.linkLocals).toString(16)}`.slice(0, 39);
  }

  /** The identity as far as a session name allows, with a number if it is taken. */
  private freeName(node: string): string {
    const base = node.replace(/[^\w.@-]/g, '_').slice(0, 56) || 'node';
    if (!this.cache.named(base)) return base;
    for (let n = 2; ; n++) if (!this.cache.named(`${base}.${n}`)) return `${base}.${n}`;
  }
}

function missingOption(request: Request): Rejection | undefined {
  if (!request.homePrefixes.length && !request.ipv4Requests.length) {
    return { status: Status.MISSING_HOME_NETWORK_PREFIX_OPTION, why: 'Home Network Prefix is missing' };
  }
  if (request.handoff === undefined) {
    return { status: Status.MISSING_HANDOFF_INDICATOR_OPTION, why: 'Handoff Indicator is missing' };
  }
  if (request.technology === undefined) {
    return { status: Status.MISSING_ACCESS_TECH_TYPE_OPTION, why: 'Access Technology Type is missing' };
  }
  if (request.ipv4Requests.length > 1) {
    return {
      status: Status.MULTIPLE_IPV4_HOME_ADDRESS_ASSIGNMENT_NOT_SUPPORTED,
      why: 'more than one IPv4 home address',
    };
  }
  // ALL_ZERO goes alone (RFC 5213 §6.9.1.1).
  if (request.homePrefixes.length > 1 && request.homePrefixes.some(({ prefix }) => prefix === ANY_IPV6)) {
    return { status: Status.REASON_UNSPECIFIED, why: 'ALL_ZERO next to other prefixes' };
  }
  return undefined;
}

/** What is wrong with the options of RFC 8278; no status is defined for it, so 128 is sent (docs/multipath.md). */
function multipathFault(request: Request): string | undefined {
  const { options, multipath, mag, deregistration } = request;
  for (const option of options) {
    if (option.option !== 'malformed') continue;
    if (option.type === MMB_TYPE || option.type === MAG_IDENTIFIER_TYPE)
      return `option ${option.type}: ${option.reason}`;
  }
  if (!multipath) return undefined;
  if (findOptions(options, 'mag-multipath-binding').length > 1) return 'two MAG Multipath Binding options';
  if (multipath.bid === 0 || multipath.bid === 255) return `BID ${multipath.bid} is reserved`;
  if (multipath.bulk && multipath.overwrite) return 'B and O together';
  if (deregistration && multipath.overwrite) return 'O in a de-registration';
  if (mag === undefined || mag === '') return 'MAG Multipath Binding without MAG Identifier';
  return undefined;
}

/** Equal texts mean that the data plane need not be touched. */
function dataPlaneText(session: Session): string {
  let text = `${session.gre?.downlinkKey}/${session.gre?.uplinkKey}/${session.homeAddress}/${session.prefixes.length}/${session.delegated.length}`;
  for (const { bid, careOf, local, encapsulation, label, technology, metrics } of session.bindings.values()) {
    text += `;${bid},${careOf.address},${local.address},${encapsulation},${label},${technology},${metrics.weight},${metrics.uplinkRate},${metrics.downlinkRate},${metrics.latency},${metrics.loss}`;
  }
  return text;
}

function pathText({ bid, careOf, encapsulation, label }: Binding): string {
  const name = bid === PLAIN_BID ? 'single path' : `BID ${bid}`;
  return `${name}${label === null ? '' : ` label ${label}`} from ${careOf.address} by ${encapsulation}`;
}
