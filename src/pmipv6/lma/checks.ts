/** What is checked of a PBU before it may change anything (RFC 5213 §5.3.1, §5.5; RFC 5844 §3.1.2; RFC 8278 §4.1). */
import { ANY_IPV6 } from '../any-prefix.ts';
import type { Instant } from '../endpoint.ts';
import { Status } from '../wire/numbers.ts';
import { timestampOf } from '../wire/option/timestamp.ts';
import { findOptions } from '../wire/options.ts';
import type { Session } from './binding-cache.ts';
import type { LmaConfig, NodeProfile } from './config.ts';
import type { Policy } from './policy.ts';
import type { Request } from './request.ts';

export type Rejection = {
  readonly status: number;
  readonly why: string;
  readonly sequence?: number;
  readonly ipv4Status?: number;
  readonly echoMultipath?: boolean;
};

const MMB_TYPE = 63;
const MAG_IDENTIFIER_TYPE = 64;

/** Who asks and for whom (RFC 5213 §5.3.1): the profile of the node, or why not. */
export function admit(request: Request, policy: Policy): { readonly profile: NodeProfile } | Rejection {
  if (!request.identity || request.identity.identifier.length === 0) {
    return { status: Status.MISSING_MN_IDENTIFIER_OPTION, why: 'MN Identifier is missing' };
  }
  const { address } = request.from;
  const profile = policy.profile(request.nodeKey);
  if (
    !policy.trusts(address, request.speaker) ||
    (profile && !policy.maySpeakFor(address, request.speaker, profile))
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
export function checkOrder(
  request: Request,
  session: Session | undefined,
  bid: number,
  config: LmaConfig,
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
  if (!config.mobileNodeTimestamps) {
    const clock = timestampOf(now.utc).ticks;
    const window = BigInt(Math.round((config.timestampWindow * 65536) / 1000));
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

/** The first mandatory option that a PBU lacks (RFC 5213 §5.3.1). */
export function missingOption(request: Request): Rejection | undefined {
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
export function multipathFault(request: Request): string | undefined {
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
