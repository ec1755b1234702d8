/** Reads the configuration of `tunloom lma`: the file's words to those of the state machine and the data plane. */
import { readFileSync } from 'node:fs';
import { type LmaConfig, PROFILE_DEFAULTS } from '../pmipv6/lma/config.ts';
import { type Prefix, formatAddress, parseAddress, parsePrefix } from '../ip.ts';
import type { Complaint } from './cross-checks.ts';
import { type LmaFile, lmaSchema } from './lma-schema.ts';
import type { FileTunnels } from './schema.ts';
import { type HostPart, hostPart } from './signaling-schema.ts';
import { type Checked, describeIssues, parseYaml, readConfigFile } from './yaml-file.ts';

/** A key of a peer, ready for use. */
export interface PeerKeyConfig {
  readonly prefix: string;
  readonly identity: string | null;
  readonly spi: number;
  readonly key: Uint8Array;
}

/** What the daemon adds to the machine's configuration. */
export type LmaMachineConfig = Omit<LmaConfig, 'restartCounter' | 'randomKey'>;

export interface LmaDaemonConfig {
  readonly host: HostPart<LmaFile>;
  /** Addresses where signaling comes in and tunnels end. */
  readonly addresses: readonly string[];
  readonly machine: LmaMachineConfig;
  readonly keys: readonly PeerKeyConfig[];
  /** Milliseconds. */
  readonly clockWindow: number;
  readonly weights: LmaFile['weights'];
  readonly tunnels: FileTunnels;
}

/** Reads and checks `file`. Throws BAD_CONFIG with one line an error. */
export function loadLmaConfig(file: string): LmaDaemonConfig {
  return parseLmaConfig(readConfigFile(file), file);
}

/** The same for text; `file` is only a name. */
export function parseLmaConfig(text: string, file: string): LmaDaemonConfig {
  return parseYaml(text, file, check);
}

function check(value: unknown): Checked<LmaDaemonConfig> {
  const checked = lmaSchema.safeParse(value);
  if (!checked.success) return { config: null, complaints: describeIssues(checked.error, lmaSchema) };
  const file = checked.data;
  const complaints = [...checkPools(file), ...checkNodes(file)];
  const keys = peerKeys(
    file.mags.map(({ address, identity, authentication }, i) => ({
      path: ['mags', i],
      prefix: address,
      identity: identity ?? null,
      authentication,
    })),
    complaints,
  );
  return { config: complaints.length ? null : complete(file, keys), complaints };
}

function complete(file: LmaFile, keys: readonly PeerKeyConfig[]): LmaDaemonConfig {
  const { registration, pools } = file;
  const milliseconds = (microseconds: number): number => microseconds / 1000;
  return {
    host: hostPart(file),
    addresses: file.addresses,
    machine: {
      homePrefixPools: pools.homePrefixes,
      homePrefixLength: pools.homePrefixLength,
      ipv4: pools.ipv4 ?? null,
      delegatedPools: pools.delegated,
      mags: file.mags.map(({ address, identity }) => ({
        prefix: address,
        identity: identity ?? null,
      })),
      nodes: file.nodes.map((node) => ({
        ...PROFILE_DEFAULTS,
        ...node,
        homeAddress: node.homeAddress ?? null,
        multipath: node.multipath ?? null,
      })),
      multipath: file.multipath,
      maxLifetime: registration.maxLifetime / 1e6,
      minDelayBeforeDelete: milliseconds(registration.minDelayBeforeDelete),
      maxDelayBeforeAssign: milliseconds(registration.maxDelayBeforeAssign),
      timestampWindow: milliseconds(registration.timestampWindow),
      mobileNodeTimestamps: registration.mobileNodeTimestamps,
      maxUpdatesPerSecond: registration.maxUpdatesPerSecond,
      gre: file.gre,
      tlv: file.tlv,
      acceptForcedUdp: file.forcedUdp,
      flowBindings: file.flowBindings,
      maxFlows: file.maxFlows,
      revocation: file.revocation,
      heartbeat: file.heartbeat && {
        intervalSeconds: file.heartbeat.interval / 1e6,
        missingAllowed: file.heartbeat.missingAllowed,
      },
      vendor: file.vendor,
    },
    keys,
    clockWindow: milliseconds(file.clockWindow),
    weights: file.weights,
    tunnels: file.tunnels,
  };
}

interface PeerWithKey {
  /** Where it stands in the file. */
  readonly path: readonly PropertyKey[];
  readonly prefix: string;
  readonly identity: string | null;
  readonly authentication:
    { spi: number; key?: string | undefined; keyFile?: string | undefined } | undefined;
}

/** Keys of peers, read from their files where they are in files; what is wrong goes to `complaints`. */
export function peerKeys(peers: readonly PeerWithKey[], complaints: Complaint[]): PeerKeyConfig[] {
  const known = new Set<string>();
  return peers.flatMap(({ path, prefix, identity, authentication }): PeerKeyConfig[] => {
    if (!authentication) return [];
    const { spi, key, keyFile } = authentication;
    const at = [...path, 'authentication'];
    if (known.has(`${prefix} ${spi}`)) {
      complaints.push({ path: [...at, 'spi'], message: `${spi} stands twice for ${prefix}` });
    }
    known.add(`${prefix} ${spi}`);
    const digits = key ?? readKeyFile(keyFile!, [...at, 'keyFile'], complaints);
    return digits === undefined ? [] : [{ prefix, identity, spi, key: Buffer.from(digits, 'hex') }];
  });
}

function readKeyFile(
  file: string,
  path: readonly PropertyKey[],
  complaints: Complaint[],
): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    complaints.push({
      path,
      message: `${file}: ${(error as NodeJS.ErrnoException).code ?? 'cannot be read'}`,
    });
    return undefined;
  }
  if (/^([0-9a-fA-F]{2}){16,64}$/.test(text)) return text;
  complaints.push({ path, message: `${file}: expected 32 to 128 hexadecimal digits and nothing else` });
  return undefined;
}

function checkPools({ pools }: LmaFile): Complaint[] {
  const complaints: Complaint[] = [];
  const complain = (path: readonly PropertyKey[], message: string): void => {
    complaints.push({ path: ['pools', ...path], message });
  };
  const all: { text: string; prefix: Prefix }[] = [];
  const add = (text: string, path: readonly PropertyKey[], family: 4 | 6, length: number): void => {
    const prefix = parsePrefix(text);
    if (prefix.family !== family) complain(path, `${text} is not IPv${family}`);
    else if (length < prefix.length) complain(path, `no prefix of ${length} bits fits into ${text}`);
    const twin = all.find((other) => overlap(other.prefix, prefix));
    if (twin) complain(path, `${text} overlaps with ${twin.text}`);
    all.push({ text, prefix });
  };
  pools.homePrefixes.forEach((text, i) => add(text, ['homePrefixes', i], 6, pools.homePrefixLength));
  pools.delegated.forEach(({ pool, length }, i) => add(pool, ['delegated', i, 'pool'], 6, length));
  if (pools.ipv4) {
    add(pools.ipv4.pool, ['ipv4', 'pool'], 4, 32);
    const router = parseAddress(pools.ipv4.router);
    const host = { ...router, length: router.bytes.length * 8 };
    if (!overlap(parsePrefix(pools.ipv4.pool), host)) {
      complain(['ipv4', 'router'], `${pools.ipv4.router} is not in ${pools.ipv4.pool}`);
    }
  }
  return complaints;
}

function checkNodes({ nodes }: LmaFile): Complaint[] {
  const complaints: Complaint[] = [];
  const owners = new Map<string, string>();
  const all: { readonly text: string; readonly path: readonly PropertyKey[]; readonly owner: string }[] = [];
  nodes.forEach((node, i) => {
    const own = (text: string, key: readonly PropertyKey[]): void => {
      const path = ['nodes', i, ...key];
      const owner = owners.get(text);
      if (owner !== undefined) complaints.push({ path, message: `${text} belongs to ${owner} already` });
      else if (node.identity.includes('*')) {
        const message = `a pattern stands for many nodes, which cannot all have ${text}`;
        complaints.push({ path, message });
      }
      owners.set(text, node.identity);
      all.push({ text, path, owner: node.identity });
    };
    node.homePrefixes.forEach((text, j) => own(text, ['homePrefixes', j]));
    node.delegated.forEach((text, j) => own(text, ['delegated', j]));
    if (node.homeAddress) own(`${node.homeAddress.split('/')[0]}/32`, ['homeAddress']);
  });
  // By length, not by pairs: there may be tens of thousands.
  const lengths = [...new Set(all.map(({ text }) => parsePrefix(text).length))];
  for (const { text, path, owner } of all) {
    const { bytes, length } = parsePrefix(text);
    for (const shorter of lengths.filter((each) => each < length)) {
      const around = `${formatAddress(bytes.map((octet, i) => octet & maskOf(shorter, i)))}/${shorter}`;
      const other = owners.get(around);
      if (other !== undefined && other !== owner) {
        complaints.push({ path, message: `${text} is inside ${around}, which belongs to ${other}` });
      }
    }
  }
  return complaints;
}

/** Octet `index` of the mask of a prefix. */
function maskOf(length: number, index: number): number {
  return (0xff00 >> Math.min(Math.max(length - index * 8, 0), 8)) & 0xff;
}

function overlap(a: Prefix, b: Prefix): boolean {
  if (a.family !== b.family) return false;
  for (let bit = 0; bit < Math.min(a.length, b.length); bit++) {
    const mask = 0x80 >> (bit & 7);
    if ((a.bytes[bit >> 3]! ^ b.bytes[bit >> 3]!) & mask) return false;
  }
  return true;
}
