/** Flow bindings (RFC 6089) negotiated by the daemons: on the wire, in both data planes, and in what real traffic does. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { callControl } from '../../src/control/client.ts';
import { startTraffic } from '../../src/lab/traffic.ts';
import { run, waitFor } from '../support/daemon.ts';
import { CORRESPONDENT, Deployment } from '../support/deployment.ts';

/** Seen towards the node: what the host's server on port 5001 gets goes over BID 2, what the correspondent's sends likewise. */
const FLOWS =
  '[{ protocol: tcp, destinationPort: 5001, path: 2 }, { protocol: tcp, sourcePort: 5001, path: 2 }]';
const node = (flows: string): string => `{ identity: '*@example.org', flows: ${flows} }`;

let net: Deployment;

beforeEach(() => {
  net = new Deployment('nfl');
});

afterEach(() => net.stop());

/** One for each rule and address family. */
async function flowsAre(count: number): Promise<void> {
  await waitFor(async () => {
    const both = await Promise.all((['mag', 'lma'] as const).map((end) => net.sessions(end)));
    return both.every(([session]) => session!.flows.length === count);
  }, 20_000);
}

/** Packets sent by both ends on each of the two paths. */
async function sentOnPaths(): Promise<[number, number]> {
  const both = await Promise.all((['mag', 'lma'] as const).map((end) => net.sessions(end)));
  const sum = (i: number): number => both.reduce((all, [session]) => all + session!.paths[i]!.txPackets, 0);
  return [sum(0), sum(1)];
}

async function tcp(address: string): Promise<void> {
  const server = startTraffic<{ bytes: number }>({
    kind: 'tcp-server',
    namespace: net.host.namespace,
    host: address,
    port: 5001,
  });
  await server.ready;
  const client = startTraffic<{ bytes: number }>({
    kind: 'tcp-client',
    namespace: net.lma,
    host: address,
    port: 5001,
    source: CORRESPONDENT,
    seconds: 1,
  });
  const [received, sent] = await Promise.all([server.result, client.result]);
  expect(received.bytes).toBe(sent.bytes);
}

test('defined in a PBU, granted in the PBA, obeyed by both ends, kept by refreshes, removed by a reload', async () => {
  const capture = join(net.folder, 'capture.pcap');
  const filter = ['-f', 'ip6 proto 135', '-w', capture];
  const tshark = spawn('ip', ['netns', 'exec', net.lma, 'tshark', '-q', '-i', 'any', ...filter]);
  try {
    await waitFor(() => spawnSync('test', ['-s', capture]).status === 0, 20_000);
    await net.startLma();
    await net.startMag('registration: { lifetime: 8s }', undefined, node(FLOWS));
    net.host.set(true);
    await net.pathsAre([1, 2]);
    const address = await net.address();
    await flowsAre(4);
    await waitFor(() => net.pings());
    const before = await sentOnPaths();
    await tcp(address);
    const after = await sentOnPaths();
    // Neighbours and pings may have used the first path, the stream and its acknowledgements not.
    expect(after[0] - before[0]).toBeLessThan(20);
    expect(after[1] - before[1]).toBeGreaterThan(200);
    // More than a lifetime: bulk re-registrations name the flows.
    await new Promise((resolve) => setTimeout(resolve, 9000));
    await flowsAre(4);
    const file = join(net.folder, 'mag.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(FLOWS, '[]'));
    await callControl(net.magDaemon!.socket, 'POST', '/v1/reload');
    await flowsAre(0);
  } finally {
    tshark.kill('SIGINT');
    await new Promise((resolve) => tshark.once('exit', resolve));
  }
  const text = run('tshark', '-r', capture, '-V', '-Y', 'mip6.mhtype == 5 || mip6.mhtype == 6');
  expect(text).toContain('Flow Identification');
  expect(text).toContain('Flow Summary');
  expect(run('tshark', '-r', capture, '-Y', '_ws.malformed')).toBe('');
});
