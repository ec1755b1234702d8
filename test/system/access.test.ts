/** Linux hosts behind the access side of a MAG configure themselves: SLAAC by the kernel, DHCPv4 by udhcpc, delegated prefixes by dhclient. Needs root. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import {
  ACCESS_DEFAULTS,
  type AccessInterfaceConfig,
  type Attachment,
} from '../../src/access/access-config.ts';
import { DhcpType, encodeDhcp } from '../../src/access/wire/dhcp-message.ts';
import { type AccessOptions, AccessSide } from '../../src/access/access-side.ts';
import type { AccessGrant } from '../../src/pmipv6/access-grant.ts';
import { ROUTE_PROTOCOL } from '../../src/net/host-configuration.ts';
import { Netlink } from '../../src/net/netlink.ts';
import { deleteLink, setLink } from '../../src/net/netlink/link.ts';
import { createNamespace, deleteNamespace, withNamespace } from '../../src/net/network-namespace.ts';
import { Readiness } from '../../src/net/readiness.ts';
import { MobileHost } from '../support/mobile-host.ts';

const MAG = `tlacm-${process.pid}`;
const MAC = '02:00:5e:00:53:01';
const GRANT: AccessGrant = {
  node: 'mn1@example.org',
  interface: 'acc0',
  homePrefixes: [{ prefix: '2001:db8:1::/64', onLink: true }],
  homeAddress: { address: '198.51.100.7', prefixLength: 24, router: '198.51.100.1' },
  delegatedPrefixes: [],
  linkLocal: 'fe80::8278:1',
  lifetime: 600,
  mtu: 1420,
};
const readiness = new Readiness();
const hosts: MobileHost[] = [];
let side: AccessSide | undefined;
let netlink: Netlink;

// A namespace for each test: its links go with it, however the test ends.
beforeEach(() => {
  createNamespace(MAG);
  netlink = new Netlink(MAG);
  netlink.apply([setLink('lo', { up: true })]);
});
afterEach(() => {
  side?.stop();
  side = undefined;
  for (const host of hosts.splice(0)) host.dispose();
  netlink.close();
  deleteNamespace(MAG);
});
afterAll(() => readiness.stop());

function host(number: number, device: string, mac = MAC): MobileHost {
  const made = new MobileHost(`tlach${number}-${process.pid}`, MAG, device, mac);
  hosts.push(made);
  return made;
}

function start(
  interfaces: readonly (Pick<AccessInterfaceConfig, 'name' | 'nodes'> & Partial<AccessInterfaceConfig>)[],
  options: Partial<AccessOptions> = {},
): { side: AccessSide; events: string[]; attachments: Attachment[] } {
  const events: string[] = [];
  const attachments: Attachment[] = [];
  const started = new AccessSide({
    namespace: MAG,
    interfaces: interfaces.map((one) => ({ ...ACCESS_DEFAULTS, ...one })),
    lans: [],
    readiness,
    now: () => performance.now(),
    random: () => 0.1,
    log: (_level, text) => events.push(text),
    ...options,
  });
  side = started;
  started.on('attach', (attachment) => {
    attachments.push(attachment);
    events.push(`attach ${attachment.node} ${attachment.trigger}`);
  });
  started.on('detach', ({ node }) => events.push(`detach ${node}`));
  started.begin();
  return { side: started, events, attachments };
}

function ipInMag(...args: string[]): void {
  execFileSync('ip', ['-n', MAG, ...args]);
}

const FIXED = { by: 'interface', identity: 'mn1@example.org' } as const;

test('a host comes, configures itself for IPv6 by Router Advertisements, and is told when it ends', async () => {
  const mn = host(1, 'acc0');
  const { side, events, attachments } = start([
    { name: 'acc0', nodes: FIXED, attachOn: ['router-solicitation'] },
  ]);
  side.on('attach', () => setTimeout(() => side.grant(GRANT), 50));
  netlink.apply([setLink('acc0', { up: true })]);
  ipInMag('-6', 'address', 'add', 'fe80::99/64', 'dev', 'acc0', 'nodad');
  mn.set(true);
  await expect.poll(() => mn.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  expect(mn.addresses(6)[0]).toMatch(/^2001:db8:1::5eff:fe00:5301\/64$/);
  expect(attachments[0]).toMatchObject({ interface: 'acc0', technology: 3, trigger: 'router-solicitation' });
  expect([...attachments[0]!.linkLayer!]).toEqual([2, 0, 0x5e, 0, 0x53, 1]);
  expect(mn.ip('-6', 'route', 'show', 'default')).toMatchObject([{ gateway: 'fe80::8278:1', dev: 'eth0' }]);
  const mtu = '/proc/sys/net/ipv6/conf/eth0/mtu';
  expect(withNamespace(mn.namespace, () => readFileSync(mtu, 'utf8').trim())).toBe('1420');
  // What the tunnels carry has become less, and then what it was (RFC 5213 §6.9.5).
  for (const learned of [1300, 1500]) {
    side.setMtu('mn1@example.org', learned);
    await expect
      .poll(() => withNamespace(mn.namespace, () => readFileSync(mtu, 'utf8').trim()))
      .toBe(String(Math.min(learned, GRANT.mtu)));
  }
  // The MAG reaches the node by its prefix, and no attachment was told twice once it was served.
  const address = mn.addresses(6)[0]!.split('/')[0]!;
  expect(netlink.routes().find((route) => route.prefix === '2001:db8:1::/64')?.device).toBe('acc0');
  expect(mn.reaches('fe80::8278:1', 'eth0')).toBe(true);
  expect(side.nodes()).toEqual([
    { node: 'mn1@example.org', interface: 'acc0', linkLayer: MAC, attached: true, served: true },
  ]);

  // The farewell comes from the router that the host knows, whatever addresses the interface has by now.
  side.withdraw('mn1@example.org');
  const deprecated = (): unknown =>
    mn
      .ip<{ addr_info: { local: string; deprecated?: boolean }[] }>(
        '-6',
        'address',
        'show',
        'dev',
        'eth0',
      )[0]!
      .addr_info.find(({ local }) => local === address)?.deprecated;
  await expect.poll(deprecated).toBe(true);
  await expect.poll(() => mn.ip('-6', 'route', 'show', 'default')).toEqual([]);
  expect(netlink.routes().some((route) => route.prefix === '2001:db8:1::/64')).toBe(false);
  mn.set(false);
  // The kernel reports carriers once a second.
  await expect.poll(() => events.at(-1)).toBe('detach mn1@example.org');
  // The router's address goes with the node, or each binding would leave one.
  const left = (): string[] => netlink.addresses().map(({ address }) => address);
  await expect.poll(left, { timeout: 40_000 }).not.toContain('fe80::8278:1');
  expect(left()).toContain('fe80::99');
});

test('RFC 5213 §6.9.1.2 item 15: a link-local address that the node has itself is not used', async () => {
  const mn = host(1, 'acc0');
  const taken = 'fe80::5eff:fe00:5301';
  const { side } = start([{ name: 'acc0', nodes: FIXED, attachOn: ['router-solicitation'] }]);
  side.on('attach', () => side.grant({ ...GRANT, linkLocal: taken }));
  netlink.apply([setLink('acc0', { up: true })]);
  mn.set(true);
  await expect.poll(() => mn.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  const own = netlink.addresses().flatMap(({ device, address }) => (device === 'acc0' ? [address] : []));
  expect(own).not.toContain(taken);
  const [route] = mn.ip<{ gateway: string }>('-6', 'route', 'show', 'default');
  expect(own).toContain(route!.gateway);
});

test('a host gets its home address by DHCPv4, renews it, and finds its router and its whole subnet at the MAG', async () => {
  const mn = host(1, 'acc0');
  const { side, attachments } = start([
    { name: 'acc0', nodes: FIXED, attachOn: ['dhcp'], dns: ['203.0.113.53', '2001:db8::53'] },
  ]);
  side.on('attach', () => setTimeout(() => side.grant({ ...GRANT, homePrefixes: [] }), 50));
  netlink.apply([setLink('acc0', { up: true })]);
  mn.set(true);
  const { process: client, log } = mn.startDhcp();
  const lines = (): string[] => readFileSync(log, 'utf8').trim().split('\n');
  const told =
    'ip=198.51.100.7 subnet=255.255.255.0 router=198.51.100.1 mtu=1420 lease=600 serverid=198.51.100.1 dns=203.0.113.53';
  await expect.poll(() => lines().at(-1), { timeout: 15_000 }).toBe(`bound ${told}`);
  expect(attachments[0]!.trigger).toBe('dhcp');
  expect(mn.addresses(4)).toEqual(['198.51.100.7/24']);
  expect(mn.reaches('198.51.100.1')).toBe(true);
  // ARP for another address of the home subnet is answered by the MAG (RFC 5844 §3.2.4), for one outside by nobody.
  expect(await mn.arps('198.51.100.99', '198.51.100.7')).toBe(true);
  expect(await mn.arps('198.51.101.99', '198.51.100.7')).toBe(false);
  // RFC 5227 §2.3, §2.4: an answer to the announcement of its own address would be a conflict.
  expect(await mn.arps('198.51.100.7', '198.51.100.7')).toBe(false);
  client.kill('SIGUSR1');
  await expect.poll(() => lines().at(-1), { timeout: 15_000 }).toBe(`renew ${told}`);
  // Offer, acknowledgement, acknowledgement of the renewal; a client that grew impatient has asked more often.
  expect(side.counters()['acc0']?.['dhcpSent']).toBeGreaterThanOrEqual(3);
});

test('a mobile router is delegated its prefix by DHCPv6, renews it and gives it back', async () => {
  const mn = host(1, 'acc0');
  const { side, events } = start([{ name: 'acc0', nodes: FIXED, attachOn: ['dhcp'] }]);
  const prefix = '2001:db8:ff00::/56';
  const grant = { ...GRANT, homeAddress: null, delegatedPrefixes: [prefix], lifetime: 6 };
  side.on('attach', () => setTimeout(() => side.grant(grant), 50));
  netlink.apply([setLink('acc0', { up: true })]);
  mn.set(true);
  await noticed('acc0');
  const { log, release } = mn.startPrefixDelegation();
  const lines = (): string[] => readFileSync(log, 'utf8').trim().split('\n');
  await expect.poll(() => lines().at(-1), { timeout: 15_000 }).toBe(`BOUND6 ${prefix} old=`);
  expect(events[0]).toBe('attach mn1@example.org dhcp');
  // The binding has been extended: what is renewed after half of its 6 s lives on.
  side.grant({ ...grant, lifetime: 600 });
  const route = (): unknown => netlink.routes().find((one) => one.prefix === prefix);
  expect(route()).toMatchObject({ device: 'acc0', via: expect.stringMatching(/^fe80::/) as string });
  await expect.poll(() => lines().at(-1), { timeout: 15_000 }).toBe(`RENEW6 ${prefix} old=${prefix}`);
  release();
  await expect.poll(route).toBeUndefined();
  // Solicit, Request, Renew, Release: each had its answer.
  expect(side.counters()['acc0']?.['dhcp6Sent']).toBeGreaterThanOrEqual(4);
});

test('several hosts on one interface are told apart by their link-layer addresses', async () => {
  // A bridge in the MAG's namespace stands for a radio cell.
  ipInMag('link', 'add', 'cell', 'type', 'bridge');
  const first = host(1, 'port1', '02:00:5e:00:53:01');
  const second = host(2, 'port2', '02:00:5e:00:53:02');
  const third = host(3, 'port3', '02:00:5e:00:53:03');
  for (const port of ['port1', 'port2', 'port3']) {
    ipInMag('link', 'set', port, 'master', 'cell');
    ipInMag('link', 'set', port, 'up');
  }
  const known = { '02:00:5e:00:53:03': 'alice@example.org' };
  const { side, attachments } = start([
    { name: 'cell', nodes: { by: 'link-layer', known, template: 'mn-%mac%@example.org' } },
  ]);
  side.on('attach', ({ node, linkLayer, interface: device }) => {
    const prefix = `2001:db8:${linkLayer!.at(-1)}::/64`;
    side.grant({
      ...GRANT,
      node,
      interface: device,
      homePrefixes: [{ prefix, onLink: true }],
      homeAddress: null,
    });
  });
  ipInMag('link', 'set', 'cell', 'up');
  await noticed('cell');
  for (const mn of [first, second, third]) mn.set(true);
  for (const [number, mn] of [first, second, third].entries()) {
    await expect.poll(() => mn.addresses(6), { timeout: 10_000 }).toHaveLength(1);
    expect(mn.addresses(6)[0]).toMatch(new RegExp(`^2001:db8:${number + 1}:`));
  }
  expect(new Set(attachments.map(({ node }) => node))).toEqual(
    new Set(['mn-02005e005301@example.org', 'mn-02005e005302@example.org', 'alice@example.org']),
  );
});

test('a host among several that falls silent is given up, and comes back with a sign of life', async () => {
  ipInMag('link', 'add', 'cell', 'type', 'bridge');
  const ports = ['port1', 'port2', 'port3'];
  const [here, gone, old] = ports.map((port, i) => host(i + 1, port, `02:00:5e:00:53:0${i + 1}`));
  for (const port of ports) {
    ipInMag('link', 'set', port, 'master', 'cell');
    ipInMag('link', 'set', port, 'up');
  }
  const { side, events } = start([
    { name: 'cell', nodes: { by: 'link-layer', known: {}, template: '%mac%' }, silence: 6 },
  ]);
  side.on('attach', ({ node, linkLayer, interface: device }) => {
    const number = linkLayer!.at(-1)!;
    // The third has never heard of IPv6: ARP has to find it.
    const homePrefixes = number === 3 ? [] : [{ prefix: `2001:db8:${number}::/64`, onLink: true }];
    const homeAddress = number === 3 ? GRANT.homeAddress : null;
    side.grant({ ...GRANT, node, interface: device, homePrefixes, homeAddress });
  });
  side.on('detach', ({ node }) => side.withdraw(node));
  ipInMag('link', 'set', 'cell', 'up');
  await noticed('cell');
  here!.set(true);
  gone!.set(true);
  old!.set(true, { ipv6: false });
  old!.startDhcp();
  for (const mn of [here!, gone!])
    await expect.poll(() => mn.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  await expect.poll(() => old!.addresses(4), { timeout: 10_000 }).toHaveLength(1);
  // Its link is up as before, but nothing comes through any more; a bridge may take another address when a port leaves it.
  ipInMag('link', 'set', 'port2', 'nomaster');
  ipInMag('link', 'set', 'cell', 'address', '02:00:5e:00:53:fe');
  await expect
    .poll(() => events.filter((event) => event.startsWith('detach')), { timeout: 20_000 })
    .toEqual(['detach 02005e005302']);
  expect(side.nodes().filter(({ attached }) => attached)).toHaveLength(2);
  expect(side.counters()['cell']).toMatchObject({ silentNodes: 1 });
  ipInMag('link', 'set', 'port2', 'master', 'cell');
  // It does not know that it was given up, and speaks to its router as ever; at the router's old address, until that is in doubt.
  const lastEvent = (): string | undefined => {
    gone!.reaches('fe80::8278:1', 'eth0');
    return events.at(-1);
  };
  await expect.poll(lastEvent, { timeout: 20_000 }).toBe('attach 02005e005302 sign-of-life');
});

test('the link fails and comes back: hosts behind a switch, which notice nothing, have service again', async () => {
  ipInMag('link', 'add', 'cell', 'type', 'bridge');
  const ports = ['port1', 'port2'];
  const [mn, old] = ports.map((port, i) => host(i + 1, port, `02:00:5e:00:53:0${i + 1}`));
  for (const port of ports) {
    ipInMag('link', 'set', port, 'master', 'cell');
    ipInMag('link', 'set', port, 'up');
  }
  const { side, events } = start([
    { name: 'cell', nodes: { by: 'link-layer', known: {}, template: '%mac%' }, silence: null },
  ]);
  side.on('attach', ({ node, linkLayer, interface: device }) => {
    const number = linkLayer!.at(-1)!;
    // The second has never heard of IPv6: ARP has to find it.
    const homePrefixes = number === 2 ? [] : [{ prefix: `2001:db8:${number}::/64`, onLink: true }];
    const homeAddress = number === 2 ? GRANT.homeAddress : null;
    side.grant({ ...GRANT, node, interface: device, homePrefixes, homeAddress });
  });
  side.on('detach', ({ node }) => side.withdraw(node));
  ipInMag('link', 'set', 'cell', 'up');
  await noticed('cell');
  mn!.set(true);
  old!.set(true, { ipv6: false });
  old!.startDhcp();
  await expect.poll(() => mn!.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  await expect.poll(() => old!.addresses(4), { timeout: 10_000 }).toHaveLength(1);
  for (const failure of [
    () => ipInMag('link', 'set', 'cell', 'down'),
    // The device is another one afterwards.
    () => ipInMag('link', 'delete', 'cell'),
  ]) {
    events.length = 0;
    failure();
    await expect.poll(() => events.filter((event) => event.startsWith('detach'))).toHaveLength(2);
    if (!netlink.link('cell')) {
      ipInMag('link', 'add', 'cell', 'type', 'bridge');
      for (const port of ports) ipInMag('link', 'set', port, 'master', 'cell');
    }
    ipInMag('link', 'set', 'cell', 'up');
    await expect
      .poll(() => events.filter((event) => event.startsWith('attach')).toSorted(), { timeout: 20_000 })
      .toEqual(['attach 02005e005301 sign-of-life', 'attach 02005e005302 sign-of-life']);
    expect(side.nodes().every(({ served }) => served)).toBe(true);
  }
});

test('a flood of invented link-layer addresses is bounded, and what got no service is forgotten', async () => {
  const mn = host(1, 'acc0');
  netlink.apply([setLink('acc0', { up: true })]);
  let now = 1000;
  const nodes = { by: 'link-layer', known: {}, template: '%mac%@example.org' } as const;
  const { side, events } = start([{ name: 'acc0', nodes, attachOn: ['dhcp'] }], { now: () => now });
  mn.set(true, { ipv6: false });
  await noticed('acc0');
  const client = mn.udp(68);
  const send = async (count: number, from: number): Promise<void> => {
    for (let i = from; i < from + count; i++) {
      client.send(discover(i), '255.255.255.255', 67);
      // The receive buffer holds some hundred.
      if (i % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (i % 64 === 0)
        await expect
          .poll(() => side.counters()['acc0']?.['dhcpReceived'] ?? 0)
          .toBeGreaterThan(i - from - 64);
    }
  };
  try {
    await send(17_000, 0);
    await expect.poll(() => side.counters()['acc0']?.['dhcpReceived']).toBe(17_000);
    expect(side.nodes()).toHaveLength(16_384);
    expect(side.counters()['acc0']?.['tooManyNodes']).toBe(17_000 - 16_384);
    now += 60_000;
    await send(1, 20_000);
    // The newest is refused, as there is no room yet; the timer then finds the old ones.
    await expect.poll(() => side.nodes().length).toBeLessThan(2);
    expect(events.filter((event) => event.startsWith('detach'))).toHaveLength(16_384);
  } finally {
    client.close();
  }
});

/** A DHCPDISCOVER of an invented host. */
function discover(number: number): Uint8Array {
  const hardwareAddress = Uint8Array.of(2, 0, 0, number >> 16, (number >> 8) & 255, number & 255);
  return encodeDhcp({
    op: 1,
    type: DhcpType.DISCOVER,
    transaction: number,
    seconds: 0,
    broadcast: true,
    clientAddress: '0.0.0.0',
    yourAddress: '0.0.0.0',
    relayAddress: '0.0.0.0',
    hardwareAddress,
    options: new Map(),
  });
}

test('hosts on a LAN live on the delegated prefix of a logical mobile node', async () => {
  const lan = host(1, 'lan0');
  const { side } = start([], {
    lans: [{ name: 'lan0', node: 'box@example.org', subnet: 3, dns: [], maxAdvertisementInterval: 600 }],
  });
  netlink.apply([setLink('lan0', { up: true })]);
  lan.set(true);
  side.grant({
    ...GRANT,
    node: 'box@example.org',
    interface: null,
    delegatedPrefixes: ['2001:db8:ab00::/56'],
  });
  await expect.poll(() => lan.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  expect(lan.addresses(6)[0]).toMatch(/^2001:db8:ab00:3:/);
  expect(lan.reaches('2001:db8:ab00:3::1')).toBe(true);
  expect(netlink.routes().find(({ prefix }) => prefix === '2001:db8:ab00::/56')?.device).toBeNull();
});

test('a logical node is the MAG itself: its addresses are on the TUN device for as long as it has them', () => {
  host(1, 'tun0');
  netlink.apply([setLink('tun0', { up: true })]);
  const { side } = start([], { tun: 'tun0' });
  const here = (): string[] =>
    netlink
      .addresses()
      .flatMap(({ device, scope, address, prefixLength }) =>
        device === 'tun0' && scope === 0 ? [`${address}/${prefixLength}`] : [],
      )
      .toSorted();
  const box = { ...GRANT, node: 'box@example.org', interface: null };
  side.grant(box);
  expect(here()).toEqual(['198.51.100.7/32', '2001:db8:1::1/128']);
  side.grant({ ...box, homeAddress: null, homePrefixes: [{ prefix: '2001:db8:2::/56', onLink: true }] });
  expect(here()).toEqual(['2001:db8:2::1/128']);
  // The same identity on an access link is somebody else's host.
  side.grant({ ...box, interface: 'acc0' });
  expect(here()).toEqual([]);
  side.grant(box);
  side.withdraw(box.node);
  expect(here()).toEqual([]);
  side.grant(box);
  side.stop();
  expect(here()).toEqual([]);
});

/** The access side has prepared a new interface: a host's first solicitation would be lost before. */
async function noticed(device: string): Promise<void> {
  const setting = `/proc/sys/net/ipv6/conf/${device}/accept_ra`;
  await expect.poll(() => withNamespace(MAG, () => readFileSync(setting, 'utf8').trim())).toBe('0');
}

test('interfaces may come late and come back; a stop leaves nothing', async () => {
  const { side, events } = start([{ name: 'acc1', nodes: FIXED, attachOn: ['router-solicitation'] }]);
  side.on('attach', () =>
    side.grant({ ...GRANT, interface: 'acc1', delegatedPrefixes: ['2001:db8:ff00::/56'] }),
  );
  const mn = host(1, 'acc1');
  netlink.apply([setLink('acc1', { up: true })]);
  await noticed('acc1');
  mn.set(true);
  await expect.poll(() => mn.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  expect(events[0]).toBe('attach mn1@example.org router-solicitation');
  // A mobile router: its delegated prefix goes by its own link-local address.
  const delegated = (): unknown => netlink.routes().find(({ prefix }) => prefix === '2001:db8:ff00::/56');
  await expect
    .poll(delegated)
    .toMatchObject({ device: 'acc1', via: expect.stringMatching(/^fe80::/) as string });
  netlink.apply([deleteLink('acc1')]);
  await expect.poll(() => events.includes('detach mn1@example.org')).toBe(true);
  const again = host(2, 'acc1');
  netlink.apply([setLink('acc1', { up: true })]);
  await noticed('acc1');
  again.set(true);
  await expect.poll(() => again.addresses(6), { timeout: 10_000 }).toHaveLength(1);
  side.stop();
  expect(netlink.routes({ protocol: ROUTE_PROTOCOL })).toEqual([]);
  const left = netlink.addresses().filter(({ device, scope }) => device === 'acc1' && scope === 0);
  expect(left).toEqual([]);
});
