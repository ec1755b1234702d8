/** The netlink client against ip(8): each has to see what the other did. Needs root. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { HostConfiguration, ROUTE_PROTOCOL } from '../../src/net/host-configuration.ts';
import { type InterfaceEvent, InterfaceMonitor } from '../../src/net/interface-monitor.ts';
import { Netlink } from '../../src/net/netlink.ts';
import { deleteAddress, replaceAddress } from '../../src/net/netlink/address.ts';
import { addVeth, deleteLink, setLink } from '../../src/net/netlink/link.ts';
import { deleteRoute, replaceRoute } from '../../src/net/netlink/route.ts';
import { addRule, deleteRule } from '../../src/net/netlink/rule.ts';
import { createNamespace, deleteNamespace } from '../../src/net/network-namespace.ts';
import { Readiness } from '../../src/net/readiness.ts';

const HERE = `tlnl-${process.pid}`;
let netlink: Netlink;

function ip<T>(...args: string[]): T[] {
  const text = execFileSync('ip', ['-n', HERE, '-json', ...args], { encoding: 'utf8' });
  return JSON.parse(text || '[]') as T[];
}

beforeAll(() => {
  createNamespace(HERE);
  netlink = new Netlink(HERE);
  netlink.apply([
    setLink('lo', { up: true }),
    addVeth('va', { name: 'vb', namespaceFd: null }),
    setLink('va', { linkLocal: false }),
    setLink('vb', { linkLocal: false }),
  ]);
});
afterAll(() => {
  netlink.close();
  deleteNamespace(HERE);
});

test('links as ip shows them', () => {
  netlink.apply([setLink('vb', { up: true }), setLink('va', { up: true, mtu: 1400, queueLength: 77 })]);
  const [shown] = ip<Record<string, unknown>>('-details', 'link', 'show', 'dev', 'va');
  expect(shown).toMatchObject({ mtu: 1400, txqlen: 77, inet6_addr_gen_mode: 'none' });
  expect(netlink.link('va')).toMatchObject({
    index: shown!['ifindex'],
    mtu: 1400,
    queueLength: 77,
    up: true,
    carrier: true,
    kind: 'veth',
    address: shown!['address'],
  });
  expect(netlink.link('lo')?.loopback).toBe(true);
  expect(netlink.link('nothere')).toBeNull();
  expect(netlink.links().map((link) => link.name)).toEqual(
    ip<{ ifname: string }>('link', 'show').map((link) => link.ifname),
  );
});

test('addresses', () => {
  netlink.apply([
    replaceAddress('va', '192.0.2.1/24'),
    replaceAddress('va', '2001:db8::1/64'),
    replaceAddress('va', '2001:db8::1/64'),
  ]);
  const [shown] = ip<{ addr_info: { local: string; prefixlen: number }[] }>('address', 'show', 'dev', 'va');
  const info = shown!.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  expect(info).toEqual(['192.0.2.1/24', '2001:db8::1/64']);
  const mine = netlink.addresses().filter((address) => address.device === 'va');
  expect(mine.map((address) => `${address.address}/${address.prefixLength}`)).toEqual(info);
  expect(mine.every((address) => address.usable)).toBe(true);
  netlink.apply([deleteAddress('va', '2001:db8::1/64')]);
  expect(netlink.addresses().some((address) => address.address === '2001:db8::1')).toBe(false);
});

test('routes in the main table and in others, through devices and gateways', () => {
  const routes = [
    { prefix: '198.51.100.0/24', device: 'va' },
    { prefix: '0.0.0.0/0', device: 'va', table: 8278 },
    { prefix: '203.0.113.0/24', device: 'va', via: '192.0.2.9', metric: 5 },
    { prefix: '2001:db8:1::/48', device: 'va', table: 100 },
    { prefix: '2001:db8:2::/48', device: null },
  ];
  netlink.apply(routes.map((route) => replaceRoute(route, ROUTE_PROTOCOL)));
  // Replacing is idempotent.
  netlink.apply(routes.map((route) => replaceRoute(route, ROUTE_PROTOCOL)));
  const shown = (...args: string[]) => ip<Record<string, unknown>>(...args, 'proto', String(ROUTE_PROTOCOL));
  expect(shown('-4', 'route', 'show', 'table', '8278')).toMatchObject([
    { dst: 'default', dev: 'va', scope: 'link' },
  ]);
  expect(shown('-4', 'route', 'show')).toMatchObject([
    { dst: '198.51.100.0/24', dev: 'va' },
    { dst: '203.0.113.0/24', gateway: '192.0.2.9', metric: 5 },
  ]);
  expect(shown('-6', 'route', 'show', 'table', '100')).toMatchObject([{ dst: '2001:db8:1::/48' }]);
  expect(shown('-6', 'route', 'show')).toMatchObject([{ type: 'unreachable', dst: '2001:db8:2::/48' }]);
  const listed = netlink.routes({ protocol: ROUTE_PROTOCOL });
  expect(listed).toHaveLength(5);
  for (const route of routes) {
    expect(listed).toContainEqual(expect.objectContaining({ ...route, table: route.table ?? 254 }));
  }
  expect(netlink.routes({ table: 8278 }).map((route) => route.prefix)).toEqual(['0.0.0.0/0']);
  expect(netlink.routes({ table: 4711 })).toEqual([]);
  netlink.apply(routes.map((route) => deleteRoute(route, ROUTE_PROTOCOL)));
  expect(netlink.routes({ protocol: ROUTE_PROTOCOL })).toEqual([]);
});

test('rules', () => {
  const rules = [
    { family: 4, from: '192.0.2.7', table: 8278, priority: 50 },
    { family: 4, iif: 'va', table: 8278, priority: 51 },
    { family: 6, from: '2001:db8:5::/64', table: 100, priority: 52 },
  ] as const;
  netlink.apply(rules.map((rule) => addRule(rule, ROUTE_PROTOCOL)));
  expect(ip('-4', 'rule', 'show', 'table', '8278')).toMatchObject([
    { priority: 50, src: '192.0.2.7' },
    { priority: 51, iif: 'va' },
  ]);
  expect(netlink.rules().filter((rule) => rule.protocol === ROUTE_PROTOCOL)).toMatchObject([
    { ...rules[0], from: '192.0.2.7/32' },
    rules[1],
    rules[2],
  ]);
  expect(() => netlink.apply([addRule(rules[1], ROUTE_PROTOCOL)])).toThrow(
    /rule add iif va lookup 8278.*EEXIST/,
  );
  netlink.apply(rules.map((rule) => deleteRule(rule, ROUTE_PROTOCOL)));
  expect(netlink.rules().some((rule) => rule.protocol === ROUTE_PROTOCOL)).toBe(false);
});

describe('batches', () => {
  test('of tens of thousands of routes, and the errors in them', () => {
    const routes = Array.from({ length: 20_000 }, (_, i) => ({
      prefix: `2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::/64`,
      device: 'va',
      table: 777,
    }));
    netlink.apply(routes.map((route) => replaceRoute(route, ROUTE_PROTOCOL)));
    expect(netlink.routes({ table: 777 })).toHaveLength(20_000);
    const changes = routes.map((route) => deleteRoute(route, ROUTE_PROTOCOL));
    const bad = deleteRoute({ prefix: '2001:db8:ffff::/48', device: 'va', table: 777 }, ROUTE_PROTOCOL);
    const failures = netlink.attempt([...changes.slice(0, 500), bad, ...changes.slice(500)]);
    expect(failures.map((failure) => failure.change)).toEqual([bad]);
    // Each is an error this time: the answers must fit as well.
    expect(netlink.attempt(changes)).toHaveLength(20_000);
  });

  test('may use a device that they create', () => {
    netlink.apply([
      addVeth('vc', { name: 'vd', namespaceFd: null, address: '02:00:00:00:00:07' }, '02:00:00:00:00:06'),
      setLink('vc', { up: true }),
      deleteLink('vd'),
    ]);
    expect(netlink.link('vc')).toBeNull();
  });

  test('name the device that is not there, and the kernel’s own reason', () => {
    expect(() => netlink.apply([setLink('nothere', { up: true })])).toThrow(
      'link set nothere up true: ENODEV',
    );
    const unreachable = { prefix: '203.0.113.0/24', device: 'va', via: '198.51.100.77' };
    expect(() => netlink.apply([replaceRoute(unreachable, ROUTE_PROTOCOL)])).toThrow(
      'route replace 203.0.113.0/24 via 198.51.100.77 dev va: ENETUNREACH: Nexthop has invalid gateway',
    );
  });
});

test('sequence numbers wrap in the midst of requests and of a batch', () => {
  const old = new Netlink(HERE, undefined, 2 ** 32 - 2);
  try {
    for (let i = 0; i < 4; i++) expect(old.links().map(({ name }) => name)).toContain('va');
  } finally {
    old.close();
  }
  const batch = new Netlink(HERE, undefined, 2 ** 32 - 3);
  try {
    const addresses = ['192.0.2.201/32', '192.0.2.202/32', '192.0.2.203/32'];
    batch.apply(addresses.map((address) => replaceAddress('va', address)));
    const gone = [...addresses, '192.0.2.204/32'].map((address) => deleteAddress('va', address));
    expect(batch.attempt(gone).map(({ change }) => change)).toEqual([gone[3]]);
  } finally {
    batch.close();
  }
});

test('a host configuration takes back what it did and what a predecessor left', () => {
  const killed = new HostConfiguration(HERE);
  const inside = { from: '2001:db8:5::/48', to: '2001:db8:5::/48', family: 6, table: 254 } as const;
  killed.addRules([
    { family: 4, from: '192.0.2.50', table: 8278, priority: 60 },
    { family: 6, from: inside.from, table: 8278, priority: 60 },
    { ...inside, priority: 59 },
    { iif: 'va', family: 6, table: 254, specificOnly: true, priority: 59 },
    { iif: 'va', family: 6, table: null, priority: 59 },
  ]);
  expect(netlink.rules().filter((rule) => rule.protocol === ROUTE_PROTOCOL)).toMatchObject([
    { from: '192.0.2.50/32', table: 8278 },
    inside,
    { iif: 'va', table: 254, specificOnly: true },
    { iif: 'va', table: null, specificOnly: false },
    { from: inside.from, to: undefined, table: 8278, specificOnly: false },
  ]);
  killed.addRoutes([{ prefix: '0.0.0.0/0', device: 'va', table: 8278 }]);
  const next = new HostConfiguration(HERE);
  const neighbour = new HostConfiguration(HERE);
  neighbour.addRules([
    { family: 4, from: '192.0.2.51', table: 8378, priority: 60 },
    { from: '2001:db8:6::/48', to: '2001:db8:6::/48', family: 6, table: 254, priority: 59 },
  ]);
  const ospf = replaceRoute({ prefix: '203.0.113.7/32', device: 'va', table: 8278 }, 188);
  netlink.apply([ospf]);
  next.removeLeftovers([8278, 8279], 'va');
  // Routes of a routing daemon and another instance's rules are not ours.
  expect(netlink.routes({ table: 8278 })).toMatchObject([{ prefix: '203.0.113.7/32', protocol: 188 }]);
  const rules = netlink.rules().filter((rule) => rule.protocol === ROUTE_PROTOCOL);
  expect(rules).toMatchObject([{ table: 8378 }, { to: '2001:db8:6::/48' }]);
  neighbour.undo();
  next.addAddress('va', '192.0.2.60/32');
  next.addRoutes([{ prefix: '203.0.113.0/25', device: 'va' }]);
  next.addRoutes([{ prefix: '203.0.113.128/25', device: 'va' }]);
  next.removeRoutes([{ prefix: '203.0.113.0/25', device: 'va' }]);
  expect(netlink.routes({ protocol: ROUTE_PROTOCOL }).map((route) => route.prefix)).toEqual([
    '203.0.113.128/25',
  ]);
  next.undo();
  expect(netlink.routes({ protocol: ROUTE_PROTOCOL })).toEqual([]);
  expect(netlink.addresses().some((address) => address.address === '192.0.2.60')).toBe(false);
  killed.undo();
});

describe('interface monitor', () => {
  const readiness = new Readiness();
  let monitor: InterfaceMonitor | undefined;
  const events: InterfaceEvent[] = [];
  afterEach(() => {
    monitor?.stop();
    monitor = undefined;
    events.length = 0;
  });
  afterAll(() => readiness.stop());

  const start = (): InterfaceMonitor =>
    (monitor = new InterfaceMonitor(HERE, readiness, (event) => events.push(event)));
  const told = async (...wanted: string[]): Promise<void> => {
    const words = (): string[] =>
      events.map((event) =>
        event.event === 'link'
          ? `${event.device} ${event.up ? 'up' : 'down'}`
          : event.event === 'link-gone'
            ? `${event.device} gone`
            : `${event.device} ${event.event} ${event.address.address}`,
      );
    await expect.poll(words, { interval: 5 }).toEqual(wanted);
    events.length = 0;
  };

  test('tells of links and addresses, and nothing twice', async () => {
    netlink.apply([addVeth('vm', { name: 'vn', namespaceFd: null })]);
    netlink.apply([setLink('vm', { linkLocal: false }), setLink('vn', { linkLocal: false })]);
    const watching = start();
    expect(watching.isUp('vm')).toBe(false);
    netlink.apply([setLink('vm', { up: true }), setLink('vn', { up: true })]);
    await told('vn up', 'vm up');
    netlink.apply([replaceAddress('vm', '192.0.2.77/24'), replaceAddress('vm', '192.0.2.77/24')]);
    netlink.apply([replaceAddress('vm', '2001:db8:7::1/64')]);
    await told('vm address 192.0.2.77', 'vm address 2001:db8:7::1');
    expect(watching.addresses('vm').map((address) => address.address)).toEqual([
      '192.0.2.77',
      '2001:db8:7::1',
    ]);
    netlink.apply([deleteAddress('vm', '192.0.2.77/24')]);
    await told('vm address-gone 192.0.2.77');
    // The other end goes down: carrier is lost.
    netlink.apply([setLink('vn', { up: false })]);
    await told('vn down', 'vm down');
    netlink.apply([setLink('vm', { mtu: 1300 }), deleteLink('vm')]);
    await expect.poll(() => watching.addresses('vm')).toEqual([]);
    expect(
      events
        .filter((event) => event.event === 'link-gone')
        .map((event) => event.device)
        .sort(),
    ).toEqual(['vm', 'vn']);
  });

  test('catches up when the kernel’s queue overflows', async () => {
    start();
    // All in one turn of the event loop: some thousand events, none of them read.
    for (let i = 0; i < 3000; i++) netlink.apply([setLink('va', { mtu: 1400 + (i & 1) })]);
    netlink.apply([replaceAddress('va', '192.0.2.99/32'), deleteAddress('va', '192.0.2.1/24')]);
    await told('va address-gone 192.0.2.1', 'va address 192.0.2.99');
  });
});
