/** 10,000 mobile nodes with two bindings each registered at `tunloom lma` by a load generator, extended, and ended with the daemon. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callControl } from '../../src/control/client.ts';
import type { BindingStatus, SignalingStatus } from '../../src/control/signaling-status.ts';
import type { DataplaneStatus } from '../../src/dataplane/status.ts';
import { Daemon, addNamespace, run } from '../support/daemon.ts';
import { LMAA, LTE, WLAN } from '../support/lma-bench.ts';
import { LoadGenerator } from '../support/load-generator.ts';

const NAMESPACE = `tlmany-${process.pid}`;
const NODES = 10_000;
let folder: string;
let daemon: Daemon;
let load: LoadGenerator;

const ip = (...args: string[]): string => run('ip', '-n', NAMESPACE, ...args);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  addNamespace(NAMESPACE);
  for (const address of [LMAA, LTE, WLAN]) ip('address', 'add', `${address}/128`, 'dev', 'lo');
  daemon = await Daemon.start(
    NAMESPACE,
    'lma',
    join(folder, 'lma.yaml'),
    `
addresses: ['${LMAA}']
state: ${folder}/state
workers: 1
memory: { sessions: ${NODES}, paths: ${NODES * 3}, heapMiB: 128, buffers: 1024 }
pools: { homePrefixes: ['2001:db8:1000::/40'] }
mags: [{ address: '2001:db8:a::/48' }, { address: '2001:db8:b::/48' }]
nodes: [{ identity: '*@example.org' }]
registration: { maxUpdatesPerSecond: 1000000, timestampWindow: 10s, minDelayBeforeDelete: 1s }
tunnels: { resequencer: { window: 256 } }
`,
    join(folder, 'lma.sock'),
  );
  load = new LoadGenerator(NAMESPACE, [LTE, WLAN], LMAA);
});

afterAll(async () => {
  await load?.stop();
  await daemon?.end('SIGKILL');
  spawnSync('ip', ['netns', 'delete', NAMESPACE]);
  rmSync(folder, { recursive: true });
});

test('10,000 nodes: every one has its own prefix and two tunnels, nothing is lost on the way', async () => {
  const first = await load.register(NODES, 256);
  expect(first.statuses).toEqual({ 0: 2 * NODES });
  expect(new Set(first.prefixes.values()).size).toBe(NODES);
  const status = (await callControl(daemon.socket, 'GET', '/v1/status')) as DataplaneStatus;
  expect(status).toMatchObject({ sessions: NODES, paths: 2 * NODES });
  const again = await load.register(NODES, 256);
  expect(again.statuses).toEqual({ 0: 2 * NODES });
  expect(again.prefixes).toEqual(first.prefixes);
  const bindings = (await callControl(daemon.socket, 'GET', '/v1/bindings')) as BindingStatus[];
  expect(bindings.every(({ paths }) => paths.length === 2)).toBe(true);
  // One route for the pool, not one a node.
  expect(ip('-6', 'route', 'show', 'dev', 'tunloom0').trim().split('\n')).toHaveLength(1);
  const signaling = (await callControl(daemon.socket, 'GET', '/v1/signaling')) as SignalingStatus;
  expect(signaling).toMatchObject({ overflow: 0, unsent: 0, refused: {} });
  const end = await load.register(NODES, 256, 0);
  expect(end.statuses).toEqual({ 0: 2 * NODES });
  expect(await callControl(daemon.socket, 'GET', '/v1/status')).toMatchObject({ sessions: 0, paths: 0 });
  expect(await daemon.end()).toBe(0);
});
