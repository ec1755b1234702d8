/** What the data plane and the access side have to know of a session, told only when it has changed. */
import { splitPrefix } from '../wire/octets.ts';
import { DATA_PORT } from '../wire/numbers.ts';
import type { AccessGrant } from '../access-grant.ts';
import type { Endpoint } from '../endpoint.ts';
import { activeFlows } from '../flow-binding.ts';
import type { TunnelEncapsulation, TunnelPath, TunnelSession } from '../tunnel-session.ts';
import type { MagContext } from './context.ts';
import { wanted } from './path-plan.ts';
import type { MagSession, Path } from './update-list.ts';

/** Octets in front of the inner packet, with GRE key and sequence number (RFC 2473, 2003, 2890, 5844, 5845). */
const OVERHEAD: Record<TunnelEncapsulation, Record<4 | 6, number>> = {
  ipip: { 4: 20, 6: 40 },
  gre: { 4: 32, 6: 52 },
  udp: { 4: 28, 6: 48 },
  'udp-gre': { 4: 44, 6: 64 },
};
/** IPv6 asks for that much of every link (RFC 8200 §5). */
const MIN_MTU = 1280;

/** Tunnels stand before the node is told to use them, and fall after it has been told not to. */
export function publish(context: MagContext, session: MagSession): void {
  const { effects, now } = context;
  const serves = wanted(session);
  const tunnel = serves ? tunnelSession(session) : null;
  if (tunnel) session.mtu = session.paths.filter((path) => path.active).reduce(smallerMtu, Infinity);
  const grant = serves ? accessGrant(session, context) : null;
  if (!grant && session.granted !== null) {
    effects.push({ effect: 'withdraw', node: session.node });
    session.granted = null;
  }
  const installed = tunnel && JSON.stringify(tunnel);
  if (installed !== session.installed) {
    if (tunnel) effects.push({ effect: 'install', session: tunnel });
    else effects.push({ effect: 'remove', session: session.name });
    session.installed = installed;
  }
  if (!grant) return;
  const granted = JSON.stringify({ ...grant, lifetime: session.boundUntil });
  if (granted === session.granted) return;
  session.granted = granted;
  effects.push({
    effect: 'grant',
    grant: { ...grant, lifetime: Math.floor((session.boundUntil! - now.elapsed) / 1000) },
  });
}

/** The session in the data plane's words; null: no path. */
export function tunnelSession(session: MagSession): TunnelSession | null {
  const active = session.paths.filter((path) => path.active);
  if (!active.length) return null;
  const flows =
    session.multipath === 'on'
      ? activeFlows(session.flows.granted(), new Set(active.map(({ bid }) => bid)))
      : [];
  return {
    name: session.name,
    node: session.node,
    prefixes: [
      ...session.prefixes,
      ...(session.homeAddress ? [`${splitPrefix(session.homeAddress).address}/32`] : []),
      ...session.delegated,
    ],
    sendKey: session.gre?.sendKey ?? null,
    receiveKey: session.gre?.receiveKey ?? null,
    paths: [...active.map((path) => tunnelPath(session, path)), ...receivingPaths(session)].sort(
      (a, b) => a.bid - b.bid,
    ),
    ...(flows.length ? { flows } : {}),
  };
}

/** Paths that are being registered or given up while others go on. */
function receivingPaths(session: MagSession): TunnelPath[] {
  const { farewells, paths, multipath } = session;
  if (multipath !== 'on') return [];
  const joining = paths.flatMap((path) => {
    // The first packet by it may come before the answer.
    if (path.active || !path.careOf || path.round?.purpose !== 'register' || !path.round.sent.length)
      return [];
    const encapsulation = expectedEncapsulation(session, path.careOf);
    return encapsulation ? [tunnelPath(session, { ...path, encapsulation })] : [];
  });
  const draining = farewells.flatMap(({ draining, round, path: { link } }) =>
    draining &&
    link.up &&
    round?.due !== Infinity &&
    !joining.some(({ bid }) => bid === draining.bid) &&
    !paths.some(({ bid, active }) => active && bid === draining.bid)
      ? [draining]
      : [],
  );
  return [...joining, ...draining].map((path) => ({ ...path, receiveOnly: true }));
}

/** What the LMA is going to say, to go by its other answers; null: there is no telling. */
function expectedEncapsulation({ paths, gre }: MagSession, { port }: Endpoint): TunnelEncapsulation | null {
  const overIpv4 = port !== null;
  const like = paths.find(({ active, careOf }) => active && (careOf!.port !== null) === overIpv4);
  if (like) return like.encapsulation;
  if (overIpv4) return null;
  return gre ? 'gre' : 'ipip';
}

export function tunnelPath(session: MagSession, path: Path): TunnelPath {
  const multipath = session.multipath === 'on';
  const { config, metrics } = path.link;
  const udp = path.encapsulation === 'udp' || path.encapsulation === 'udp-gre';
  const port = udp ? DATA_PORT : null;
  return {
    bid: multipath ? path.bid : 1,
    local: { address: path.careOf!.address, port },
    remote: { address: path.lma!.address, port },
    encapsulation: path.encapsulation,
    technology: config.technology,
    label: multipath ? config.label : null,
    metrics: { ...metrics, ...path.metrics },
    interface: config.name,
  };
}

/** null: no binding. While paths come and go the node keeps what it has until the last binding would have ended. */
function accessGrant(session: MagSession, { config, now }: MagContext): AccessGrant | null {
  if (session.boundUntil === null || session.boundUntil <= now.elapsed) return null;
  const home = session.homeAddress ? splitPrefix(session.homeAddress) : null;
  return {
    node: session.node,
    interface: session.access,
    homePrefixes: session.prefixes.map((prefix) => ({ prefix, onLink: !session.offLink.has(prefix) })),
    homeAddress:
      home && session.router
        ? { address: home.address, prefixLength: home.length, router: session.router }
        : null,
    delegatedPrefixes: session.delegated,
    linkLocal: config.linkLocal ?? (session.linkLocal === '::' ? null : session.linkLocal),
    lifetime: 0,
    mtu: session.mtu,
  };
}

function smallerMtu(mtu: number, { link, careOf, encapsulation }: Path): number {
  const family = careOf!.address.includes(':') ? 6 : 4;
  return Math.min(mtu, Math.max(MIN_MTU, link.config.mtu - OVERHEAD[encapsulation][family]));
}
