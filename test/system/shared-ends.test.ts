/** Two static data planes whose paths share local ends but not all settings. Needs root. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DataplaneStatus, PathHealthStatus } from '../../src/dataplane/status.ts';
import { Daemon, addNamespace, joinNamespaces, waitFor } from '../support/daemon.ts';

const ENDS = ['mag', 'lma'] as const;
type End = (typeof ENDS)[number];

const OUTER = { mag: '198.51.100.1', lma: '198.51.100.2' };
const namespaceOf = (end: End): string => `tlse${end}-${process.pid}`;
const daemons = new Map<End, Daemon>();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-ends-'));
  for (const end of ENDS) addNamespace(namespaceOf(end));
  const [near, far] = ENDS.map((end) => [namespaceOf(end), 'wan', `${OUTER[end]}/30`] as const);
  joinNamespaces(near!, far!);
});

afterEach(async () => {
  for (const daemon of daemons.values()) await daemon.end();
  daemons.clear();
  for (const end of ENDS) spawnSync('ip', ['netns', 'delete', namespaceOf(end)]);
  rmSync(folder, { recursive: true });
});

/** Sessions s1, s2 ... of one path each, with these settings. */
async function start(paths: readonly string[]): Promise<void> {
  for (const end of ENDS) {
    const other = end === 'mag' ? 'lma' : 'mag';
    const config = `
role: ${end}
workers: 2
memory: { sessions: 16, paths: 64, heapMiB: 16, buffers: 1024 }
routing: { manage: false }
offload: { link: off }
sessions:
${paths
  .map(
    (path, i) => `
  - name: s${i + 1}
    prefixes: [192.0.2.${i}/32]
    sendKey: ${i + 1}
    receiveKey: ${i + 1}
    paths: [{ bid: 1, local: ${OUTER[end]}, remote: ${OUTER[other]}, ${path} }]`,
  )
  .join('')}
`;
    const file = join(folder, `${end}.yaml`);
    const socket = join(folder, `${end}.sock`);
    daemons.set(end, await Daemon.start(namespaceOf(end), 'dataplane', file, config, socket));
  }
}

const paths = (end: End): PathHealthStatus[] => daemons.get(end)!.get<PathHealthStatus[]>('/v1/paths');

test('packets of every path come to it and to nobody else', async () => {
  await start([
    'encapsulation: udp',
    'encapsulation: udp-gre',
    'encapsulation: gre-in-udp',
    'encapsulation: gre',
    'encapsulation: gre, hopLimit: 32',
  ]);
  await waitFor(() => ENDS.every((end) => paths(end).every(({ state }) => state === 'up')));
  for (const end of ENDS) {
    // What came while the end started has another reason.
    const { drops } = daemons.get(end)!.get<DataplaneStatus>('/v1/status');
    expect(drops).not.toHaveProperty('unknown-key');
    expect(drops).not.toHaveProperty('wrong-path');
  }
});
