/**
 * `tunloom dataplane --observe` on both hosts of a MAG and an LMA that are not ours: their signaling passes a veth, and packets then
 * pass the tunnels that it agreed on. The LMA is our state machine behind raw sockets, without a data plane.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BindingStatus, SignalingStatus } from '../../src/control/signaling-status.ts';
import { callControl } from '../../src/control/client.ts';
import type { SessionStatus } from '../../src/dataplane/status.ts';
import { encodeWanMetrics } from '../../src/pmipv6/wan-metrics.ts';
import { decodeMessage, encodeMessage } from '../../src/pmipv6/wire/mobility-header.ts';
import { Daemon, addNamespace, joinNamespaces, run, waitFor } from '../support/daemon.ts';
import { LMAA, LmaBench, LTE, type Pbu, WLAN } from '../support/lma-bench.ts';
import { SignalingProbe } from '../support/signaling-probe.ts';

const MAG = `tlobsm-${process.pid}`;
const LMA = `tlobsl-${process.pid}`;
const MN = 'mn1@example.org';
const NODE = '2001:db8:1000::7';
const CORRESPONDENT = '2001:db8:cafe::1';

const folder = mkdtempSync(join(tmpdir(), 'tunloom-observe-'));
const bench = new LmaBench();
let mag: SignalingProbe;
let lma: SignalingProbe;
let atMag: Daemon;
let atLma: Daemon;

const ip = (namespace: string, ...args: string[]): string => run('ip', '-n', namespace, ...args);
const config = (role: 'mag' | 'lma', address: string, extra: string): string => `
role: ${role}
workers: 1
tun: { name: tl0, addresses: ['${address}/128'] }
memory: { sessions: 64, paths: 256, heapMiB: 64 }
routing: { routes: ['${role === 'mag' ? '2001:db8:cafe::/64' : '2001:db8:ffff::/64'}'] }
observe: { ${extra} }
`;

beforeAll(async () => {
  for (const namespace of [MAG, LMA]) addNamespace(namespace);
  joinNamespaces(
    [MAG, 'wan', 'fe80::1/64', `${LTE}/128`, `${WLAN}/128`],
    [LMA, 'wan', 'fe80::2/64', `${LMAA}/128`],
  );
  ip(MAG, 'route', 'add', 'default', 'via', 'fe80::2', 'dev', 'wan');
  ip(LMA, 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'wan');
  atMag = await Daemon.start(
    MAG,
    'dataplane',
    join(folder, 'mag.yaml'),
    config('mag', NODE, `interfaces: [wan], lmas: ['${LMAA}'], tunnels: { mtu: 1500 }`),
    join(folder, 'mag.sock'),
  );
  atLma = await Daemon.start(
    LMA,
    'dataplane',
    join(folder, 'lma.yaml'),
    config('lma', CORRESPONDENT, "interfaces: [wan], mags: ['2001:db8:a::/48', '2001:db8:b::/48']"),
    join(folder, 'lma.sock'),
  );
  mag = new SignalingProbe(MAG);
  lma = new SignalingProbe(LMA);
  // Its socket opens with its first message.
  lma.sendMessage(bench.build({ mn: 'nobody@example.com' }), LMAA, LTE);
});

afterAll(async () => {
  await mag?.stop();
  await lma?.stop();
  await atMag?.end('SIGKILL');
  await atLma?.end('SIGKILL');
  for (const namespace of [MAG, LMA]) spawnSync('ip', ['netns', 'delete', namespace]);
  rmSync(folder, { recursive: true, force: true });
});

/** A PBU over the wire to the LMA and, if it answers, its PBA back. */
async function register(pbu: Pbu): Promise<void> {
  const from = pbu.from ?? LTE;
  mag.sendMessage(bench.build(pbu), from, LMAA);
  const arrived = await lma.next();
  const update = decodeMessage(arrived!.octets);
  if (update.message !== 'binding-update') throw new Error('no PBU came');
  const answer = bench.deliver(update, { from });
  if (answer) lma.sendMessage(answer, LMAA, from);
}

function session(daemon: Daemon): SessionStatus | undefined {
  return daemon.get<SessionStatus[]>('/v1/sessions')[0];
}

/** Echo requests from the node to the correspondent that are answered. */
function ping(): number {
  const { stdout } = spawnSync(
    'ip',
    ['netns', 'exec', MAG, 'ping', '-6', '-c', '20', '-i', '0.01', '-W', '2', '-I', NODE, CORRESPONDENT],
    { encoding: 'utf8' },
  );
  return Number(/(\d+) received/.exec(stdout)?.[1] ?? -1);
}

test('a first path, a second with weights, packets over both, expiry and de-registration', async () => {
  const gre = { option: 'gre-key', key: 0x1111_1111 } as const;
  await register({ bid: 1, label: 11, options: [gre] });
  await waitFor(() => session(atMag) !== undefined && session(atLma) !== undefined);
  const prefixes = bench.installed.get(MN)!.prefixes;
  expect(session(atLma)).toMatchObject({ name: MN, prefixes, sequenced: true });

  const metrics = encodeWanMetrics(32473, 2, { weight: 2 })!;
  const first = encodeWanMetrics(32473, 1, { weight: 3 })!;
  await register({ bid: 1, label: 11, handoff: 5, prefixes, options: [gre, first] });
  await register({ bid: 2, label: 9, from: WLAN, technology: 4, prefixes, options: [gre, metrics] });
  await waitFor(() => [atMag, atLma].every((daemon) => session(daemon)?.paths.length === 2));
  for (const daemon of [atMag, atLma]) {
    await waitFor(() => session(daemon)!.schedule.length === 5);
    expect(session(daemon)).toMatchObject({ schedule: [1, 2, 1, 2, 1] });
    expect(session(daemon)!.paths).toMatchObject([
      { bid: 1, encapsulation: 'gre', weight: 3 },
      { bid: 2, encapsulation: 'gre', weight: 2 },
    ]);
  }
  expect(session(atMag)!.sendKey).toBe(session(atLma)!.receiveKey);
  expect(session(atMag)!.receiveKey).toBe(session(atLma)!.sendKey);
  expect(session(atMag)!.paths[0]).toMatchObject({ local: LTE, remote: LMAA });
  expect(session(atLma)!.paths[0]).toMatchObject({ local: LMAA, remote: LTE });

  await waitFor(() => ping() === 20);
  const sent = session(atMag)!.paths.map(({ txPackets }) => txPackets);
  expect(sent[0]! + sent[1]!).toBeGreaterThanOrEqual(20);
  expect(Math.abs(sent[0]! * 2 - sent[1]! * 3)).toBeLessThanOrEqual(3);

  expect(atLma.get<BindingStatus[]>('/v1/bindings')).toMatchObject([
    {
      session: MN,
      multipath: true,
      weightsFrom: 'signaled weight',
      paths: [{ bid: 1 }, { bid: 2, label: 9 }],
    },
  ]);

  // A short lifetime for BID 2, which runs out; then BID 1 is de-registered.
  await register({
    bid: 2,
    label: 9,
    from: WLAN,
    technology: 4,
    prefixes,
    lifetime: 1,
    options: [gre, metrics],
  });
  await waitFor(() => [atMag, atLma].every((daemon) => session(daemon)?.paths.length === 1), 20_000);
  expect(session(atLma)!.paths).toMatchObject([{ bid: 1 }]);
  await waitFor(() => ping() === 20);
  await register({ bid: 1, label: 11, handoff: 4, prefixes, lifetime: 0 });
  await waitFor(() => !session(atMag) && !session(atLma));
});

test('refusals, forged answers and damaged messages install nothing', async () => {
  await register({ mn: 'mn1@example.com' });
  const update = bench.build({});
  mag.sendMessage(update, LTE, LMAA);
  await lma.next();
  // A PBA from the wrong side, and one whose checksum is wrong.
  const ack = bench.deliver(update)!;
  mag.sendMessage(ack, LTE, LMAA);
  mag.send(encodeMessage(ack), LTE, LMAA);
  const counters = (): Promise<SignalingStatus> =>
    callControl(atLma.socket, 'GET', '/v1/signaling') as Promise<SignalingStatus>;
  await waitFor(async () => ((await counters()).refused['BAD_CHECKSUM'] ?? 0) > 0);
  const { answered, ignored } = await counters();
  expect(Object.keys(answered).some((status) => status.startsWith('status 15'))).toBe(true);
  expect(ignored['wrong-direction']).toBeGreaterThan(0);
  expect(session(atLma)).toBeUndefined();
  expect(session(atMag)).toBeUndefined();
});

test('SIGTERM ends cleanly, and an interface that is not there is named', async () => {
  expect(await atMag.end()).toBe(0);
  expect(ip(MAG, '-o', 'link')).not.toContain('tl0');
  const start = Daemon.start(
    MAG,
    'dataplane',
    join(folder, 'bad.yaml'),
    config('mag', NODE, 'interfaces: [nowhere]'),
    join(folder, 'bad.sock'),
  );
  await expect(start).rejects.toThrow('there is no interface "nowhere" to observe');
});
