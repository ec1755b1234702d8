/** A MAG whose two IPv4 WAN links end at a NAT: UDP encapsulation, ports learned, TCP both ways, and a NAT that forgets its mappings. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Readiness } from '../../src/net/readiness.ts';
import { startTraffic } from '../../src/lab/traffic.ts';
import { addNamespace, joinNamespaces, run, waitFor } from '../support/daemon.ts';
import { CORRESPONDENT, Deployment } from '../support/deployment.ts';
import { UdpNat } from '../support/udp-nat.ts';

const LMAA4 = '198.51.100.1';
const OUTSIDE = '203.0.113.1';
const INSIDE = `tlnatin-${process.pid}`;

let net: Deployment;
let nat: UdpNat;
const readiness = new Readiness();

beforeAll(async () => {
  net = new Deployment('nat');
  addNamespace(INSIDE);
  run('ip', '-n', INSIDE, 'address', 'add', `${LMAA4}/32`, 'dev', 'lo');
  // The WAN links lead to the NAT instead of the LMA.
  for (const [i, subnet] of ['192.0.2.0', '192.0.2.128'].entries()) {
    const base = subnet.replace(/\d+$/, '');
    const host = Number(subnet.split('.')[3]);
    run('ip', '-n', net.mag, 'link', 'delete', `wan${i}`);
    joinNamespaces(
      [net.mag, `wan${i}`, `${base}${host + 1}/25`],
      [INSIDE, `wan${i}`, `${base}${host + 126}/25`],
    );
    const via = ['via', `${base}${host + 126}`, 'dev', `wan${i}`, 'metric', String(10 + i)];
    run('ip', '-n', net.mag, 'route', 'add', `${LMAA4}/32`, ...via);
  }
  // The NAT's outside is on the LMA's own host: what is in between does not matter here.
  for (const address of [LMAA4, OUTSIDE])
    run('ip', '-n', net.lma, 'address', 'add', `${address}/32`, 'dev', 'lo');
  nat = new UdpNat(readiness, INSIDE, net.lma, LMAA4, OUTSIDE, [5436, 5437]);
  await net.startLma('', `{ address: ${OUTSIDE} }`, [LMAA4]);
  await net.startMag('natKeepalive: 1s', `{ ipv4: ${LMAA4} }`);
  net.host.set(true);
});

afterAll(async () => {
  await net?.stop();
  nat?.stop();
  await readiness.stop();
  spawnSync('ip', ['netns', 'delete', INSIDE]);
});

async function tcp(direction: 'uplink' | 'downlink', host: string): Promise<number> {
  const ends = [
    { namespace: net.host.namespace, address: host },
    { namespace: net.lma, address: CORRESPONDENT },
  ];
  const [from, to] = direction === 'uplink' ? ends : ends.toReversed();
  const server = startTraffic<{ bytes: number; sha256: string }>({
    kind: 'tcp-server',
    namespace: to!.namespace,
    host: to!.address,
    port: 5001,
  });
  await server.ready;
  const client = startTraffic<{ bytes: number; sha256: string }>({
    kind: 'tcp-client',
    namespace: from!.namespace,
    host: to!.address,
    port: 5001,
    source: from!.address,
    seconds: 1,
  });
  const [received, sent] = await Promise.all([server.result, client.result]);
  expect(received).toMatchObject({ bytes: sent.bytes, sha256: sent.sha256 });
  return received.bytes;
}

test('two paths through a NAT', async () => {
  await net.pathsAre([1, 2]);
  const [binding] = await net.bindings('lma');
  // The LMA sees the NAT's address and ports, and both paths have the one address.
  expect(binding!.paths).toMatchObject([
    { bid: 1, remote: OUTSIDE, encapsulation: 'udp-gre' },
    { bid: 2, remote: OUTSIDE, encapsulation: 'udp-gre' },
  ]);
  expect(new Set(binding!.paths.map(({ port }) => port)).size).toBe(2);
  const address = await net.address();
  await waitFor(() => net.pings());
  expect(await tcp('downlink', address)).toBeGreaterThan(1e5);
  expect(await tcp('uplink', address)).toBeGreaterThan(1e5);
  const [session] = await net.sessions('lma');
  for (const { txPackets, rxPackets } of session!.paths) {
    expect(txPackets).toBeGreaterThan(10);
    expect(rxPackets).toBeGreaterThan(10);
  }
});

test('the NAT forgets its mappings: keepalives show the new ports, and packets arrive again without a registration', async () => {
  const before = nat.mappings();
  nat.forget();
  await waitFor(() => net.pings(), 20_000);
  const after = nat.mappings();
  for (const [sender, port] of Object.entries(before)) {
    if (sender.endsWith('5437')) expect(after[sender]).toBeGreaterThan(port);
  }
  expect(await tcp('downlink', await net.address())).toBeGreaterThan(1e5);
});
