/** Mobility sockets in a namespace of their own: addresses, ports, interfaces, bursts, and a clean end. */
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/ip.ts';
import { type Datagram, MobilityTransport } from '../../src/net/mobility-transport.ts';
import { Readiness } from '../../src/net/readiness.ts';

const NAMESPACE = `tlmob-${process.pid}`;
const ip = (...args: string[]): void => {
  const { status, stderr } = spawnSync('ip', ['-n', NAMESPACE, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
};

let readiness: Readiness;
let transport: MobilityTransport;
let received: Datagram[];
let waiting: (() => void) | undefined;

beforeAll(() => {
  spawnSync('ip', ['netns', 'add', NAMESPACE]);
  ip('link', 'set', 'lo', 'up');
  for (const address of ['2001:db8::1/128', '2001:db8::2/128', '198.51.100.1/32', '198.51.100.2/32']) {
    ip('address', 'add', address, 'dev', 'lo');
  }
  readiness = new Readiness();
});

afterAll(async () => {
  await readiness.stop();
  spawnSync('ip', ['netns', 'delete', NAMESPACE]);
});

beforeEach(() => {
  received = [];
  transport = new MobilityTransport(NAMESPACE, readiness, (datagrams) => {
    received.push(...datagrams.map((datagram) => ({ ...datagram, data: datagram.data.slice() })));
    waiting?.();
  });
});

afterEach(() => transport.closeAll());

async function arrival(count: number): Promise<readonly Datagram[]> {
  while (received.length < count) {
    await new Promise<void>((resolve) => {
      waiting = resolve;
    });
  }
  return received;
}

describe('Mobility Header over IPv6', () => {
  test('a message comes with both of its addresses, also to a socket for all addresses', async () => {
    const any = transport.open({ local: '::', port: null });
    transport.send(any, Uint8Array.of(59, 0, 5, 0, 1, 2, 3, 4), '2001:db8::2', '2001:db8::1', null);
    const [datagram] = await arrival(1);
    expect(datagram).toEqual({
      socket: any,
      from: '2001:db8::2',
      port: null,
      to: '2001:db8::1',
      // The checksum is the sender's business: the octets come as they were given.
      data: Uint8Array.of(59, 0, 5, 0, 1, 2, 3, 4),
      source: parseAddress('2001:db8::2').bytes,
      destination: parseAddress('2001:db8::1').bytes,
    });
  });

  test('an answer leaves from the address that is named, not from the first of the host', async () => {
    const one = transport.open({ local: '2001:db8::1', port: null });
    const any = transport.open({ local: '::', port: null });
    transport.send(any, new Uint8Array(8), '2001:db8::2', '2001:db8::1', null);
    await arrival(2);
    expect(received.map(({ socket }) => socket).sort()).toEqual([one, any].sort());
    expect(new Set(received.map(({ from }) => from))).toEqual(new Set(['2001:db8::2']));
  });

  test('an address that is not ours is refused', () => {
    const any = transport.open({ local: '::', port: null });
    expect(() => transport.send(any, new Uint8Array(8), '2001:db8::9', '2001:db8::1', null)).toThrow(
      /sendmmsg\(2001:db8::9 to 2001:db8::1\): E/,
    );
  });
});

test('UDP over IPv4 comes with its source port', async () => {
  const server = transport.open({ local: '0.0.0.0', port: 5436 });
  const client = transport.open({ local: '198.51.100.2', port: 40_000 });
  transport.send(client, Uint8Array.of(1, 2, 3), '198.51.100.2', '198.51.100.1', 5436);
  await arrival(1);
  expect(received[0]).toMatchObject({
    socket: server,
    from: '198.51.100.2',
    port: 40_000,
    to: '198.51.100.1',
  });
  transport.send(server, Uint8Array.of(4), '198.51.100.1', '198.51.100.2', 40_000);
  await arrival(2);
  expect(received[1]).toMatchObject({ socket: client, from: '198.51.100.1', port: 5436, to: '198.51.100.2' });
});

test('a socket bound to an interface hears nothing of others', async () => {
  const bound = transport.open({ local: '0.0.0.0', port: 5436, interface: 'lo' });
  expect(() => transport.open({ local: '0.0.0.0', port: 5436, interface: 'nowhere' })).toThrow(/ENODEV/);
  const client = transport.open({ local: '198.51.100.2', port: 40_000 });
  transport.send(client, Uint8Array.of(1), '198.51.100.2', '198.51.100.1', 5436);
  await arrival(1);
  expect(received[0]!.socket).toBe(bound);
});

test('a burst comes whole and in order, and nothing comes to a closed socket', async () => {
  const server = transport.open({ local: '2001:db8::1', port: null });
  const client = transport.open({ local: '2001:db8::2', port: null });
  const burst = 1000;
  for (let i = 0; i < burst; i++) {
    transport.send(
      client,
      Uint8Array.of(i >> 8, i & 255, 0, 0, 0, 0, 0, 0),
      '2001:db8::2',
      '2001:db8::1',
      null,
    );
  }
  await arrival(burst);
  expect(received.map(({ data }) => (data[0]! << 8) | data[1]!)).toEqual(
    Array.from({ length: burst }, (_, i) => i),
  );
  expect(transport.receiveDrops).toBe(0);
  transport.close(server);
  transport.send(client, new Uint8Array(8), '2001:db8::2', '2001:db8::1', null);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(received).toHaveLength(burst);
});
