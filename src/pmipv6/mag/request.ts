/** Writes PBUs (RFC 5213 §6.9.1.1 and §6.9.1.5 with the options of RFC 5844, 5845, 7148, 8278). */
import type { Endpoint } from '../endpoint.ts';
import { ANY_IPV4, ANY_IPV6 } from '../any-prefix.ts';
import { type BindingUpdate, UpdateFlag } from '../wire/message/binding-update.ts';
import { Handoff, LIFETIME_UNIT_S } from '../wire/numbers.ts';
import { nai } from '../wire/option/identifier.ts';
import { timestampOf } from '../wire/option/timestamp.ts';
import type { MobilityOption } from '../wire/options.ts';
import { encodeWanMetrics } from '../wan-metrics.ts';
import type { MagConfig } from './config.ts';
import type { MagSession, Path, Purpose, Round } from './update-list.ts';

/** What a PBU is about. */
export interface Subject {
  readonly session: MagSession;
  readonly path: Path;
  readonly purpose: Purpose;
  readonly multipath: boolean;
  /** O: no other binding of the node may be left (RFC 8278 §4.1). */
  readonly overwrite: boolean;
  readonly handoff: number;
  /** The dead care-of address that the PBU is about, if it comes from another (RFC 6275 §6.2.5). */
  readonly alternateCareOf: string | null;
  /** Where the PBU leaves. */
  readonly careOf: Endpoint;
  /** The IPv4 home address that it is about, and nothing else (RFC 5844 §3.1.2.5). */
  readonly homeAddress: string | null;
}

/** Timestamps that lie further ahead of the clock are from before a correction of the clock: 1 s. */
const MAX_AHEAD = 65_536n;

/** One PBU; takes a sequence number and a timestamp that the session has not used before. */
export function buildUpdate(subject: Subject, config: MagConfig, utc: number): BindingUpdate {
  const { session, path, purpose } = subject;
  session.sequence = (session.sequence + 1) & 0xffff;
  const ending = purpose === 'deregister';
  const ipv4Transport = subject.careOf.port !== null;
  const gre = session.asks.gre && !ending;
  let flags: number = UpdateFlag.ACKNOWLEDGE | UpdateFlag.PROXY;
  if (ipv4Transport && !ending) {
    if (session.asks.forceUdp) flags |= UpdateFlag.FORCE_UDP;
    if (gre && config.tlv) flags |= UpdateFlag.TLV;
  }
  const options = [
    ...nodeOptions(subject),
    ...(config.ordering === 'timestamp' ? [nextTimestamp(session, utc)] : []),
    ...linkOptions(subject, config),
    ...(subject.homeAddress === null
      ? addressOptions(session, ending)
      : [addressRequest(subject.homeAddress)]),
  ];
  if (gre) options.push({ option: 'gre-key', key: config.gre === 'keyless' ? null : session.downlinkKey });
  if (subject.multipath) {
    options.push(...flowOptions(subject), ...multipathOptions(subject, config));
  }
  if (!ending) {
    const metrics = encodeWanMetrics(config.vendor, subject.multipath ? path.bid : 1, path.link.metrics);
    if (metrics) options.push(metrics);
  }
  if (subject.alternateCareOf !== null) {
    options.push({ option: 'alternate-care-of-address', address: subject.alternateCareOf });
  }
  const lifetime = ending ? 0 : Math.min(0xffff, Math.ceil(config.lifetime / LIFETIME_UNIT_S));
  return { message: 'binding-update', sequence: session.sequence, flags, lifetime, options };
}

function nodeOptions({ session, handoff, homeAddress }: Subject): MobilityOption[] {
  const options: MobilityOption[] = [{ option: 'mn-identifier', ...session.identity }];
  if (session.asks.ipv6 && homeAddress === null) {
    for (const prefix of session.prefixes.length ? session.prefixes : [ANY_IPV6]) {
      options.push({ option: 'home-network-prefix', prefix, offLink: false });
    }
  }
  options.push({ option: 'handoff-indicator', indicator: handoff });
  options.push({ option: 'access-technology-type', technology: session.technology });
  return options;
}

function linkOptions({ session, homeAddress }: Subject, config: MagConfig): MobilityOption[] {
  const options: MobilityOption[] = [];
  // MUST be there if it is known and not zero, MUST NOT otherwise (RFC 5213 §6.9.1.1).
  if (session.linkLayer?.some((octet) => octet !== 0)) {
    options.push({ option: 'mn-link-layer-identifier', identifier: session.linkLayer });
  }
  if (config.linkLocal === null && session.asks.ipv6 && homeAddress === null) {
    options.push({ option: 'link-local-address', address: session.linkLocal });
  }
  return options;
}

function addressOptions(
  { asks, homeAddress, formerAddress, delegated }: MagSession,
  ending: boolean,
): MobilityOption[] {
  const options: MobilityOption[] = [];
  if (asks.ipv4) options.push(addressRequest(homeAddress ?? ANY_IPV4));
  // Perhaps the LMA has it still: then the prefixes alone would not end the session (RFC 5844 §3.1.2.5).
  else if (ending && formerAddress !== null) options.push(addressRequest(formerAddress));
  for (const prefix of delegated.length ? delegated : asks.delegated) {
    options.push({ option: 'delegated-mobile-network-prefix', prefix });
  }
  return options;
}

function addressRequest(prefix: string): MobilityOption {
  return { option: 'ipv4-home-address-request', prefix };
}

/** Every accepted PBU removes the flows that it does not name, so each names them all (RFC 6089 §5.2.3). */
function flowOptions({ session, path, purpose }: Subject): MobilityOption[] {
  if (session.multipath !== 'on') return [];
  const bids = new Set(session.paths.filter((other) => other.active).map(({ bid }) => bid));
  if (purpose !== 'deregister') bids.add(path.bid);
  return session.flows.options(bids, purpose !== 'deregister');
}

/** MMB and MAG Identifier, in each PBU over each WAN interface (RFC 8278 §3.2: MUST). */
function multipathOptions({ path, purpose, overwrite }: Subject, config: MagConfig): MobilityOption[] {
  const { technology, label } = path.link.config;
  const bulk = purpose === 'bulk';
  return [
    // B and O exclude each other; O is 0 in a de-registration (§4.1: MUST).
    {
      option: 'mag-multipath-binding',
      technology,
      label,
      bid: path.bid,
      bulk,
      overwrite: overwrite && !bulk && purpose !== 'deregister',
    },
    { option: 'mag-identifier', ...nai(config.identity) },
  ];
}

/** Later than every timestamp of the session before, as the LMA compares them (RFC 5213 §5.5). */
function nextTimestamp(session: MagSession, utc: number): MobilityOption {
  const { ticks } = timestampOf(utc);
  const last = session.lastTimestamp;
  session.lastTimestamp = ticks <= last && last - ticks < MAX_AHEAD ? last + 1n : ticks;
  return { option: 'timestamp', ticks: session.lastTimestamp };
}

/** The Handoff Indicator of a path's PBU (RFC 5213 §6.9.1; for further paths docs/multipath.md). */
export function handoffOf(session: MagSession, path: Path, round: Round, config: MagConfig): number {
  if (round.purpose === 'deregister') return Handoff.UNKNOWN;
  if (round.purpose !== 'register') return Handoff.NOT_CHANGED;
  const others = session.paths.some((other) => other !== path && other.known);
  if (session.multipath === 'on') {
    return path.known ? Handoff.NOT_CHANGED : others ? config.furtherPathHandoff : session.handoff;
  }
  // Alone on another care-of address: for the LMA that is the move to another MAG.
  if (session.moved || others) return Handoff.BETWEEN_MAGS;
  return path.known ? Handoff.NOT_CHANGED : session.handoff;
}
