/** Makes sessions: of attached nodes whose profile the MAG has, and of the logical nodes (RFC 8278 §3.1). */
import { Handoff } from '../wire/numbers.ts';
import { nai } from '../wire/option/identifier.ts';
import type { MagContext } from './context.ts';
import type { LogicalNode, MagNode } from './config.ts';
import { Flows } from './flows.ts';
import { Pace } from './pace.ts';
import type { MagSession, Path } from './update-list.ts';
import type { WanLink } from './wan-links.ts';

export function newSession(
  context: MagContext,
  node: string,
  profile: MagNode | LogicalNode,
  logical: boolean,
): MagSession {
  const { config, list, now } = context;
  const identity = nai(node);
  const session: MagSession = {
    name: list.names.take(node),
    identity,
    node,
    profile,
    logical,
    lma: profile.lma ?? config.lma,
    present: true,
    suspended: false,
    renewing: false,
    denied: null,
    away: false,
    access: null,
    technology: 'technology' in profile ? profile.technology : 0,
    linkLayer: null,
    handoff: 1,
    multipath: 'unknown',
    lead: null,
    moved: false,
    paths: usableLinks(context, profile).map((link) => newPath(context, link)),
    farewells: [],
    prefixes: [...profile.homePrefixes],
    offLink: new Set(),
    homeAddress: profile.homeAddress,
    router: null,
    formerAddress: null,
    addressReleased: false,
    delegated: [],
    linkLocal: '::',
    asks: asksOf(context, profile),
    flows: new Flows(profile.flows),
    downlinkKey: freeKey(context),
    gre: null,
    sequence: config.random() & 0xffff,
    lastTimestamp: -1n,
    bulkFrom: Math.max(now.elapsed + config.lifetime * 1000, context.oldUntil),
    bulkTurn: 0,
    boundUntil: null,
    mtu: 1280,
    installed: null,
    granted: null,
  };
  list.add(session);
  return session;
}

/**
 * The session that comes after one that has ended, of the same node under its present profile. The LMA compares numbers and times with
 * those of the one before.
 */
export function succeed(context: MagContext, before: MagSession): MagSession {
  const { node, profile, logical, suspended, access, linkLayer, sequence, lastTimestamp } = before;
  context.list.remove(before);
  const session = newSession(context, node, profile, logical);
  if (!logical) session.technology = before.technology;
  return Object.assign(session, {
    ...{ suspended, access, linkLayer, sequence, lastTimestamp },
    handoff: Handoff.UNKNOWN,
    bulkFrom: Math.max(session.bulkFrom, before.bulkFrom),
  });
}

/** The WAN interfaces that may carry a node, in the order in which they are tried. */
export function usableLinks({ links }: MagContext, { interfaces }: MagNode): WanLink[] {
  return links.all.filter(({ config }) => interfaces === null || interfaces.includes(config.name));
}

export function newPath({ config }: MagContext, link: WanLink): Path {
  return {
    bid: link.config.bid,
    link,
    careOf: null,
    lma: null,
    encapsulation: 'ipip',
    metrics: {},
    active: false,
    expires: null,
    refreshAt: null,
    round: null,
    revoked: false,
    pace: new Pace(config.maxUpdatesPerBinding),
    known: false,
    lastStatus: null,
    dead: false,
  };
}

/** What the profile and the configuration allow to ask for. */
function asksOf({ config, anchors }: MagContext, profile: MagNode): MagSession['asks'] {
  const { ipv6, ipv4 } = profile.lma ?? config.lma;
  const ignoresGre = [ipv6, ipv4].some((address) => address !== null && anchors.of(address).ignoresGre);
  return {
    ipv6: profile.ipv6,
    ipv4: profile.ipv4,
    delegated: profile.delegated,
    gre: (config.gre === 'on' || config.gre === 'keyless') && !ignoresGre,
    forceUdp: config.forceUdp,
  };
}

/** All that the profile allows is asked for again, whatever the LMA has refused or the node has given back. */
export function askForAll(context: MagContext, session: MagSession): void {
  session.asks = asksOf(context, session.profile);
  session.addressReleased = false;
}

/** A downlink key that no other session has: the LMA's packets name their session by it. */
function freeKey({ config, list }: MagContext): number {
  for (;;) {
    const key = config.random() >>> 0;
    if (key !== 0 && !list.hasKey(key)) return key;
  }
}
