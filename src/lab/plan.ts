/** What a lab consists of: addresses, paths, sessions of both ends. Only documentation addresses (RFC 5737, RFC 3849). */
import { readFileSync } from 'node:fs';
import type { SchedulerName } from '../dataplane/distribution-spec.ts';
import type { LinkSpec } from '../emulator/model/link.ts';
import {
  LINK_KEYS,
  type LinkKey,
  type LinkPair,
  isLinkKey,
  parseLinks,
} from '../emulator/model/link-text.ts';
import type { HealthConfig } from '../paths/path-health.ts';
import { smallRatio } from '../paths/small-ratio.ts';
import { TunloomError } from '../errors.ts';
import {
  ENCAPSULATIONS,
  type Encapsulation,
  type PathSpec,
  type SessionSpec,
} from '../dataplane/session-spec.ts';

export interface LabPath {
  readonly name: string;
  readonly weight: number;
  readonly encapsulation: Encapsulation;
  readonly family: 4 | 6;
  /** A link to emulate, both directions; null: the bare veth pair. */
  readonly link: LinkPair | null;
}

export interface LabOptions {
  /** Static lab: probes on the paths; none if left out, since the report compares what devices have counted with what we sent. */
  readonly health?: HealthConfig | undefined;
  /** Static lab: what comes over the paths at these ends is made to seem equally long. */
  readonly equalDelay?: readonly ('mag' | 'lma')[] | undefined;
  /** Of the static lab's session; weighted if left out. */
  readonly scheduler?: SchedulerName | undefined;
  /** What else the static lab's session has. */
  readonly session?: Partial<Pick<SessionSpec, 'distribution' | 'latency' | 'resequencer'>> | undefined;
  /** AssemblyScript file of the scheduler `custom`. */
  readonly customScheduler?: string | undefined;
  /** Of the link emulator; 1 if left out. */
  readonly seed?: number | undefined;
  readonly paths: readonly LabPath[];
  /** Seconds of each TCP transfer. */
  readonly duration: number;
  readonly workers: number;
  readonly memory: boolean;
  /** One session from a plan instead of a MAG and an LMA that negotiate it. */
  readonly static: boolean;
  /** Segmentation offloads to use; all that there are if left out. */
  readonly offload?:
    | {
        readonly tun: boolean;
        readonly segment: boolean;
        readonly merge: boolean;
        readonly link: 'auto' | 'on' | 'off';
        readonly xdp: 'off' | 'generic' | 'native';
      }
    | undefined;
}

/** The mobile node's addresses (at the MAG's TUN) and the correspondent's (at the LMA's TUN). */
export const MOBILE = { 4: '192.0.2.1', 6: '2001:db8:cafe::1' } as const;
export const CORRESPONDENT = { 4: '203.0.113.1', 6: '2001:db8:ffff::1' } as const;
const MOBILE_PREFIXES = ['192.0.2.0/24', '2001:db8:cafe::/64'] as const;
export const CORRESPONDENT_PREFIXES = ['203.0.113.0/24', '2001:db8:ffff::/64'] as const;

const UPLINK_KEY = 0x11111111;
const DOWNLINK_KEY = 0x22222222;
export const SESSION = 'mn1';
/** Devices of MAG and LMA beside those of the paths. */
const DEVICES = ['lo', 'tun0', 'acc0', 'core0'];
/** A /30 a path out of 198.51.100.0/24. */
const MAX_PATHS = 60;

/** Outer addresses of path `index`. */
export function pathAddresses(index: number, family: 4 | 6): { mag: string; lma: string; length: number } {
  return family === 4
    ? { mag: `198.51.100.${index * 4 + 1}`, lma: `198.51.100.${index * 4 + 2}`, length: 30 }
    : {
        mag: `2001:db8:${(0x100 + index).toString(16)}::1`,
        lma: `2001:db8:${(0x100 + index).toString(16)}::2`,
        length: 64,
      };
}

/** What comes over the paths at the ends `equal` is made to seem equally long, and the other end knows it. */
export function withEqualDelay(
  session: SessionSpec,
  role: 'mag' | 'lma',
  equal: readonly ('mag' | 'lma')[],
): SessionSpec {
  const { resequencer, distribution } = session;
  const peer = role === 'mag' ? 'lma' : 'mag';
  return {
    ...session,
    resequencer: { ...resequencer, equalDelay: equal.includes(role) },
    distribution: { ...distribution, peerEqualDelay: equal.includes(peer) },
  };
}

/** The session as one end sees it, with what is known of emulated links. Unsequenced encapsulations are distributed per packet because a lab asks for it. */
export function labSession(
  role: 'mag' | 'lma',
  paths: readonly LabPath[],
  scheduler: SchedulerName = 'weighted',
): SessionSpec {
  return {
    distribution: { scheduler },
    name: SESSION,
    prefixes: MOBILE_PREFIXES,
    sendKey: role === 'mag' ? UPLINK_KEY : DOWNLINK_KEY,
    receiveKey: role === 'mag' ? DOWNLINK_KEY : UPLINK_KEY,
    allowReordering: true,
    clampMss: true,
    resequencer: {
      window: 4096,
      minWaitUs: 1000,
      maxWaitUs: 100_000,
      longestWaitUs: 500_000,
      late: 'deliver',
      provenLoss: true,
    },
    paths: paths.map((path, index): PathSpec => {
      const { mag, lma } = pathAddresses(index, path.family);
      const port = path.encapsulation === 'gre-in-udp' ? 4754 : 5437;
      return {
        bid: index + 1,
        name: path.name,
        local: role === 'mag' ? mag : lma,
        remote: role === 'mag' ? lma : mag,
        localPort: port,
        remotePort: port,
        encapsulation: path.encapsulation,
        weight: path.weight,
        mtu: 1500,
        gre: { key: true, sequence: true, checksum: false },
        hopLimit: 64,
        dscp: 'copy',
        ecn: 'normal',
        dontFragment: 'set',
        encapsulationLimit: null,
        ...(path.link ? knownOf(role === 'mag' ? path.link.uplink : path.link.downlink) : {}),
      };
    }),
  };
}

function knownOf({ rate, delay }: LinkSpec): Pick<PathSpec, 'rate' | 'delayUs'> {
  return { ...(rate === null ? {} : { rate }), delayUs: delay };
}

/**
 * Paths from the command line: `--path lte,weight=3,encapsulation=gre,family=6,rate=50mbit,delay=30ms` (repeatable), or as many
 * as `weights` has numbers. `weights` null: 3:2 without paths; else in the ratio of the links' rates if all have one, or 1 each. `encapsulation` null:
 * what suits the family, if the signaling has to agree on it. Throws BAD_OPTION, BAD_TRACE.
 */
export function planPaths(options: {
  readonly paths: readonly string[];
  readonly weights: string | null;
  readonly encapsulation: string | null;
  readonly family: string;
}): LabPath[] {
  const weights = (options.weights ?? (options.paths.length ? null : '3:2'))?.split(':').map(parseWeight);
  if (weights && options.paths.length && weights.length !== options.paths.length) {
    throw new TunloomError(
      'BAD_OPTION',
      `--weights ${options.weights}: ${weights.length} weight(s) for ${options.paths.length} path(s)`,
    );
  }
  const common = {
    encapsulation: options.encapsulation === null ? null : parseEncapsulation(options.encapsulation),
    family: parseFamily(options.family),
  };
  const wished = options.paths.length
    ? options.paths.map((text, index) => parsePath(text, { ...common, weight: weights?.[index] ?? null }))
    : weights!.map((weight, index) => ({ ...common, name: `wan${index + 1}`, weight, link: null }));
  const byRate = wished.some(({ weight }) => weight !== null) ? null : weightsByRate(wished);
  const paths = wished.map((path, index) => ({
    ...path,
    weight: path.weight ?? byRate?.[index] ?? 1,
    encapsulation: path.encapsulation ?? (path.family === 4 ? ('udp-gre' as const) : ('gre' as const)),
  }));
  if (paths.length > MAX_PATHS)
    throw new TunloomError('BAD_OPTION', `at most ${MAX_PATHS} paths are possible`);
  const names = new Set(DEVICES);
  for (const { name } of paths) {
    if (names.has(name))
      throw new TunloomError('BAD_OPTION', `--path ${name}: there is a device of this name already`);
    names.add(name);
  }
  if (!paths.some((path) => path.weight > 0)) throw new TunloomError('BAD_OPTION', 'all weights are 0');
  return paths;
}

/** A path whose encapsulation and weight may still be open. */
type WishedPath = Omit<LabPath, 'encapsulation' | 'weight'> & {
  readonly encapsulation: Encapsulation | null;
  readonly weight: number | null;
};

/** Weights in the ratio of what the links carry in both directions together; null if one has no rate. */
function weightsByRate(paths: readonly WishedPath[]): number[] | null {
  const rates = paths.map(({ link }) =>
    link?.uplink.rate && link.downlink.rate ? link.uplink.rate + link.downlink.rate : 0,
  );
  return rates.includes(0) ? null : smallRatio(rates);
}

function parsePath(text: string, defaults: Omit<WishedPath, 'name' | 'link'>): WishedPath {
  const [name = '', ...settings] = text.split(',');
  if (!/^[\w-]{1,11}$/.test(name))
    throw new TunloomError('BAD_OPTION', `--path ${text}: a name of up to 11 letters first`);
  let path: WishedPath = { ...defaults, name, link: null };
  const link: [LinkKey, string][] = [];
  for (const setting of settings) {
    // File names may have such a sign.
    const [key, ...rest] = setting.split('=');
    const value = rest.join('=');
    if (key === 'weight') path = { ...path, weight: parseWeight(value) };
    else if (key === 'encapsulation') path = { ...path, encapsulation: parseEncapsulation(value) };
    else if (key === 'family') path = { ...path, family: parseFamily(value) };
    else if (key !== undefined && isLinkKey(key)) link.push([key, value]);
    else
      throw new TunloomError(
        'BAD_OPTION',
        `--path ${text}: unknown setting "${key}" (weight, encapsulation, family, ${LINK_KEYS.join(', ')})`,
      );
  }
  if (link.length) path = { ...path, link: parseLinks(link, (file) => readFileSync(file, 'utf8')) };
  return path;
}

function parseWeight(text: string): number {
  if (!/^\d{1,4}$/.test(text))
    throw new TunloomError('BAD_OPTION', `weight "${text}" is not a number from 0 to 9999`);
  return Number(text);
}

function parseEncapsulation(text: string): Encapsulation {
  const found = ENCAPSULATIONS.find((name) => name === text);
  if (!found) {
    throw new TunloomError(
      'BAD_OPTION',
      `unknown encapsulation "${text}": one of ${ENCAPSULATIONS.join(', ')}`,
    );
  }
  return found;
}

function parseFamily(text: string): 4 | 6 {
  if (text !== '4' && text !== '6') throw new TunloomError('BAD_OPTION', `family "${text}" is not 4 or 6`);
  return text === '4' ? 4 : 6;
}
