/** Reads the configuration of `tunloom mag`: the file's words to those of the state machine, the access side and the data plane. */
import { checkServices } from './flow-rules.ts';
import { checkNegotiated, negotiatedFlows } from './negotiated-flows.ts';
import type { AccessInterfaceConfig, LanInterfaceConfig } from '../access/access-config.ts';
import type { LmaAddress, LogicalNode, MagConfig, MagNode } from '../pmipv6/mag/config.ts';
import type { Complaint } from './cross-checks.ts';
import { type PeerKeyConfig, peerKeys } from './lma-config.ts';
import { type MagFile, magSchema } from './mag-schema.ts';
import type { FileTunnels } from './schema.ts';
import { type HostPart, hostPart } from './signaling-schema.ts';
import type { Gateway } from './session-defaults.ts';
import { type Checked, describeIssues, parseYaml, readConfigFile } from './yaml-file.ts';

export type MagMachineConfig = Omit<MagConfig, 'restartCounter' | 'random'>;

export interface MagDaemonConfig {
  readonly host: HostPart<MagFile>;
  readonly machine: MagMachineConfig;
  readonly gateways: readonly Gateway[];
  readonly access: readonly AccessInterfaceConfig[];
  readonly lans: readonly LanInterfaceConfig[];
  readonly keys: readonly PeerKeyConfig[];
  /** Milliseconds, both. */
  readonly clockWindow: number;
  readonly natKeepalive: number;
  readonly weights: MagFile['weights'];
  readonly tunnels: FileTunnels;
}

/** Reads and checks `file`. Throws BAD_CONFIG with one line an error. */
export function loadMagConfig(file: string): MagDaemonConfig {
  return parseMagConfig(readConfigFile(file), file);
}

/** The same for text; `file` is only a name. */
export function parseMagConfig(text: string, file: string): MagDaemonConfig {
  return parseYaml(text, file, check);
}

type FileLma = MagFile['lma'];

function check(value: unknown): Checked<MagDaemonConfig> {
  const checked = magSchema.safeParse(value);
  if (!checked.success) return { config: null, complaints: describeIssues(checked.error, magSchema) };
  const file = checked.data;
  const complaints = [
    ...checkAddresses(file),
    ...checkInterfaces(file),
    ...checkAccess(file),
    ...checkFlows(file),
  ];
  const lmas: readonly (readonly [FileLma | undefined, readonly PropertyKey[]])[] = [
    [file.lma, ['lma']],
    ...file.logicalNodes.map((node, i) => [node.lma, ['logicalNodes', i, 'lma']] as const),
    ...file.nodes.map((node, i) => [node.lma, ['nodes', i, 'lma']] as const),
  ];
  const keys = peerKeys(
    lmas.flatMap(([lma, path]) =>
      [lma?.ipv6, lma?.ipv4].flatMap((text) => {
        if (text === undefined) return [];
        const prefix = `${text}/${text.includes(':') ? 128 : 32}`;
        return [{ path, prefix, identity: null, authentication: lma?.authentication }];
      }),
    ),
    complaints,
  );
  return { config: complaints.length ? null : complete(file, keys), complaints };
}

function complete(file: MagFile, keys: readonly PeerKeyConfig[]): MagDaemonConfig {
  const { registration } = file;
  const seconds = (microseconds: number): number => microseconds / 1e6;
  const milliseconds = (microseconds: number): number => microseconds / 1000;
  return {
    host: hostPart(file),
    machine: {
      identity: file.identity,
      lma: lmaAddress(file.lma),
      interfaces: file.interfaces.map(({ gateway: _gateway, careOf, ...wan }) => ({
        ...wan,
        careOf: careOf ?? null,
      })),
      logicalNodes: file.logicalNodes.map((node): LogicalNode => ({
        ...nodeOf(node, file.services),
        technology: node.technology,
      })),
      nodes: file.nodes.map((node) => nodeOf(node, file.services)),
      multipath: file.multipath,
      bulk: registration.bulk,
      furtherPathHandoff: registration.furtherPathHandoff,
      lifetime: seconds(registration.lifetime),
      refreshBefore: seconds(registration.refreshBefore),
      firstTimeout: milliseconds(registration.firstTimeout),
      maxTimeout: milliseconds(registration.maxTimeout),
      maxUpdatesPerBinding: registration.maxUpdatesPerBinding,
      maxUpdatesPerLma: registration.maxUpdatesPerLma,
      ordering: registration.ordering,
      gre: file.gre,
      tlv: file.tlv,
      forceUdp: file.forceUdp,
      linkLocal: file.linkLocal ?? null,
      heartbeat: file.heartbeat && {
        intervalSeconds: seconds(file.heartbeat.interval),
        missingAllowed: file.heartbeat.missingAllowed,
      },
      strict: registration.strict,
      vendor: file.vendor,
    },
    gateways: file.interfaces.flatMap(({ name, careOf, gateway }) =>
      gateway === undefined || careOf === undefined ? [] : [{ local: careOf, via: gateway, interface: name }],
    ),
    access: file.access.map(accessOf),
    lans: file.lans.map(({ advertisementInterval, ...lan }) => ({
      ...lan,
      maxAdvertisementInterval: seconds(advertisementInterval),
    })),
    keys,
    clockWindow: milliseconds(file.clockWindow),
    natKeepalive: milliseconds(file.natKeepalive),
    weights: file.weights,
    tunnels: file.tunnels,
  };
}

function nodeOf(node: MagFile['nodes'][number], services: MagFile['services']): MagNode {
  return {
    identity: node.identity,
    lma: node.lma ? lmaAddress(node.lma) : null,
    ipv6: node.ipv6,
    ipv4: node.ipv4,
    homePrefixes: node.homePrefixes,
    homeAddress: node.homeAddress ?? null,
    delegated: node.delegated,
    multipath: node.multipath,
    interfaces: node.interfaces ?? null,
    flows: negotiatedFlows(node.flows, services),
  };
}

function accessOf(access: MagFile['access'][number]): AccessInterfaceConfig {
  const { name, node, known, template, attachOn, technology, dns, advertisementInterval, silence } = access;
  return {
    name,
    nodes:
      node === undefined
        ? { by: 'link-layer', known: known ?? {}, template: template ?? null }
        : { by: 'interface', identity: node },
    attachOn,
    technology,
    dns,
    maxAdvertisementInterval: advertisementInterval / 1e6,
    silence: silence === null ? null : silence / 1e6,
  };
}

function lmaAddress({ ipv6, ipv4 }: FileLma): LmaAddress {
  return { ipv6: ipv6 ?? null, ipv4: ipv4 ?? null };
}

function checkAddresses(file: MagFile): Complaint[] {
  const complaints: Complaint[] = [];
  const checkLma = (lma: FileLma | undefined, path: readonly PropertyKey[]): void => {
    if (!lma) return;
    if (lma.ipv6 === undefined && lma.ipv4 === undefined) {
      complaints.push({ path, message: 'expected ipv6, ipv4 or both' });
    }
    if (lma.ipv6?.includes(':') === false) {
      complaints.push({ path: [...path, 'ipv6'], message: `${lma.ipv6} is not an IPv6 address` });
    }
    if (lma.ipv4?.includes(':')) {
      complaints.push({ path: [...path, 'ipv4'], message: `${lma.ipv4} is not an IPv4 address` });
    }
  };
  checkLma(file.lma, ['lma']);
  file.logicalNodes.forEach(({ lma }, i) => checkLma(lma, ['logicalNodes', i, 'lma']));
  file.nodes.forEach(({ lma }, i) => checkLma(lma, ['nodes', i, 'lma']));
  return complaints;
}

function checkInterfaces(file: MagFile): Complaint[] {
  const complaints: Complaint[] = [];
  const names = new Map<string, number>();
  const bids = new Map<number, number>();
  file.interfaces.forEach(({ name, bid, careOf, gateway }, i) => {
    const complain = (key: string, message: string): void => {
      complaints.push({ path: ['interfaces', i, key], message });
    };
    if (names.has(name)) complain('name', `${name} is interfaces[${names.get(name)}] already`);
    if (bids.has(bid)) complain('bid', `BID ${bid} is that of interfaces[${bids.get(bid)}] (RFC 8278 §4.1)`);
    names.set(name, i);
    bids.set(bid, i);
    if (gateway === undefined) return;
    if (careOf === undefined) complain('gateway', 'a gateway needs careOf: its packets go by it');
    else if (careOf.includes(':') !== gateway.includes(':')) {
      complain('gateway', `${gateway} and careOf ${careOf} are of different families`);
    }
  });
  for (const list of ['logicalNodes', 'nodes'] as const) {
    file[list].forEach(({ interfaces }, i) => {
      interfaces?.forEach((name, j) => {
        if (names.has(name)) return;
        complaints.push({
          path: [list, i, 'interfaces', j],
          message: `there is no interfaces[] of name ${name}`,
        });
      });
    });
  }
  return complaints;
}

function checkFlows(file: MagFile): Complaint[] {
  return (['logicalNodes', 'nodes'] as const).flatMap((list) =>
    file[list].flatMap(({ flows }, i) => {
      const path = [list, i, 'flows'];
      const unknown = checkServices(flows, file.services).map(({ path: inner, message }) => ({
        path: [...path, ...inner.slice(1)],
        message,
      }));
      return unknown.length ? unknown : checkNegotiated(flows, file.services, path);
    }),
  );
}

function checkAccess(file: MagFile): Complaint[] {
  const complaints: Complaint[] = [];
  const used = new Map<string, string>(file.interfaces.map(({ name }) => [name, 'interfaces']));
  const use = (name: string, list: 'access' | 'lans', i: number): void => {
    const other = used.get(name);
    if (other) complaints.push({ path: [list, i, 'name'], message: `${name} is used in ${other} already` });
    used.set(name, list);
  };
  file.access.forEach(({ name, node, known, template }, i) => {
    use(name, 'access', i);
    const several = known !== undefined || template !== undefined;
    if ((node !== undefined) === several) {
      complaints.push({
        path: ['access', i],
        message: 'expected either node, or known, template or both',
      });
    }
  });
  file.lans.forEach(({ name, node }, i) => {
    use(name, 'lans', i);
    if (file.logicalNodes.some(({ identity }) => identity === node)) return;
    complaints.push({ path: ['lans', i, 'node'], message: `there is no logicalNodes[] of identity ${node}` });
  });
  return complaints;
}
