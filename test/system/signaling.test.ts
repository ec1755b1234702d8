/** RFC 8278 end to end: `tunloom mag` and `tunloom lma` with a host that configures itself, real TCP, and everything that goes wrong. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SignalingStatus } from '../../src/control/signaling-status.ts';
import { Deployment, LMAA, NODE, PATIENT, WAN } from '../support/deployment.ts';
import { run, waitFor } from '../support/daemon.ts';

let net: Deployment;
let tests = 0;

beforeEach(() => {
  net = new Deployment(`sig${tests++}`);
});

afterEach(() => net.stop());

/** Both daemons, both paths, and the host's address. */
async function up(lma = '', mag = ''): Promise<string> {
  await net.startLma(lma);
  await net.startMag(mag);
  net.host.set(true);
  await net.pathsAre([1, 2]);
  return net.address();
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('figure 2: the call flow on the wire, SLAAC, TCP both ways over both paths', async () => {
  const capture = join(net.folder, 'capture.pcap');
  const tshark = spawn('ip', [
    'netns',
    'exec',
    net.lma,
    'tshark',
    '-q',
    '-i',
    'any',
    '-f',
    'ip6 proto 135',
    '-w',
    capture,
  ]);
  try {
    await waitFor(() => spawnSync('test', ['-s', capture]).status === 0, 20_000);
    const address = await up('weights: { labels: { 11: 3, 9: 2 } }', 'weights: { labels: { 11: 3, 9: 2 } }');
    const [binding] = await net.bindings('lma');
    expect(binding).toMatchObject({
      node: NODE,
      peer: 'mag1@example.org',
      multipath: true,
      paths: [
        { bid: 1, remote: WAN[0].mag, label: 11, technology: 8, weight: 3 },
        { bid: 2, remote: WAN[1].mag, label: 9, technology: 4, weight: 2 },
      ],
    });
    expect(address.startsWith(binding!.prefixes[0]!.replace('::/64', ':'))).toBe(true);
    expect(await net.tcp('uplink', address, 1)).toBeGreaterThan(1e6);
    expect(await net.tcp('downlink', address, 1)).toBeGreaterThan(1e6);
    for (const end of ['mag', 'lma'] as const) {
      const [session] = await net.sessions(end);
      const [first, second] = session!.paths;
      expect(session!.schedule).toEqual([1, 2, 1, 2, 1]);
      expect(session!.sequenced).toBe(true);
      // Packet by packet 3:2; a period may have been cut when the second path came.
      expect(Math.abs(first!.txPackets * 2 - second!.txPackets * 3)).toBeLessThan(50);
    }
  } finally {
    tshark.kill('SIGINT');
    await new Promise((resolve) => tshark.once('exit', resolve));
  }
  // The message type, who to whom, and what the option of RFC 8278 says: BID in octet 4 of option 63.
  const rows = run(
    'tshark',
    ...['-r', capture, '-Y', 'mip6.mhtype == 5 || mip6.mhtype == 6', '-T', 'fields'],
    ...[
      '-e',
      'mip6.mhtype',
      '-e',
      'ipv6.src',
      '-e',
      'ipv6.dst',
      '-e',
      'mip6.ba.status',
      '-e',
      'mip6.bu.p_flag',
    ],
  )
    .trim()
    .split('\n')
    .map((row) => row.split('\t').slice(0, 4).join(' ').trim());
  expect(rows.slice(0, 4)).toEqual([
    `5 ${WAN[0].mag} ${LMAA}`,
    `6 ${LMAA} ${WAN[0].mag} 0`,
    `5 ${WAN[1].mag} ${LMAA}`,
    `6 ${LMAA} ${WAN[1].mag} 0`,
  ]);
  const malformed = run('tshark', '-r', capture, '-o', 'ipv6.defragment:TRUE', '-Y', '_ws.malformed');
  expect(malformed).toBe('');
});

test('a WAN link goes and comes back in the middle of a transfer', async () => {
  const address = await up();
  await net.tcp('downlink', address, 4, async () => {
    await pause(700);
    run('ip', '-n', net.lma, 'link', 'set', 'wan1', 'down');
    await net.pathsAre([1]);
    run('ip', '-n', net.lma, 'link', 'set', 'wan1', 'up');
    await net.pathsAre([1, 2]);
  });
  // The other one, the path that registered first.
  await net.tcp('uplink', address, 4, async () => {
    await pause(700);
    run('ip', '-n', net.lma, 'link', 'set', 'wan0', 'down');
    await net.pathsAre([2]);
    run('ip', '-n', net.lma, 'link', 'set', 'wan0', 'up');
    await net.pathsAre([1, 2]);
  });
});

test('a path that dies without a sign: both ends leave it out, and the MAG asks the LMA for its binding', async () => {
  await up();
  const states = async (end: 'mag' | 'lma'): Promise<string> => {
    const [session] = await net.sessions(end);
    return session!.paths.map(({ state }) => state).join();
  };
  await waitFor(() => net.pings());
  const sent = (): number => net.magDaemon!.get<SignalingStatus>('/v1/signaling').sent.PBU ?? 0;
  const before = sent();
  expect(before).toBeGreaterThan(1);
  // What the LMA sends to this care-of address is lost, answers to probes and PBAs alike; both links stay up.
  run('ip', '-n', net.lma, '-6', 'route', 'add', 'blackhole', `${WAN[1].mag}/128`);
  await waitFor(async () => (await states('lma')) === 'up,down');
  // Here heartbeats may have taken the path away already.
  await waitFor(async () => ['up,down', 'up'].includes(await states('mag')));
  await waitFor(() => sent() > before);
  await waitFor(() => net.pings());
  run('ip', '-n', net.lma, '-6', 'route', 'delete', 'blackhole', `${WAN[1].mag}/128`);
  for (const end of ['mag', 'lma'] as const) {
    await waitFor(async () => (await states(end)) === 'up,up', 40_000);
  }
});

test('new weights from the signaling in the middle of a stream: no datagram is lost, doubled or misordered', async () => {
  const address = await up(PATIENT, PATIENT);
  const weightsAre = (weights: readonly number[], from: string): Promise<void> =>
    waitFor(async () => {
      const [binding] = await net.bindings('lma');
      return (
        binding!.weightsFrom === from && binding!.paths.map(({ weight }) => weight).join() === weights.join()
      );
    });
  await net.allDatagramsArrive('downlink', address, async () => {
    for (const [weights, second] of [
      [[5, 1], 1],
      [[5, 7], 7],
    ] as const) {
      net.magDaemon!.json('interface', 'wan0', '--weight', '5');
      net.magDaemon!.json('interface', 'wan1', '--weight', String(second));
      await weightsAre(weights, 'signaled weight');
    }
    // A weight goes before rates for as long as it is there.
    for (const name of ['wan0', 'wan1']) net.magDaemon!.json('interface', name, '--configured');
    net.magDaemon!.json('interface', 'wan0', '--downlink', '50Mbit');
    net.magDaemon!.json('interface', 'wan1', '--downlink', '20Mbit');
    await weightsAre([5, 2], 'rates');
    net.lmaDaemon!.json('weights', NODE, '1=1', '2=4');
    await weightsAre([1, 4], 'operator');
  });
});

describe('restarts', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'of the LMA (%s): the MAG registers again, the host goes on',
    async (signal) => {
      // A busy machine takes its time to start an LMA, and with each PBU in vain the MAG waits twice as long.
      const address = await up('', 'registration: { maxTimeout: 2s }');
      expect(await net.pings()).toBe(true);
      // A restart shows by the Restart Counter, once it is known.
      await waitFor(() => (net.magDaemon!.get<SignalingStatus>('/v1/signaling').received['HB'] ?? 0) > 0);
      await net.lmaDaemon!.end(signal);
      await net.startLma();
      await net.pathsAre([1, 2]);
      await waitFor(() => net.pings(), 20_000);
      expect(await net.tcp('downlink', await net.address(), 1)).toBeGreaterThan(1e5);
      expect(await net.address()).toBe(address);
    },
  );

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'of the MAG (%s): the node has its prefix again',
    async (signal) => {
      const address = await up();
      await net.magDaemon!.end(signal);
      if (signal === 'SIGTERM') {
        expect((await net.bindings('lma')).flatMap(({ paths }) => paths)).toEqual([]);
        expect(run('ip', '-n', net.mag, '-6', 'rule')).not.toContain('8278');
      }
      await net.startMag();
      await net.pathsAre([1, 2]);
      await waitFor(() => net.pings(), 20_000);
      expect(await net.address()).toBe(address);
      expect(await net.tcp('uplink', address, 1)).toBeGreaterThan(1e5);
    },
  );
});

test('attach by hand says what came of it: registered, refused by the LMA, without a profile here', async () => {
  await net.startLma();
  await net.startMag('', undefined, `{ identity: '*@example.org' }, { identity: '*@example.net' }`);
  const attach = (node: string): unknown => net.magDaemon!.json('attach', node);
  expect(attach('mn7@example.org')).toMatchObject({ bids: expect.arrayContaining([1]) });
  expect(() => attach('mn7@example.net')).toThrow(/mn7@example.net is attached, but the LMA refuses it: 153/);
  expect(() => attach('mn7@example.com')).toThrow(/mn7@example.com fits none of `nodes`/);
});

describe('authentication (RFC 4285)', () => {
  const KEY = '000102030405060708090a0b0c0d0e0f';
  const WRONG = 'ff0102030405060708090a0b0c0d0e0f';
  const mags = (key: string): string =>
    ['a', 'b']
      .map((net) => `{ address: '2001:db8:${net}::/64', authentication: { spi: 256, key: ${key} } }`)
      .join(', ');
  const lma = (key: string): string => `{ ipv6: '${LMAA}', authentication: { spi: 256, key: ${key} } }`;

  test('with one key on both sides everything works', async () => {
    await net.startLma('', mags(KEY));
    await net.startMag('', lma(KEY));
    net.host.set(true);
    await net.pathsAre([1, 2]);
    await net.address();
    await waitFor(() => net.pings());
  });

  test('with another key there is no service', async () => {
    await net.startLma('', mags(KEY));
    await net.startMag('', lma(WRONG));
    net.host.set(true);
    await waitFor(async () => {
      const { refused } = net.lmaDaemon!.get<{ refused: Record<string, number> }>('/v1/signaling');
      return (refused['authentication-wrong'] ?? 0) > 1;
    });
    expect(await net.bindings('lma')).toEqual([]);
    expect(await net.sessions('mag')).toEqual([]);
  });
});
