/** Two static data planes, one of which starts again with the keys and the numbers that it began with before. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PathHealthStatus, SessionStatus } from '../../src/dataplane/status.ts';
import { Daemon, addNamespace, joinNamespaces, waitFor } from '../support/daemon.ts';

const ENDS = ['mag', 'lma'] as const;
type End = (typeof ENDS)[number];

const folder = mkdtempSync(join(tmpdir(), 'tunloom-restart-'));
const namespaceOf = (end: End): string => `tlre${end}-${process.pid}`;
const outer = { mag: '198.51.100.1', lma: '198.51.100.2' };
const inner = { mag: '192.0.2.1', lma: '192.0.2.130' };
const daemons = new Map<End, Daemon>();

async function start(end: End): Promise<void> {
  const other = end === 'mag' ? 'lma' : 'mag';
  const [sendKey, receiveKey] = end === 'mag' ? [1, 2] : [2, 1];
  const config = `
role: ${end}
workers: 1
memory: { sessions: 16, paths: 64, heapMiB: 16, buffers: 1024 }
tun: { name: tun0, addresses: [${inner[end]}/25] }
${end === 'mag' ? 'routing: { routes: [192.0.2.128/25] }' : ''}
sessions:
  - name: site
    prefixes: [192.0.2.0/25]
    sendKey: ${sendKey}
    receiveKey: ${receiveKey}
    paths:
      - { bid: 1, local: ${outer[end]}, remote: ${outer[other]} }
      - { bid: 2, local: ${outer[end]}, remote: ${outer[other]}, localPort: 5438, remotePort: 5438 }
`;
  const file = join(folder, `${end}.yaml`);
  daemons.set(
    end,
    await Daemon.start(namespaceOf(end), 'dataplane', file, config, join(folder, `${end}.sock`)),
  );
}

beforeAll(async () => {
  for (const end of ENDS) addNamespace(namespaceOf(end));
  const [near, far] = ENDS.map((end) => [namespaceOf(end), 'wan', `${outer[end]}/30`] as const);
  joinNamespaces(near!, far!);
  for (const end of ENDS) await start(end);
});

afterAll(async () => {
  for (const daemon of daemons.values()) await daemon.end();
  for (const end of ENDS) spawnSync('ip', ['netns', 'delete', namespaceOf(end)]);
  rmSync(folder, { recursive: true });
});

/** How many of `count` echoes come back. */
function pings(count: number): number {
  const command = ['ping', '-c', String(count), '-i', '0.02', '-W', '2', '-I', inner.mag, inner.lma];
  const { stdout } = spawnSync('ip', ['netns', 'exec', namespaceOf('mag'), ...command], { encoding: 'utf8' });
  return Number(/(\d+) received/.exec(stdout)?.[1]);
}

const measured = (end: End): boolean =>
  daemons
    .get(end)!
    .get<PathHealthStatus[]>('/v1/paths')
    .every(({ state }) => state === 'up');

test.each(ENDS)(
  'the %s starts again: its first packets are not taken for those it sent before',
  async (end) => {
    await waitFor(() => ENDS.every(measured));
    expect(pings(30)).toBe(30);
    await daemons.get(end)!.end('SIGKILL');
    await start(end);
    await waitFor(() => ENDS.every(measured));
    expect(pings(20)).toBe(20);
    for (const one of ENDS) {
      const [session] = daemons.get(one)!.get<SessionStatus[]>('/v1/sessions');
      expect(session!.resequencer.duplicates).toBe(0);
    }
  },
);
