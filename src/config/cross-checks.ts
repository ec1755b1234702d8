/** What the schema cannot see: keys that do not fit each other. */
import { encapsulationOverhead } from '../dataplane/overhead.ts';
import { isSequenced } from '../dataplane/path-template.ts';
import { buildSchedule } from '../dataplane/schedule-table.ts';
import type { PathSpec, SessionSpec } from '../dataplane/session-spec.ts';
import { parseAddress } from '../ip.ts';
import { checkPolicy } from './flow-rules.ts';
import type { KeyPath } from './positions.ts';

/** Where (a key path from the session on) and what. */
export interface Complaint {
  readonly path: KeyPath;
  readonly message: string;
  /** The key itself is wrong, not its value. */
  readonly atKey?: boolean;
}

const MIN_IPV6_MTU = 1280;

/** Complaints about one session by itself. */
export function checkSession(session: SessionSpec): Complaint[] {
  const complaints: Complaint[] = [];
  const bids = new Set<number>();
  const ends = new Map<string, number>();
  session.paths.forEach((path, i) => {
    const complain = (key: string, message: string): void => {
      complaints.push({ path: ['paths', i, key], message });
    };
    if (bids.has(path.bid))
      complain('bid', `BID ${path.bid} is used twice; it is unique in a session (RFC 8278 §4.1)`);
    bids.add(path.bid);
    const { local, remote, encapsulation, localPort, remotePort } = path;
    const between = [encapsulation, local, localPort, remote, remotePort].join(' ');
    const twin = ends.get(between);
    if (local && remote && twin !== undefined) {
      complain(
        'remote',
        `BID ${twin} has the same ends and encapsulation; their packets could not be told apart`,
      );
    }
    ends.set(between, path.bid);
    checkPath(session, path, complain);
  });
  const unsequenced = session.paths.find((path) => !isSequenced(path));
  const used = session.paths.filter((path) => path.weight > 0);
  if (!used.length) complaints.push({ path: ['paths'], message: 'all weights are 0: nothing could be sent' });
  const byFlow = (session.distribution?.scheduler ?? '').startsWith('flow');
  if (used.length > 1 && unsequenced && !session.allowReordering && !byFlow) {
    complaints.push({
      path: ['paths', session.paths.indexOf(unsequenced)],
      message:
        `packets over ${unsequenced.encapsulation} carry no sequence number, so splitting over ${used.length} paths ` +
        'would reorder them with nothing to put them back; use gre, udp-gre or gre-in-udp with gre.sequence, ' +
        'scheduler: flow-hash, or set allowReordering: true',
    });
  }
  try {
    buildSchedule(session.paths.map((path) => path.weight));
  } catch (error) {
    complaints.push({ path: ['paths'], message: (error as Error).message });
  }
  if (session.resequencer.minWaitUs > session.resequencer.maxWaitUs) {
    const { minWaitUs, maxWaitUs } = session.resequencer;
    const message = `minWait (${minWaitUs}us) is longer than maxWait (${maxWaitUs}us)`;
    complaints.push({ path: ['resequencer', 'minWait'], message });
  }
  const { maxWaitUs, longestWaitUs = maxWaitUs } = session.resequencer;
  if (longestWaitUs < maxWaitUs) {
    const message = `longestWait (${longestWaitUs}us) is shorter than maxWait (${maxWaitUs}us)`;
    complaints.push({ path: ['resequencer', 'longestWait'], message });
  }
  complaints.push(...checkPolicy(session));
  return complaints;
}

function checkPath(
  session: SessionSpec,
  path: PathSpec,
  complain: (key: string, message: string) => void,
): void {
  for (const end of ['local', 'remote'] as const) {
    if (!path[end]) complain(end, 'missing, expected an address here or in defaults');
    else if (!isUnicast(path[end])) complain(end, `${path[end]} is not the address of a single host`);
  }
  if (path.local && path.local === path.remote) {
    complain('remote', `${path.remote} is the local address, too; expected that of the other end`);
  }
  const v6 = path.local.includes(':');
  if (path.local && path.remote && v6 !== path.remote.includes(':')) {
    complain('remote', `local ${path.local} and remote ${path.remote} are of different families`);
  }
  if (path.encapsulation.includes('gre') && path.gre.key) {
    for (const key of ['sendKey', 'receiveKey'] as const) {
      if (session[key] === null)
        complain('encapsulation', `${path.encapsulation} with a GRE key needs the session's ${key}`);
    }
  }
  if (path.encapsulationLimit !== null && (!v6 || path.encapsulation.includes('udp'))) {
    complain(
      'encapsulationLimit',
      'a Tunnel Encapsulation Limit goes with ipip or gre over IPv6 only (RFC 2473 §4.1.1)',
    );
  }
  const inner = path.mtu - encapsulationOverhead(path);
  if (inner < MIN_IPV6_MTU && session.prefixes.some((prefix) => prefix.includes(':'))) {
    complain('mtu', `leaves ${inner} octets inside; IPv6 needs ${MIN_IPV6_MTU} (RFC 8200 §5, RFC 7676 §2.1)`);
  }
}

/** Neither multicast, broadcast or reserved, nor unspecified. */
function isUnicast(text: string): boolean {
  const { family, bytes } = parseAddress(text);
  return bytes.some((octet) => octet !== 0) && bytes[0]! < (family === 4 ? 224 : 0xff);
}

/** Complaints about sessions that get in each other's way; `path` starts with the session's position. */
export function checkSessions(
  sessions: readonly (readonly [position: number, session: SessionSpec])[],
): Complaint[] {
  const complaints: Complaint[] = [];
  const names = new Map<string, number>();
  const keys = new Map<number, string>();
  const prefixes = new Map<string, string>();
  for (const [i, session] of sessions) {
    const before = names.get(session.name);
    if (before !== undefined) {
      complaints.push({
        path: [i, 'name'],
        message: `session "${session.name}" is sessions[${before}] already`,
      });
    }
    names.set(session.name, before ?? i);
    if (session.receiveKey !== null) {
      const owner = keys.get(session.receiveKey);
      if (owner !== undefined) {
        const message = `${session.receiveKey} is the receiveKey of session "${owner}" already, expected a key of its own`;
        complaints.push({ path: [i, 'receiveKey'], message });
      }
      keys.set(session.receiveKey, owner ?? session.name);
    }
    for (const [j, prefix] of session.prefixes.entries()) {
      const owner = prefixes.get(prefix);
      if (owner !== undefined) {
        complaints.push({
          path: [i, 'prefixes', j],
          message: `${prefix} belongs to session "${owner}" already`,
        });
      }
      prefixes.set(prefix, owner ?? session.name);
    }
  }
  return [...complaints, ...checkUdpEnds(sessions)];
}

/** Complaints about UDP paths from one address and port that differ in what is a matter of their common socket. */
function checkUdpEnds(sessions: Parameters<typeof checkSessions>[0]): Complaint[] {
  const firsts = new Map<string, PathSpec>();
  const all = sessions.flatMap(([i, { paths }]) => paths.map((path, j) => ({ i, j, path })));
  return all.flatMap(({ i, j, path }): Complaint[] => {
    const { local, localPort, interface: device } = path;
    if (!local || !path.encapsulation.includes('udp')) return [];
    const end = [local, localPort, device].join(' ');
    const first = firsts.get(end) ?? path;
    firsts.set(end, first);
    const differing = (
      [
        ['encapsulation', ({ encapsulation }) => encapsulation === 'gre-in-udp'],
        ['hopLimit', ({ hopLimit }) => hopLimit],
        ['dontFragment', ({ dontFragment }) => dontFragment === 'clear'],
      ] satisfies [keyof PathSpec, (path: PathSpec) => unknown][]
    ).filter(([, of]) => of(first) !== of(path));
    return differing.map(([key]) => ({
      path: [i, 'paths', j, key],
      message: `${path[key]} cannot go with ${first[key]} of another path from UDP port ${localPort} of ${local}: they share a socket`,
    }));
  });
}
