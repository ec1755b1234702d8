/** `tunloom mag` as a process: starts, follows its interfaces, stops and leaves nothing behind. Its work is in signaling.test.ts. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { callControl, followControl } from '../../src/control/client.ts';
import type { BindingStatus, SignalingStatus } from '../../src/control/signaling-status.ts';
import { Daemon, addNamespace, run, waitFor } from '../support/daemon.ts';

const NAMESPACE = `tlmagd-${process.pid}`;
let folder: string;
let daemon: Daemon;

const ip = (...args: string[]): string => run('ip', '-n', NAMESPACE, ...args);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  addNamespace(NAMESPACE);
});

afterEach(async () => {
  await daemon?.end('SIGKILL');
  spawnSync('ip', ['netns', 'delete', NAMESPACE]);
  rmSync(folder, { recursive: true });
});

/** What every file of these tests has. */
const common = (): string => `
identity: mag1@example.org
lma: { ipv6: '2001:db8:f::1', ipv4: 203.0.113.1 }
state: ${folder}/state
workers: 1
memory: { sessions: 64, paths: 256, heapMiB: 16, buffers: 1024 }
`;
const start = (config: string): Promise<Daemon> =>
  Daemon.start(NAMESPACE, 'mag', join(folder, 'mag.yaml'), `${common()}${config}`, join(folder, 'mag.sock'));

test('interfaces may come, change and go while it runs; SIGTERM leaves nothing behind', async () => {
  const before = [ip('-6', 'route', 'show', 'table', 'all'), ip('-6', 'rule'), ip('link')];
  daemon = await start('interfaces: [{ name: wan0, bid: 1, label: 1 }]');
  const events: { event: string; up?: boolean; addresses?: string[] }[] = [];
  followControl(daemon.socket, '/v1/events', (event) => events.push(event as { event: string })).catch(
    () => {},
  );
  await waitFor(() => events.length > 0);
  const last = (): unknown => events.filter(({ event }) => event === 'interface').at(-1);
  ip('link', 'add', 'wan0', 'type', 'veth', 'peer', 'name', 'peer0');
  ip('address', 'add', '2001:db8:a::1/64', 'dev', 'wan0', 'nodad');
  ip('link', 'set', 'peer0', 'up');
  ip('link', 'set', 'wan0', 'up');
  await waitFor(() => JSON.stringify(last())?.includes('true') ?? false);
  expect(last()).toMatchObject({ interface: 'wan0', up: true, addresses: ['2001:db8:a::1'] });
  ip('address', 'add', '192.0.2.1/24', 'dev', 'wan0');
  await waitFor(() => JSON.stringify(last()).includes('192.0.2.1'));
  daemon.json('interface', 'wan0', '--down');
  await waitFor(() => JSON.stringify(last()).includes('"up":false'));
  daemon.json('interface', 'wan0', '--up');
  await waitFor(() => JSON.stringify(last()).includes('"up":true'));
  ip('link', 'delete', 'wan0');
  await waitFor(() => JSON.stringify(last()).includes('"up":false'));
  expect(() => daemon.json('interface', 'wan9', '--down')).toThrow(/wan9 is no WAN interface/);
  expect(() => daemon.json('detach', 'nobody@example.org')).toThrow(/there is no node/);
  expect(await callControl(daemon.socket, 'GET', '/v1/signaling')).toMatchObject({
    role: 'mag',
    restartCounter: 1,
  } satisfies Partial<SignalingStatus>);
  expect(await daemon.end()).toBe(0);
  expect([ip('-6', 'route', 'show', 'table', 'all'), ip('-6', 'rule'), ip('link')]).toEqual(before);
});

test('the route by a gateway is there whenever its interface is', async () => {
  daemon = await start(`
interfaces:
  - { name: wan0, bid: 1, label: 1, careOf: '2001:db8:a::1', gateway: '2001:db8:a::ff' }
  - { name: wan1, bid: 2, label: 2, careOf: 198.51.100.1, gateway: 198.51.100.126 }
`);
  const routes = (): string[] =>
    [ip('-6', 'route', 'show', 'table', '8279'), ip('route', 'show', 'table', '8280')].map(
      (text) => text.split(' proto ')[0]!,
    );
  const all = ['default via 2001:db8:a::ff dev wan0', 'default via 198.51.100.126 dev wan1'];
  for (const name of ['wan0', 'wan1']) {
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
    ip('link', 'set', `${name}p`, 'up');
    ip('link', 'set', name, 'up');
  }
  ip('address', 'add', '198.51.100.1/25', 'dev', 'wan1');
  ip('address', 'add', '2001:db8:a::1/64', 'dev', 'wan0', 'nodad');
  await expect.poll(routes).toEqual(all);
  // The kernel keeps the IPv4 address.
  for (const name of ['wan0', 'wan1']) {
    ip('link', 'set', name, 'down');
    ip('link', 'set', name, 'up');
  }
  ip('address', 'add', '2001:db8:a::1/64', 'dev', 'wan0', 'nodad');
  await expect.poll(routes).toEqual(all);
  expect(await daemon.end()).toBe(0);
  expect(routes()).toEqual(['', '']);
});

test('a metric told by hand leaves the others as they are', async () => {
  daemon = await start(`
interfaces: [{ name: wan0, bid: 1, label: 1, metrics: { uplinkRate: 50Mbit, latency: 30ms } }]
logicalNodes: [{ identity: box@example.org }]
`);
  const metrics = (): unknown => daemon.json<BindingStatus[]>('bindings')[0]!.paths[0]!.metrics;
  daemon.json('interface', 'wan0', '--latency', '5ms');
  daemon.json('interface', 'wan0', '--weight', '3');
  expect(metrics()).toEqual({ uplinkRate: 50e6, latency: 5000, weight: 3 });
  daemon.json('interface', 'wan0', '--configured');
  expect(metrics()).toEqual({ uplinkRate: 50e6, latency: 30_000 });
});
