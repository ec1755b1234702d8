/**
 * Daemons on hosts that lack something, or do something of their own: capabilities, IPv6, interfaces that come and go, routes of the
 * operator's. Needs root.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callControl } from '../../src/control/client.ts';
import type { BindingStatus } from '../../src/control/signaling-status.ts';
import type { PathHealthStatus } from '../../src/dataplane/status.ts';
import { Daemon, addNamespace, joinNamespaces, run, waitFor } from '../support/daemon.ts';

const [MAG, LMA] = [`tlhcm-${process.pid}`, `tlhcl-${process.pid}`];
/** WAN addresses of both ends, by path. */
const ENDS = [0, 1].map((i) => ({ mag: `198.51.100.${4 * i + 1}`, lma: `198.51.100.${4 * i + 2}` }));
const SECOND_LMA = ENDS[1]!.lma;
let folder: string;
const daemons: Daemon[] = [];

const ip = (namespace: string, ...args: string[]): string => run('ip', '-n', namespace, ...args);
const sysctl = (namespace: string, ...settings: string[]): string =>
  run('ip', 'netns', 'exec', namespace, 'sysctl', '-qw', ...settings);

/** A command prefix that leaves these capabilities alone. */
function onlyWith(...capabilities: string[]): string[] {
  const set = ['-all', ...capabilities.map((name) => `+${name}`)].join();
  return ['setpriv', `--inh-caps=${set}`, `--bounding-set=${set}`];
}

function connect(i: number): void {
  const { mag, lma } = ENDS[i]!;
  joinNamespaces([MAG, `wan${i}`, `${mag}/30`], [LMA, `wan${i}`, `${lma}/30`]);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-hc-'));
  for (const namespace of [MAG, LMA]) {
    addNamespace(namespace);
    sysctl(namespace, 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0');
  }
  ENDS.forEach((_, i) => connect(i));
});

afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.end('SIGKILL');
  for (const namespace of [MAG, LMA]) spawnSync('ip', ['netns', 'delete', namespace]);
  rmSync(folder, { recursive: true });
});

/** One end of a session mn1 between 192.0.2.1 and 192.0.2.200 over both WAN links; `extra` keys of each path. */
async function dataplane(
  role: 'mag' | 'lma',
  extra = 'encapsulation: udp-gre',
  under: readonly string[] = [],
  routing = 'routes: [192.0.2.200/32]',
): Promise<Daemon> {
  const atMag = role === 'mag';
  const paths = ENDS.map(({ mag, lma }, i) => {
    const [local, remote] = atMag ? [mag, lma] : [lma, mag];
    return `{ bid: ${i + 1}, local: ${local}, remote: ${remote}, ${extra.replace('%', String(i))} }`;
  });
  const daemon = await Daemon.start(
    atMag ? MAG : LMA,
    'dataplane',
    join(folder, `${role}.yaml`),
    `
role: ${role}
workers: 1
tun: { name: tl0, addresses: [${atMag ? '192.0.2.1/32' : '192.0.2.200/32'}] }
${atMag ? `routing: { ${routing} }` : ''}
memory: { sessions: 64, paths: 256, heapMiB: 64 }
sessions:
  - name: mn1
    prefixes: [192.0.2.1/32]
    ${atMag ? 'sendKey: 1\n    receiveKey: 2' : 'sendKey: 2\n    receiveKey: 1'}
    paths: [${paths.join(', ')}]
`,
    join(folder, `${role}.sock`),
    under,
  );
  daemons.push(daemon);
  return daemon;
}

/** Whether all of ten echo requests are answered. */
function pings(): boolean {
  const ping = ['ping', '-c', '10', '-i', '0.05', '-W', '1', '-I', '192.0.2.1', '192.0.2.200'];
  return spawnSync('ip', ['netns', 'exec', MAG, ...ping], { encoding: 'utf8' }).stdout.includes(
    '10 received',
  );
}

test('UDP paths need CAP_NET_ADMIN only; what is missing is named, and ends the start', async () => {
  await dataplane('lma');
  await dataplane('mag', undefined, onlyWith('net_admin'));
  expect(pings()).toBe(true);
  await daemons.pop()!.end();
  await expect(dataplane('mag', undefined, onlyWith('net_raw'))).rejects.toThrow(
    'TUNSETIFF tl0): EPERM; CAP_NET_ADMIN or CAP_NET_RAW is missing',
  );
  await expect(dataplane('mag', 'encapsulation: gre', onlyWith('net_admin'))).rejects.toThrow(
    'EPERM; CAP_NET',
  );
});

test('a name that another kind of device has is refused in words', async () => {
  ip(MAG, 'link', 'add', 'tl0', 'type', 'veth', 'peer', 'name', 'other');
  await expect(dataplane('mag')).rejects.toThrow('tun.name: there is another device tl0');
});

/** The link goes with both its ends, and others of the same names and addresses come. */
function replaceLink(i: number): void {
  ip(MAG, 'link', 'delete', `wan${i}`);
  connect(i);
}

const states = (daemon: Daemon): string =>
  daemon
    .get<PathHealthStatus[]>('/v1/paths')
    .map(({ state }) => state)
    .join();

test.each(['udp-gre', 'gre'])(
  'the paths of an interface that is deleted and comes back do so, too: %s',
  async (by) => {
    const lma = await dataplane('lma', `encapsulation: ${by}, interface: wan%`);
    const mag = await dataplane('mag', `encapsulation: ${by}, interface: wan%`);
    await waitFor(() => states(mag) === 'up,up' && states(lma) === 'up,up');
    replaceLink(1);
    await waitFor(() => mag.log.includes('"bid":2,"from":"up","to":"down"'));
    await waitFor(() => states(mag) === 'up,up' && states(lma) === 'up,up');
    expect(pings()).toBe(true);
  },
);

/** A MAG that registers itself over wan0 at an LMA, by IPv4, once its own address answers from the far end. */
async function registered(
  under: readonly string[] = [],
): Promise<{ mag: Daemon; lma: Daemon; answers: () => boolean }> {
  const lma = await Daemon.start(
    LMA,
    'lma',
    join(folder, 'lma.yaml'),
    `
addresses: [${ENDS[0]!.lma}]
state: ${folder}/lma
workers: 1
tun: { name: tl0, addresses: [192.0.2.200/32] }
memory: { sessions: 64, paths: 256, heapMiB: 64 }
pools: { ipv4: { pool: 192.0.2.0/25, router: 192.0.2.126 } }
mags: [{ address: 198.51.100.0/24 }]
nodes: [{ identity: '*@example.org' }]
`,
    join(folder, 'lma.sock'),
    under,
  );
  daemons.push(lma);
  const mag = await Daemon.start(
    MAG,
    'mag',
    join(folder, 'mag.yaml'),
    `
identity: mag1@example.org
lma: { ipv4: ${ENDS[0]!.lma} }
interfaces: [{ name: wan0, bid: 1, label: 1 }]
logicalNodes: [{ identity: box1@example.org, ipv4: true, ipv6: false, delegated: [] }]
state: ${folder}/mag
workers: 1
tun: { name: tl0 }
memory: { sessions: 64, paths: 256, heapMiB: 64 }
`,
    join(folder, 'mag.sock'),
    under,
  );
  daemons.push(mag);
  await waitFor(() => mag.get<BindingStatus[]>('/v1/bindings')[0]?.state === 'active');
  const home = mag.get<BindingStatus[]>('/v1/bindings')[0]!.homeAddress!.split('/')[0]!;
  const ping = ['ping', '-c', '3', '-i', '0.1', '-W', '1', '-I', home, '192.0.2.200'];
  const answers = (): boolean => spawnSync('ip', ['netns', 'exec', MAG, ...ping]).status === 0;
  await waitFor(answers);
  return { mag, lma, answers };
}

const WITHOUT_IPV6 = [process.execPath, new URL('../support/without-ipv6.ts', import.meta.url).pathname];

test.each([
  ['with IPv6 disabled', []],
  ['whose kernel has no IPv6', WITHOUT_IPV6],
])('a host %s serves IPv4', async (_, under) => {
  for (const namespace of [MAG, LMA]) {
    const disable = ['all', 'default'].map((name) => `net.ipv6.conf.${name}.disable_ipv6=1`);
    sysctl(namespace, 'net.ipv4.ip_forward=1', ...disable);
  }
  const { mag, lma } = await registered(under);
  expect(mag.log).toContain('IPv6 is disabled here');
  expect(mag.log + lma.log).not.toMatch(/"level":[56]0/);
});

test("the operator's routes stay, and sessions that would need their prefixes are refused", async () => {
  ip(LMA, 'route', 'add', '192.0.2.1/32', 'via', ENDS[0]!.mag);
  await expect(dataplane('lma')).rejects.toThrow(
    `192.0.2.1/32 cannot be routed into tl0: this host has a route to it, via ${ENDS[0]!.mag} dev wan0`,
  );
  expect(ip(LMA, 'route', 'show', '192.0.2.1/32')).toContain('via');
  ip(LMA, 'route', 'delete', '192.0.2.1/32');

  const lma = await dataplane('lma');
  ip(LMA, '-6', 'route', 'add', 'unreachable', '2001:db8:9::/64');
  const session = {
    prefixes: ['2001:db8:9::/64'],
    sendKey: 9,
    receiveKey: 9,
    paths: [{ bid: 1, local: ENDS[0]!.lma, remote: ENDS[0]!.mag }],
  };
  await expect(callControl(lma.socket, 'PUT', '/v1/sessions/mn9', session)).rejects.toMatchObject({
    code: 'ROUTE_IN_USE',
  });
  expect(await lma.end()).toBe(0);
  expect(ip(LMA, '-6', 'route', 'show', '2001:db8:9::/64')).toContain('unreachable');
});

test('a session with all addresses comes and goes beside others', async () => {
  const mag = await dataplane('mag', 'encapsulation: udp-gre, interface: wan%');
  const rules = (): string => ip(MAG, 'rule').replaceAll(/\s+/g, ' ');
  const session = {
    prefixes: ['0.0.0.0/0'],
    sendKey: 9,
    receiveKey: 9,
    paths: [{ bid: 1, local: ENDS[0]!.mag, remote: ENDS[0]!.lma, interface: 'wan0' }],
  };
  await callControl(mag.socket, 'PUT', '/v1/sessions/all', session);
  expect(rules()).toContain('8278: from 192.0.2.1 lookup 8278 proto 82 8279: from all lookup 8278 proto 82');
  await callControl(mag.socket, 'DELETE', '/v1/sessions/all');
  expect(rules()).toContain('8278: from 192.0.2.1 lookup 8278 proto 82 32766');
});

/** A second data plane at the LMA's end of the first link. */
function another(port: number, under: readonly string[] = []): Promise<Daemon> {
  const config = `
role: lma
workers: 2
tun: { name: tl1 }
routing: { manage: false }
memory: { sessions: 64, paths: 256, heapMiB: 64 }
sessions:
  - name: mn2
    prefixes: [192.0.2.2/32]
    sendKey: 8
    receiveKey: 9
    paths: [{ bid: 1, local: ${ENDS[0]!.lma}, remote: ${ENDS[0]!.mag}, localPort: ${port} }]
`;
  return Daemon.start(
    LMA,
    'dataplane',
    join(folder, 'other.yaml'),
    config,
    join(folder, 'other.sock'),
    under,
  );
}

test('a UDP port that another instance has is refused, not shared with it', async () => {
  await dataplane('lma');
  await expect(another(5437)).rejects.toThrow(
    `${ENDS[0]!.lma} port 5437: another process has this UDP port, maybe another instance of tunloom`,
  );
  const other = await another(5438);
  daemons.push(other);
  // Of one instance several paths may have it, and come and go.
  const session = {
    prefixes: ['192.0.2.3/32'],
    sendKey: 18,
    receiveKey: 19,
    paths: [{ bid: 1, local: ENDS[0]!.lma, remote: '198.51.100.77', localPort: 5438 }],
  };
  await callControl(other.socket, 'PUT', '/v1/sessions/mn3', session);
  for (const name of ['mn2', 'mn3']) await callControl(other.socket, 'DELETE', `/v1/sessions/${name}`);
  await callControl(other.socket, 'PUT', '/v1/sessions/mn3', session);
});

test('too few files that may be open are told of before anything is done', async () => {
  const limit = ['prlimit', '--nofile=64:64'];
  await expect(another(5438, limit)).rejects.toThrow(/only 64 files may be open .*LimitNOFILE=/);
  expect(ip(LMA, 'link')).not.toContain('tl1');
});

describe('strict reverse path filters', () => {
  const filter = (device: string): string =>
    run('ip', 'netns', 'exec', MAG, 'sysctl', '-n', `net.ipv4.conf.${device}.rp_filter`).trim();

  /** Both paths lead to the address of the LMA that has its best route over wan0; packets of the second come by wan1. */
  beforeEach(() => {
    sysctl(MAG, 'net.ipv4.conf.all.rp_filter=1');
    ip(MAG, 'route', 'add', `${ENDS[0]!.lma}/32`, 'via', ENDS[1]!.lma, 'dev', 'wan1', 'metric', '100');
    ip(MAG, 'route', 'add', `${ENDS[0]!.lma}/32`, 'dev', 'wan0', 'metric', '1');
    ENDS[1]!.lma = ENDS[0]!.lma;
  });
  afterEach(() => {
    ENDS[1]!.lma = SECOND_LMA;
  });

  test.each([
    ['that paths go by', 'interface: wan%', '2'],
    ['that is not that of the best route', 'encapsulation: udp-gre', '0'],
  ])('an interface %s takes what comes by it, while we run', async (_, extra, other) => {
    await dataplane('lma');
    const mag = await dataplane('mag', extra);
    await waitFor(() => states(mag) === 'up,up');
    expect(pings()).toBe(true);
    expect([filter('wan0'), filter('wan1'), filter('tl0')]).toEqual([other, '2', '2']);
    await waitFor(() =>
      mag.log.includes('net.ipv4.conf.wan1.rp_filter was strict (1) and is loose (2) until we end'),
    );
    expect(await mag.end()).toBe(0);
    expect([filter('wan0'), filter('wan1')]).toEqual(['0', '0']);
  });

  test('where routing is not ours to manage, the operator is told', async () => {
    const mag = await dataplane('mag', 'interface: wan%', [], 'manage: false');
    await waitFor(() => mag.log.includes('net.ipv4.conf.wan1.rp_filter is strict (1): what comes by wan1'));
    expect(filter('wan1')).toBe('0');
  });
});
