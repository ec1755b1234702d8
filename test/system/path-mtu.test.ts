/**
 * A hop with a smaller MTU in the middle of a path: it is learned from the ICMP errors that come back, sessions and TUN devices follow,
 * and it is forgotten when the kernel forgets. Needs root.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SessionStatus } from '../../src/dataplane/status.ts';
import { Daemon, addNamespace, joinNamespaces, run, waitFor } from '../support/daemon.ts';

const TAG = process.pid;
const [MAG, HOP, LMA] = [`tlpmm-${TAG}`, `tlpmh-${TAG}`, `tlpml-${TAG}`];
const NARROW = 1300;
let folder: string;
const daemons: Daemon[] = [];

const ip = (namespace: string, ...args: string[]): string => run('ip', '-n', namespace, ...args);

/** MAG --1500-- hop --1300-- LMA, for one family. */
function build(family: 4 | 6): { mag: string; lma: string } {
  const mag = family === 4 ? '198.51.100.1' : '2001:db8:a::1';
  const lma = family === 4 ? '203.0.113.1' : '2001:db8:b::1';
  const hop = family === 4 ? ['198.51.100.2', '203.0.113.2'] : ['2001:db8:a::2', '2001:db8:b::2'];
  const length = family === 4 ? 24 : 64;
  for (const namespace of [MAG, HOP, LMA]) addNamespace(namespace);
  run('ip', 'netns', 'exec', HOP, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  [MAG, LMA].forEach((end, i) => {
    joinNamespaces([HOP, `to${i}`, `${hop[i]}/${length}`], [end, 'wan', `${[mag, lma][i]}/${length}`]);
    ip(end, 'route', 'add', 'default', 'via', hop[i]!, 'dev', 'wan');
  });
  ip(HOP, 'link', 'set', 'to1', 'mtu', String(NARROW));
  ip(LMA, 'link', 'set', 'wan', 'mtu', String(NARROW));
  return { mag, lma };
}

async function start(
  role: 'mag' | 'lma',
  local: string,
  remote: string,
  encapsulation: string,
): Promise<Daemon> {
  const keys = role === 'mag' ? [1, 2] : [2, 1];
  const daemon = await Daemon.start(
    role === 'mag' ? MAG : LMA,
    'dataplane',
    join(folder, `${role}.yaml`),
    `
role: ${role}
workers: 1
tun: { name: tl0, addresses: [${role === 'mag' ? '192.0.2.1/32' : '192.0.2.200/32'}] }
routing: { routes: [${role === 'mag' ? '192.0.2.200/32' : '192.0.2.1/32'}] }
memory: { sessions: 64, paths: 256, heapMiB: 64 }
sessions:
  - name: mn1
    prefixes: [192.0.2.1/32]
    sendKey: ${keys[0]}
    receiveKey: ${keys[1]}
    paths: [{ bid: 1, local: '${local}', remote: '${remote}', encapsulation: ${encapsulation} }]
`,
    join(folder, `${role}.sock`),
  );
  daemons.push(daemon);
  return daemon;
}

/** Answers to echo requests of `size` octets in all, that may not be cut. */
function ping(size: number, count: number): { answers: number; output: string } {
  const args = ['-M', 'do', '-s', String(size - 28), '-c', String(count), '-i', '0.05', '-W', '1'];
  const { stdout, stderr } = spawnSync(
    'ip',
    ['netns', 'exec', MAG, 'ping', ...args, '-I', '192.0.2.1', '192.0.2.200'],
    { encoding: 'utf8' },
  );
  return { answers: Number(/(\d+) received/.exec(stdout)?.[1] ?? -1), output: stdout + stderr };
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-mtu-'));
});

afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.end('SIGKILL');
  for (const namespace of [MAG, HOP, LMA]) spawnSync('ip', ['netns', 'delete', namespace]);
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  [4, 'udp-gre', 44],
  [6, 'gre', 52],
] as const)('nobody says that packets are too big: IPv%d, %s', async (family, by, overhead) => {
  const { mag, lma } = build(family);
  const silence = family === 4 ? 'icmp type destination-unreachable' : 'icmpv6 type packet-too-big';
  for (const [command, ...words] of [
    ['table', 'inet', 'silence'],
    ['chain', 'inet', 'silence', 'out', '{ type filter hook output priority 0; }'],
    ['rule', 'inet', 'silence', 'out', silence, 'drop'],
  ]) {
    run('ip', 'netns', 'exec', HOP, 'nft', 'add', command!, ...words);
  }
  await start('lma', lma, mag, by);
  const atMag = await start('mag', mag, lma, by);
  const mtu = (): number => atMag.json<SessionStatus[]>('sessions')[0]!.paths[0]!.mtu;
  expect(ping(1400, 3).answers).toBe(0);
  await waitFor(() => {
    // Whether somebody asks depends on data.
    ping(100, 1);
    return mtu() <= NARROW && mtu() > NARROW - 8;
  }, 90_000);
  const found = `"event":"blackHole","session":"mn1","bid":1,"mtu":${mtu()}`;
  await waitFor(() => atMag.log.includes(found));
  expect(atMag.log).toContain('do not arrive, though small ones do');
  await waitFor(() => ping(mtu() - overhead, 1).answers === 1);
});

test.each([
  [4, 'gre', 32],
  [4, 'udp-gre', 44],
  [6, 'gre', 52],
  [6, 'udp', 48],
] as const)('IPv%d, %s', async (family, encapsulation, overhead) => {
  const { mag, lma } = build(family);
  const atLma = await start('lma', lma, mag, encapsulation);
  const atMag = await start('mag', mag, lma, encapsulation);
  const session = (daemon: Daemon): SessionStatus => daemon.get<SessionStatus[]>('/v1/sessions')[0]!;
  const tunMtu = (namespace: string): number =>
    Number(/mtu (\d+)/.exec(ip(namespace, 'link', 'show', 'tl0'))![1]);
  // The LMA's own link is narrow: its kernel tells without a packet.
  await waitFor(() => session(atLma).mtu === NARROW - overhead);
  expect(session(atMag).mtu).toBe(1500 - overhead);
  expect(ping(100, 3).answers).toBe(3);

  // Too big for the hop: lost, but its ICMP error is not.
  expect(ping(1400, 3).answers).toBe(0);
  await waitFor(() => session(atMag).mtu === NARROW - overhead);
  expect(session(atMag).paths[0]!.mtu).toBe(NARROW);
  await waitFor(() => tunMtu(MAG) === NARROW - overhead && tunMtu(LMA) === NARROW - overhead);
  const event = `"event":"pathMtuChanged","local":"${mag}","remote":"${lma}","mtu":${NARROW}`;
  await waitFor(() => atMag.log.includes(event));
  expect(ping(NARROW - overhead, 5).answers).toBe(5);
  expect(ping(NARROW - overhead + 1, 1).output).toContain(`mtu=${NARROW - overhead}`);

  // Over IPv6 we remember errors ourselves (test/node/path-mtu.test.ts).
  if (family === 6) return;
  // What the kernel forgets after 10 minutes, it forgets at once when told.
  ip(MAG, family === 4 ? '-4' : '-6', 'route', 'flush', 'cache');
  ip(HOP, 'link', 'set', 'to1', 'mtu', '1500');
  await waitFor(() => session(atMag).mtu === 1500 - overhead);
  await waitFor(() => tunMtu(MAG) === 1500 - overhead);
  expect(await atMag.end()).toBe(0);
});
