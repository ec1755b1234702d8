/** `tunloom lma` in a namespace, spoken to from raw sockets: registrations, refusals, reload, revocation, and nothing left behind. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BindingStatus, SignalingStatus } from '../../src/control/signaling-status.ts';
import type { DataplaneStatus, SessionStatus } from '../../src/dataplane/status.ts';
import { MobilityTransport } from '../../src/net/mobility-transport.ts';
import { Readiness } from '../../src/net/readiness.ts';
import { callControl, followControl } from '../../src/control/client.ts';
import { withTime } from '../../src/pmipv6/replay.ts';
import type { Message } from '../../src/pmipv6/wire/mobility-header.ts';
import { encodeMessage } from '../../src/pmipv6/wire/mobility-header.ts';
import { RevocationFlag } from '../../src/pmipv6/wire/message/revocation.ts';
import { nai } from '../../src/pmipv6/wire/option/identifier.ts';
import { findOption } from '../../src/pmipv6/wire/options.ts';
import { Daemon, addNamespace, run, waitFor } from '../support/daemon.ts';
import { LMAA, LTE, LmaBench, type Pbu, WLAN } from '../support/lma-bench.ts';
import { SignalingProbe } from '../support/signaling-probe.ts';

const NAMESPACE = `tllmad-${process.pid}`;
const KEY = '000102030405060708090a0b0c0d0e0f';
const MN = 'mn1@example.org';

let folder: string;
let probe: SignalingProbe;
let daemon: Daemon;
const bench = new LmaBench();

const config = (extra = ''): string => `
addresses: ['${LMAA}', 198.51.100.1]
state: ${folder}/state
workers: 1
tun: { name: tl0, addresses: ['2001:db8:1000::1/128'] }
memory: { sessions: 64, paths: 256, heapMiB: 16, buffers: 1024 }
pools: { homePrefixes: ['2001:db8:1000::/48'] }
mags:
  - { address: '2001:db8:a::/48' }
  - { address: '2001:db8:b::/48' }
  - { address: 192.0.2.0/24 }
  - { address: '2001:db8:c::1', authentication: { spi: 0x100, key: ${KEY} } }
nodes:
  - identity: '*@example.org'
# On a busy machine a message waits longer than the 300 ms that are allowed by default.
registration: { timestampWindow: 10s }
${extra}`;

const ip = (...args: string[]): string => run('ip', '-n', NAMESPACE, ...args);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  addNamespace(NAMESPACE);
  for (const address of [LMAA, LTE, WLAN, '2001:db8:c::1'])
    ip('address', 'add', `${address}/128`, 'dev', 'lo');
  for (const address of ['198.51.100.1', '192.0.2.7']) ip('address', 'add', `${address}/32`, 'dev', 'lo');
  probe = new SignalingProbe(NAMESPACE);
});

afterEach(async () => {
  await probe.stop();
  await daemon?.end('SIGKILL');
  spawnSync('ip', ['netns', 'delete', NAMESPACE]);
  rmSync(folder, { recursive: true });
});

async function start(extra = '', text = config(extra)): Promise<void> {
  daemon = await Daemon.start(NAMESPACE, 'lma', join(folder, 'lma.yaml'), text, join(folder, 'lma.sock'));
}

/** A PBU whose timestamp is the present. */
function pbu(fields: Pbu): Message {
  bench.now = { ...bench.now, utc: Math.max(Date.now(), bench.now.utc + 1) };
  return bench.build(fields);
}

const bindings = (): BindingStatus[] => daemon.get('/v1/bindings');

test('two PBUs of a MAG make one session with two tunnels; de-registration ends it', async () => {
  await start('weights: { labels: { 11: 3, 9: 2 } }');
  const greKey = { option: 'gre-key', key: 0x1111_1111 } as const;
  probe.sendMessage(pbu({ bid: 1, options: [greKey] }), LTE, LMAA);
  const first = await probe.ack();
  expect(first.status).toBe(0);
  const prefixes = LmaBench.prefixesOf(first);
  probe.sendMessage(pbu({ bid: 2, label: 9, technology: 4, prefixes, options: [greKey] }), WLAN, LMAA);
  expect((await probe.ack()).status).toBe(0);
  expect(bindings()).toMatchObject([
    {
      session: MN,
      prefixes,
      multipath: true,
      weightsFrom: 'labels',
      paths: [
        { bid: 1, remote: LTE, local: LMAA, encapsulation: 'gre', label: 11, weight: 3 },
        { bid: 2, remote: WLAN, encapsulation: 'gre', label: 9, weight: 2 },
      ],
    },
  ]);
  const [session] = daemon.json<SessionStatus[]>('sessions');
  expect(session).toMatchObject({ sendKey: 0x1111_1111, schedule: [1, 2, 1, 2, 1], sequenced: true });
  expect(session!.receiveKey).toBe(findOption(first.options, 'gre-key')!.key);

  probe.sendMessage(pbu({ bid: 1, prefixes, lifetime: 0, handoff: 4, options: [greKey] }), LTE, LMAA);
  expect((await probe.ack()).status).toBe(0);
  expect(bindings()[0]!.paths.map(({ bid }) => bid)).toEqual([2]);
  probe.sendMessage(pbu({ bid: 2, prefixes, lifetime: 0, handoff: 4, options: [greKey] }), WLAN, LMAA);
  expect((await probe.ack()).status).toBe(0);
  expect(bindings()[0]).toMatchObject({ state: 'lingering', paths: [] });
  expect(daemon.json<SessionStatus[]>('sessions')).toEqual([]);
});

test('the answer to a PBU over UDP goes to the port that it came from, and behind a NAT the tunnel is UDP', async () => {
  await start();
  const tlv = 0x0080;
  const options = [{ option: 'gre-key', key: 5 } as const];
  probe.send(encodeMessage(pbu({ flags: tlv, options })), '192.0.2.7', '198.51.100.1', 5436, 40_123);
  const answer = (await probe.next())!;
  expect(answer).toMatchObject({ from: '198.51.100.1', port: 5436, to: '192.0.2.7' });
  expect(answer.message).toMatchObject({ message: 'binding-ack', status: 0 });
  expect(findOption(answer.message.options, 'nat-detection')).toMatchObject({ force: true });
  expect(bindings()[0]!.paths).toMatchObject([{ encapsulation: 'udp-gre', port: 40_123 }]);
});

test('the data port that a NAT gives to a MAG is learned from its keepalive, and packets go there', async () => {
  await start();
  const options = [{ option: 'gre-key', key: 5 } as const];
  probe.send(encodeMessage(pbu({ flags: 0x0080, options })), '192.0.2.7', '198.51.100.1', 5436, 40_123);
  const ack = await probe.ack();
  const key = findOption(ack.options, 'gre-key')!.key!;
  const [prefix] = LmaBench.prefixesOf(ack);
  const readiness = new Readiness();
  const data: Uint8Array[] = [];
  const transport = new MobilityTransport(NAMESPACE, readiness, (datagrams) =>
    // Behind TLV and GRE flags stands the protocol type, 0x88b5 in probes (docs/probes.md).
    data.push(...datagrams.map(({ data }) => data.slice()).filter((octets) => octets[6] !== 0x88)),
  );
  try {
    const nat = transport.open({ local: '192.0.2.7', port: 50_001 });
    const ping = (): void => {
      const node = prefix!.replace('::/64', '::2');
      spawnSync('ip', ['netns', 'exec', NAMESPACE, 'ping', '-c', '1', '-W', '1', '-i', '0.2', node]);
    };
    ping();
    expect(data).toEqual([]);
    const keepalive = Buffer.from('002f000820000000', 'hex');
    const wrong = Buffer.concat([keepalive, Buffer.from([1, 2, 3, 4])]);
    const right = Buffer.concat([keepalive, Buffer.alloc(4)]);
    right.writeUInt32BE(key, 8);
    let keepalives = 0;
    const keepAlive = (octets: Uint8Array): void => {
      keepalives++;
      transport.send(nat, octets, '192.0.2.7', '198.51.100.1', 5437);
    };
    keepAlive(wrong);
    await waitFor(() => {
      // Again and again, as a MAG does.
      keepAlive(right);
      return daemon.log.includes('"port":50001');
    });
    expect(daemon.log).toContain('there is a NAT');
    ping();
    await waitFor(() => data.length > 0);
    // TLV, GRE with key and sequence number, IPv6.
    expect(Buffer.from(data[0]!.subarray(0, 12)).toString('hex')).toMatch(/^002f....300086dd00000005$/);
    // The next registration does not forget it.
    probe.send(
      encodeMessage(pbu({ flags: 0x0080, handoff: 5, prefixes: [prefix!], options })),
      '192.0.2.7',
      '198.51.100.1',
      5436,
      40_123,
    );
    await probe.ack();
    const before = data.length;
    ping();
    await waitFor(() => data.length > before);
    const { drops } = daemon.json<DataplaneStatus>('status');
    expect(drops['keepalive']).toBe(keepalives);
  } finally {
    transport.closeAll();
    await readiness.stop();
  }
});

test('RFC 6275 §9.2: broken messages are dropped, unknown types answered, all counted', async () => {
  await start();
  const good = (): Uint8Array => encodeMessage(pbu({}));
  probe.send(Uint8Array.of(59, 0, 5, 0, 0, 0, 0, 0), LTE, LMAA);
  const unknown = { message: 'unknown', type: 99, data: new Uint8Array(2), options: [] } as const;
  probe.sendMessage(unknown, LTE, LMAA);
  const answer = await probe.next();
  expect(answer!.message).toMatchObject({ message: 'binding-error', status: 2 });
  probe.send(good(), LTE, LMAA);
  probe.send(Uint8Array.of(1, 2, 3), '192.0.2.7', '198.51.100.1', 5436);
  await waitFor(async () => {
    const { refused } = (await callControl(daemon.socket, 'GET', '/v1/signaling')) as SignalingStatus;
    return refused['BAD_CHECKSUM'] === 2 && refused['TRUNCATED'] === 1;
  });
  expect(bindings()).toEqual([]);
});

test('RFC 4285: a peer with a key has to use it; a wrong key, a replay and an old time are refused', async () => {
  await start();
  const peer = '2001:db8:c::1';
  const right = { spi: 0x100, key: Buffer.from(KEY, 'hex') };
  probe.sendMessage(pbu({}), peer, LMAA);
  probe.sendMessage(pbu({}), peer, LMAA, { ...right, key: Buffer.alloc(16) });
  probe.sendMessage(pbu({}), peer, LMAA, { ...right, spi: 0x101 });
  const message = pbu({});
  probe.sendMessage(message, peer, LMAA, right);
  const answer = (await probe.next())!;
  expect(answer.message).toMatchObject({ status: 0 });
  expect(findOption(answer.message.options, 'authentication')).toMatchObject({ spi: 0x100, subtype: 1 });
  probe.sendMessage(message, peer, LMAA, right);
  const revocation: Message = {
    message: 'revocation',
    acknowledgement: false,
    code: 1,
    sequence: 1,
    flags: RevocationFlag.PROXY,
    options: [{ option: 'mn-identifier', ...nai(MN) }],
  };
  probe.sendMessage(revocation, peer, LMAA, right);
  probe.sendMessage(withTime(revocation, Date.now() - 60_000), peer, LMAA, right);
  await waitFor(async () => {
    const { refused } = (await callControl(daemon.socket, 'GET', '/v1/signaling')) as SignalingStatus;
    return (
      refused['authentication-absent'] === 1 &&
      refused['authentication-wrong'] === 1 &&
      refused['authentication-unknown-spi'] === 1 &&
      refused['authentication-replayed'] === 1 &&
      refused['authentication-untimed'] === 1 &&
      refused['authentication-stale'] === 1
    );
  });
  expect(bindings()).toHaveLength(1);
  probe.sendMessage(withTime(revocation, Date.now()), peer, LMAA, right);
  expect((await probe.next())!.message).toMatchObject({
    message: 'revocation',
    acknowledgement: true,
    code: 0,
  });
  expect(bindings()).toEqual([]);
});

test('SIGHUP: nodes that are no longer authorised are revoked, new rules weigh at once, what cannot change is refused', async () => {
  await start();
  probe.sendMessage(pbu({ bid: 1, options: [{ option: 'gre-key', key: 1 }] }), LTE, LMAA);
  await probe.ack();
  const file = join(folder, 'lma.yaml');
  const written = readFileSync(file, 'utf8');
  writeFileSync(file, `${written}weights: { labels: { 11: 7 } }\n`);
  daemon.child.kill('SIGHUP');
  await waitFor(() => daemon.log.includes('"event":"reloaded"'));
  expect(bindings()[0]).toMatchObject({ weightsFrom: 'labels', paths: [{ weight: 7 }] });
  writeFileSync(file, written.replace('2001:db8:1000::/48', '2001:db8:2000::/48'));
  daemon.child.kill('SIGHUP');
  await waitFor(() => daemon.log.includes('pools.homePrefixes: cannot be changed without a restart'));
  writeFileSync(file, written.replace('*@example.org', '*@example.com'));
  daemon.child.kill('SIGHUP');
  expect((await probe.next())!.message).toMatchObject({ message: 'revocation', acknowledgement: false });
  await waitFor(() => bindings().length === 0);
});

test('the operator revokes, sets weights, and follows the events', async () => {
  await start();
  const events: { event: string }[] = [];
  followControl(daemon.socket, '/v1/events', (event) => events.push(event as { event: string })).catch(
    () => {},
  );
  const options = [{ option: 'gre-key', key: 1 } as const];
  await waitFor(() => events.length > 0);
  probe.sendMessage(pbu({ bid: 1, options }), LTE, LMAA);
  const prefixes = LmaBench.prefixesOf(await probe.ack());
  probe.sendMessage(pbu({ bid: 2, prefixes, options }), WLAN, LMAA);
  await probe.ack();
  daemon.json('weights', MN, '1=5');
  expect(bindings()[0]).toMatchObject({ weightsFrom: 'operator', paths: [{ weight: 5 }, { weight: 1 }] });
  expect(() => daemon.json('weights', MN, '1=0', '2=0')).toThrow(/all weights are 0/);
  expect(bindings()[0]).toMatchObject({ weightsFrom: 'operator', paths: [{ weight: 5 }, { weight: 1 }] });
  daemon.json('weights', MN, '--auto');
  expect(bindings()[0]).toMatchObject({ weightsFrom: 'equal', paths: [{ weight: 1 }, { weight: 1 }] });
  daemon.json('revoke', MN, '--bid', '2');
  expect((await probe.next())!.message).toMatchObject({
    message: 'revocation',
    acknowledgement: false,
    code: 1,
  });
  expect(bindings()[0]!.paths.map(({ bid }) => bid)).toEqual([1]);
  expect(() => daemon.json('revoke', 'nobody')).toThrow(/there is no session "nobody"/);
  const names = ['connected', 'sessionAdded', 'pathAdded', 'pathRemoved', 'weightsChosen', 'message', 'log'];
  await waitFor(() => names.every((name) => events.some(({ event }) => event === name)));
});

test('SIGTERM leaves nothing behind, and the restart counter goes up from start to start', async () => {
  const before = [ip('-6', 'route', 'show', 'table', 'all'), ip('-6', 'rule'), ip('link')];
  await start();
  expect(ip('-6', 'route', 'show', '2001:db8:1000::/48')).toContain('dev tl0');
  expect(await daemon.end()).toBe(0);
  expect([ip('-6', 'route', 'show', 'table', 'all'), ip('-6', 'rule'), ip('link')]).toEqual(before);
  expect(readFileSync(join(folder, 'state/restart-counter'), 'utf8')).toBe('1\n');
  await start();
  expect(daemon.json<SignalingStatus>('status')).toBeTruthy();
  expect(readFileSync(join(folder, 'state/restart-counter'), 'utf8')).toBe('2\n');
});

test('a session that the data plane has no room for is rejected, not accepted without a tunnel', async () => {
  daemon = await Daemon.start(
    NAMESPACE,
    'lma',
    join(folder, 'lma.yaml'),
    config().replace('sessions: 64', 'sessions: 1'),
    join(folder, 'lma.sock'),
  );
  probe.sendMessage(pbu({ mn: 'a@example.org' }), LTE, LMAA);
  expect((await probe.ack()).status).toBe(0);
  probe.sendMessage(pbu({ mn: 'b@example.org' }), LTE, LMAA);
  expect((await probe.ack()).status).toBe(130);
  expect(bindings().map(({ node }) => node)).toEqual(['a@example.org']);
});

test('an entry for all addresses without a key is warned of, one with a key is not', async () => {
  const open = (entry: string): string => config().replace('192.0.2.0/24', entry);
  await start('', open('0.0.0.0/0'));
  expect(daemon.log).toContain('mags: 0.0.0.0/0 without authentication: anybody may register nodes');
  expect(daemon.log.match(/"event":"open"/g)).toHaveLength(1);
  await daemon.end();
  await start('', open(`0.0.0.0/0, authentication: { spi: 0x200, key: ${KEY} }`));
  expect(daemon.log).not.toContain('"event":"open"');
});
