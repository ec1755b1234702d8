/**
 * What reaches the LMA from the access links of a real MAG, and back: DHCP before anything else, a LAN on a delegated prefix, a host
 * that is unplugged. Needs root.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseLmaConfig } from '../../src/config/lma-config.ts';
import { parseMagConfig } from '../../src/config/mag-config.ts';
import { Deployment, FAR_HOST } from '../../src/lab/deployment.ts';
import { lmaConfiguration, magConfiguration } from '../../src/lab/lab-configuration.ts';
import { planPaths } from '../../src/lab/plan.ts';
import { LmaNode } from '../../src/node/lma-node.ts';
import { MagNode } from '../../src/node/mag-node.ts';
import { ROUTE_PROTOCOL } from '../../src/net/host-configuration.ts';
import { withNetlink } from '../../src/net/netlink.ts';
import { withNamespace } from '../../src/net/network-namespace.ts';
import { setLink } from '../../src/net/netlink/link.ts';
import { exchangeSysctl, readSysctl } from '../../src/net/sysctl.ts';
import { run } from '../support/daemon.ts';
import { MobileHost } from '../support/mobile-host.ts';

const OPTIONS = {
  paths: planPaths({ paths: [], weights: '3:2', encapsulation: null, family: '4' }),
  duration: 1,
  workers: 1,
  memory: false,
  static: false,
};
const log = pino({ level: 'silent' });
const undo: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const action of undo.splice(0).reverse()) await action();
});

interface Bench {
  readonly deployment: Deployment;
  readonly lma: LmaNode;
  readonly mag: MagNode;
  /** PBU and PBA as the MAG sees them, and what passes its access links. */
  readonly messages: string[];
}

/** MAG and LMA of the lab, the MAG's file changed by `change`; `hosts` plugs hosts in before it starts. */
async function bench(
  change: (file: Record<string, unknown>) => void,
  hosts: (deployment: Deployment) => void = () => {},
  changeLma: (file: Record<string, unknown>) => void = () => {},
): Promise<Bench> {
  const state = mkdtempSync(join(tmpdir(), 'tunloom-access-'));
  undo.push(() => rmSync(state, { recursive: true }));
  const deployment = new Deployment(OPTIONS.paths, `acc${process.pid}`);
  undo.push(() => deployment.dispose());
  hosts(deployment);
  const file = (text: string, edit: (file: Record<string, unknown>) => void): string => {
    const value = parse(text) as Record<string, unknown>;
    edit(value);
    return stringify(value);
  };
  const lmaText = file(lmaConfiguration(OPTIONS, join(state, 'lma')), changeLma);
  const lma = await LmaNode.start({
    config: parseLmaConfig(lmaText, 'lma.yaml'),
    namespace: deployment.lma,
    log,
  });
  undo.push(() => lma.stop());
  const messages: string[] = [];
  const mag = await MagNode.start({
    config: parseMagConfig(file(magConfiguration(OPTIONS, join(state, 'mag')), change), 'mag.yaml'),
    namespace: deployment.mag,
    log,
    watchAccess: ({ message }) => messages.push(message),
  });
  undo.push(() => mag.stop());
  mag.events.on('event', (event) => {
    if (event.event === 'message') messages.push(event.message);
  });
  return { deployment, lma, mag, messages };
}

function host(deployment: Deployment, device: string, mac: string): MobileHost {
  const made = new MobileHost(`tlah${device}-${process.pid}`, deployment.mag, device, mac);
  undo.push(() => made.dispose());
  return made;
}

function up(deployment: Deployment, device: string): void {
  withNetlink(deployment.mag, (netlink) => netlink.apply([setLink(device, { up: true })]));
}

/** The host forwards nothing by itself: MAG and access side see to their own interfaces. */
function forwardNothing({ mag }: Deployment): void {
  exchangeSysctl(mag, 'ipv4/ip_forward', '0');
  // Older kernels forward IPv6 only where all of the host does.
  if (readSysctl(mag, 'ipv6/conf/all/force_forwarding') !== null) {
    exchangeSysctl(mag, 'ipv6/conf/all/forwarding', '0');
  }
}

test('RFC 5844 §3.4.1: Discover, PBU, PBA, Offer, for a node that has IPv4 only', async () => {
  let mn!: MobileHost;
  const { messages, lma, deployment } = await bench(
    (file) => {
      file['nodes'] = [{ identity: 'v4@example.org', ipv6: false, ipv4: true }];
      file['access'] = [{ name: 'acc1', known: { '02:00:5e:00:53:09': 'v4@example.org' } }];
    },
    (deployment) => {
      forwardNothing(deployment);
      mn = host(deployment, 'acc1', '02:00:5e:00:53:09');
    },
  );
  up(deployment, 'acc1');
  // Router Solicitations would have it registered before it asks for an address.
  mn.set(true, { ipv6: false });
  const { log: lines } = mn.startDhcp();
  await expect.poll(() => readFileSync(lines, 'utf8'), { timeout: 15_000 }).toMatch(/^bound /m);
  // The second path's registration goes on meanwhile.
  const essential = [...new Set(messages)];
  expect(essential.slice(0, 4)).toEqual(['DHCPDISCOVER', 'PBU', 'PBA', 'DHCPOFFER']);
  expect(essential).toContain('DHCPACK');
  const [binding] = lma.bindings();
  expect(binding).toMatchObject({ node: 'v4@example.org', prefixes: [] });
  expect(mn.addresses(4)).toEqual([binding!.homeAddress]);
  const own = binding!.homeAddress!.split('/')[0]!;
  expect(await mn.arps(own, own)).toBe(false);
  expect(mn.reaches(FAR_HOST[4])).toBe(true);
});

test('RFC 5844 §3.4.3: the address that a host releases is free again, and it gets one when it asks', async () => {
  const mac = '02:00:5e:00:53:0b';
  let mn!: MobileHost;
  const { lma, deployment } = await bench(
    (file) => {
      file['nodes'] = [{ identity: 'mn@example.org', ipv4: true }];
      file['access'] = [{ name: 'acc1', known: { [mac]: 'mn@example.org' } }];
    },
    (deployment) => {
      mn = host(deployment, 'acc1', mac);
    },
  );
  up(deployment, 'acc1');
  mn.set(true);
  const { process: client, log: lines } = mn.startDhcp();
  const bound = (): number => readFileSync(lines, 'utf8').match(/^bound /gm)?.length ?? 0;
  await expect.poll(bound, { timeout: 15_000 }).toBe(1);
  await expect.poll(() => mn.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  const atLma = (): unknown[] => lma.bindings().map(({ homeAddress }) => homeAddress);
  expect(atLma()).toEqual(mn.addresses(4));
  client.kill('SIGUSR2');
  await expect.poll(atLma, { timeout: 10_000 }).toEqual([null]);
  // IPv6 does not notice.
  expect(mn.reaches(FAR_HOST[6])).toBe(true);
  client.kill('SIGUSR1');
  await expect.poll(bound, { timeout: 15_000 }).toBe(2);
  expect(atLma()).toEqual([expect.stringMatching(/^\d/)]);
  await expect.poll(() => mn.reaches(FAR_HOST[4]), { timeout: 10_000 }).toBe(true);
});

test('figure 2, steps 9 and 10: hosts on a LAN live on the delegated prefix of a logical mobile node', async () => {
  let lan!: MobileHost;
  const { mag, lma, deployment } = await bench(
    (file) => {
      file['logicalNodes'] = [{ identity: 'box@example.org' }];
      file['lans'] = [{ name: 'lan0', node: 'box@example.org', subnet: 2 }];
    },
    (deployment) => {
      forwardNothing(deployment);
      lan = host(deployment, 'lan0', '02:00:5e:00:53:0a');
      up(deployment, 'lan0');
    },
    (file) => {
      (file['pools'] as Record<string, unknown>)['delegated'] = [{ pool: '2001:db8:d000::/36', length: 56 }];
    },
  );
  await expect.poll(() => mag.bindings()[0]?.paths.map(({ state }) => state)).toEqual(['active', 'active']);
  lan.set(true);
  await expect.poll(() => lan.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  const [delegated] = lma.bindings()[0]!.delegated;
  expect(delegated).toMatch(/^2001:db8:d000:.*\/56$/);
  const own = lan.addresses(6)[0]!.split('/')[0]!;
  expect(own.split(':')[3]).toBe('2');
  expect(lan.reaches(FAR_HOST[6])).toBe(true);
  // The router's own answers, and what goes from one LAN to another, stay here.
  const router = `${own.split(':').slice(0, 4).join(':')}::1`;
  expect(lan.reaches(router)).toBe(true);
  expect(deviceTo(deployment.mag, own, router.replace(/2::1$/, '3::1'), 'lo')).toBe('lan0');
});

/** The device that packets go out by, looked up as the kernel of `namespace` forwards them. */
function deviceTo(namespace: string, to: string, from: string, iif: string): string | undefined {
  const args = ['-n', namespace, '-json', 'route', 'get', to, 'from', from, 'iif', iif];
  const { stdout } = spawnSync('ip', args, { encoding: 'utf8' });
  return stdout.trim() ? (JSON.parse(stdout) as { dev?: string }[])[0]?.dev : undefined;
}

test('nodes of one MAG reach each other, by the LMA; RFC 5213 §6.10.5: nothing leaves but by a tunnel', async () => {
  const hosts: MobileHost[] = [];
  const { deployment, mag } = await bench(
    (file) => {
      file['nodes'] = [{ identity: '*@example.org', ipv4: true }];
      file['access'] = [1, 2].map((n) => ({ name: `acc${n}`, node: `mn${n}@example.org` }));
    },
    (deployment) => {
      forwardNothing(deployment);
      for (const n of [1, 2]) hosts.push(host(deployment, `acc${n}`, `02:00:5e:00:53:1${n}`));
    },
  );
  for (const n of [1, 2]) up(deployment, `acc${n}`);
  for (const one of hosts) one.set(true);
  const [first, second] = hosts as [MobileHost, MobileHost];
  await expect.poll(() => hosts.map((one) => one.addresses(6).length), { timeout: 15_000 }).toEqual([1, 1]);
  const own = first.addresses(6)[0]!.split('/')[0]!;
  const other = second.addresses(6)[0]!.split('/')[0]!;
  await expect.poll(() => first.reaches(other), { timeout: 15_000 }).toBe(true);
  // Out through the tunnel, back through it, and no more: it does not go round.
  const { tunName } = mag.host;
  expect(deviceTo(deployment.mag, other, own, 'acc1')).toBe(tunName);
  expect(deviceTo(deployment.mag, other, own, tunName)).toBe('acc2');
  // What no node has is not sent back by a default route to where it came from.
  const wan = mag.host.dataplane.specs()[0]!.paths[0]!.interface!;
  run('ip', '-n', deployment.mag, '-6', 'route', 'add', 'default', 'dev', wan);
  expect(deviceTo(deployment.mag, '2001:db8:5::1', FAR_HOST[6], tunName)).toBeUndefined();
  // Of a foreign address, and of a node whose session has ended.
  expect(deviceTo(deployment.mag, FAR_HOST[4], '198.51.100.77', 'acc1')).toBe(tunName);
  mag.deregister('mn1@example.org');
  await expect.poll(() => mag.installer.has('mn1@example.org')).toBe(false);
  expect(deviceTo(deployment.mag, FAR_HOST[6], own, 'acc1')).toBe(tunName);
});

test('RFC 7148 §3.2.1: Solicit, PBU, PBA, Reply; the network behind a mobile router is reached by its delegated prefix', async () => {
  let mr!: MobileHost;
  const { messages, lma, deployment } = await bench(
    (file) => {
      file['nodes'] = [{ identity: 'mr@example.org', delegated: ['::/0'] }];
      file['access'] = [{ name: 'acc1', node: 'mr@example.org', attachOn: ['dhcp'] }];
    },
    (deployment) => {
      forwardNothing(deployment);
      mr = host(deployment, 'acc1', '02:00:5e:00:53:0c');
    },
    (file) => {
      (file['pools'] as Record<string, unknown>)['delegated'] = [{ pool: '2001:db8:d000::/36', length: 56 }];
    },
  );
  up(deployment, 'acc1');
  mr.set(true);
  const { log: lines, release } = mr.startPrefixDelegation();
  await expect.poll(() => readFileSync(lines, 'utf8'), { timeout: 20_000 }).toMatch(/^BOUND6 /m);
  const [delegated] = lma.bindings()[0]!.delegated;
  expect(readFileSync(lines, 'utf8')).toContain(`BOUND6 ${delegated}`);
  const essential = [...new Set(messages)].filter((message) => /^(DHCPv6|PB)/.test(message));
  expect(essential).toEqual([
    'DHCPv6 SOLICIT',
    'PBU',
    'PBA',
    'DHCPv6 ADVERTISE',
    'DHCPv6 REQUEST',
    'DHCPv6 REPLY',
  ]);
  // From an address of its inner network, there and back through both tunnels.
  const inside = `${delegated!.split('/')[0]}1`;
  await expect.poll(() => mr.reaches(FAR_HOST[6], inside), { timeout: 10_000 }).toBe(true);
  // §5.1.3.1: what the router gives back, the LMA has again.
  release();
  await expect.poll(() => lma.bindings()[0]!.delegated, { timeout: 15_000 }).toEqual([]);
});

test('a host that is unplugged is de-registered, and comes back with the same prefix', async () => {
  let mn!: MobileHost;
  const { messages, lma, mag, deployment } = await bench(
    (file) => {
      file['access'] = [{ name: 'acc1', node: 'mn1@example.org' }];
    },
    (deployment) => {
      forwardNothing(deployment);
      mn = host(deployment, 'acc1', '02:00:5e:00:53:0b');
    },
  );
  up(deployment, 'acc1');
  mn.set(true);
  await expect.poll(() => mn.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  const [before] = lma.bindings();
  // RFC 5213 §6.9.5: a path of the tunnels turns out to be narrow, and the host is told.
  const { dataplane } = mag.host;
  const mtu = '/proc/sys/net/ipv6/conf/eth0/mtu';
  const told = (): number => Number(withNamespace(mn.namespace, () => readFileSync(mtu, 'utf8')));
  const wide = told();
  const wan = dataplane.specs()[0]!.paths[0]!.interface!;
  withNetlink(deployment.mag, (netlink) => netlink.apply([setLink(wan, { mtu: 1350 })]));
  await expect.poll(told, { timeout: 10_000 }).toBeLessThan(1350);
  expect(wide).toBeGreaterThan(1350);
  expect(told()).toBe(dataplane.innerMtu(dataplane.specs()[0]!.name));
  mn.set(false);
  await expect.poll(() => lma.bindings()[0]?.paths.length, { timeout: 10_000 }).toBe(0);
  await expect.poll(() => messages.filter((message) => message === 'PBA').length).toBeGreaterThanOrEqual(4);
  const routes = withNetlink(deployment.mag, (netlink) => netlink.routes({ protocol: ROUTE_PROTOCOL }));
  expect(routes.filter(({ device }) => device === 'acc1')).toEqual([]);
  mn.set(true);
  await expect.poll(() => lma.bindings()[0]?.paths.length, { timeout: 10_000 }).toBe(2);
  expect(lma.bindings()[0]!.prefixes).toEqual(before!.prefixes);
  // An advertisement may find the host not ready; the next comes after 16 s (RFC 4861 §10, MAX_INITIAL_RTR_ADVERT_INTERVAL).
  await expect.poll(() => mn.reaches(FAR_HOST[6]), { timeout: 30_000 }).toBe(true);
});
