/** The control socket's requests and errors, by injection, on a real session store without workers. */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { closeServer } from '../../src/control/close-server.ts';
import { listenMetrics } from '../../src/control/metrics-server.ts';
import { buildControlServer, metricsText } from '../../src/control/server.ts';
import { TunloomError } from '../../src/errors.ts';
import { BenchNode } from '../support/bench-node.ts';
import { controlOf } from '../support/control.ts';

const body = {
  prefixes: ['2001:db8:7::/64'],
  sendKey: 7,
  receiveKey: 8,
  paths: [
    { bid: 1, local: '203.0.113.1', remote: '198.51.100.1', weight: 3 },
    { bid: 2, local: '203.0.113.1', remote: '198.51.100.5', weight: 2 },
  ],
};

test('a session is installed, changed, asked for and removed', async () => {
  let changes = 0;
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => changes++,
    reload: () => Promise.reject(new Error('not here')),
  });
  const put = await server.inject({ method: 'PUT', url: '/v1/sessions/mn7', payload: body });
  expect(put.statusCode).toBe(200);
  expect(put.json()).toMatchObject({ name: 'mn7', schedule: [1, 2, 1, 2, 1] });

  const weights = await server.inject({
    method: 'PUT',
    url: '/v1/sessions/mn7/weights',
    payload: { weights: { 1: 1, 2: 1 } },
  });
  expect(weights.json()).toMatchObject({ schedule: [1, 2] });

  const metrics = await server.inject({ url: '/metrics' });
  expect(metrics.body).toContain('tunloom_dropped_packets_total{reason="ecn"} 7');
  expect(metrics.body).toContain('tunloom_super_packets_total{place="path-rx"} 5');
  expect(metrics.body).toContain('tunloom_path_sent_packets_total{session="mn7",bid="1",path="bid1"} 0');

  const second = await server.inject({
    method: 'PUT',
    url: '/v1/sessions/mn8',
    payload: { ...body, receiveKey: 9 },
  });
  expect(second.statusCode).toBe(409);
  expect(second.json()).toMatchObject({ error: { code: 'PREFIX_IN_USE' } });

  expect((await server.inject({ method: 'DELETE', url: '/v1/sessions/mn7' })).statusCode).toBe(200);
  expect((await server.inject({ url: '/v1/sessions/mn7' })).statusCode).toBe(404);
  expect(changes).toBe(3);
});

test('a session whose routes cannot be had is not there, or is as it was, and may be put again', async () => {
  let inUse = true;
  const control = controlOf(new BenchNode('lma'));
  const server = buildControlServer({
    control,
    changed: () => {
      if (inUse && control.sessions().some(({ prefixes }) => prefixes.includes('2001:db8:7::/64')))
        throw new TunloomError('ROUTE_IN_USE', 'this host has a route to it');
    },
    reload: () => Promise.reject(new Error('not here')),
  });
  const put = async (payload: object): Promise<number> =>
    (await server.inject({ method: 'PUT', url: '/v1/sessions/mn7', payload })).statusCode;
  expect(await put(body)).toBe(409);
  expect(control.sessions()).toEqual([]);
  const other = ['2001:db8:8::/64'];
  expect(await put({ ...body, prefixes: other })).toBe(200);
  for (let again = 0; again < 2; again++) expect(await put(body)).toBe(409);
  expect(control.session('mn7').prefixes).toEqual(other);
  inUse = false;
  expect(await put(body)).toBe(200);
});

test('paths are added, replaced and removed one by one; a repeated PUT changes nothing', async () => {
  let changes = 0;
  const control = controlOf(new BenchNode('lma'));
  const server = buildControlServer({
    control,
    changed: () => changes++,
    reload: () => Promise.reject(new Error('not here')),
  });
  const call = async (
    method: 'PUT' | 'DELETE',
    url: string,
    payload?: object,
  ): Promise<[number, unknown]> => {
    const response = await server.inject({ method, url, ...(payload ? { payload } : {}) });
    return [response.statusCode, response.json()];
  };
  const third = { local: '203.0.113.1', remote: '198.51.100.9', encapsulation: 'gre', weight: 5 };
  await call('PUT', '/v1/sessions/mn7', body);
  expect(await call('PUT', '/v1/sessions/mn7', body)).toMatchObject([200, { name: 'mn7' }]);
  expect(changes).toBe(1);
  expect(await call('PUT', '/v1/sessions/mn7/paths/3', third)).toMatchObject([
    200,
    { paths: [{ bid: 1 }, { bid: 2 }, { bid: 3, encapsulation: 'gre', weight: 5 }] },
  ]);
  await call('PUT', '/v1/sessions/mn7/paths/3', third);
  expect(changes).toBe(2);
  expect(await call('PUT', '/v1/sessions/mn7/paths/1', { ...third, remote: '198.51.100.11' })).toMatchObject([
    200,
    { paths: [{ bid: 1, remote: '198.51.100.11' }, { bid: 2 }, { bid: 3 }] },
  ]);
  expect(await call('DELETE', '/v1/sessions/mn7/paths/2')).toMatchObject([
    200,
    { paths: [{ bid: 1 }, { bid: 3 }] },
  ]);
  expect(await call('DELETE', '/v1/sessions/mn7/paths/2')).toMatchObject([
    404,
    { error: { code: 'UNKNOWN_BID' } },
  ]);
  await call('DELETE', '/v1/sessions/mn7/paths/1');
  expect(await call('DELETE', '/v1/sessions/mn7/paths/3')).toMatchObject([
    409,
    { error: { code: 'LAST_PATH' } },
  ]);
  for (const [bid, payload, message] of [
    [0, third, '"0" is not a BID'],
    [4, { ...third, bid: 5 }, 'bid: got 5, but the URL says 4'],
    [4, { ...third, remote: 'nowhere' }, 'remote: "nowhere"'],
    [4, { ...third, color: 'red' }, 'color'],
    [4, { ...third, remote: '198.51.100.9' }, 'remote: BID 3 has the same ends'],
  ] as const) {
    const [status, answer] = await call('PUT', `/v1/sessions/mn7/paths/${bid}`, payload);
    expect([status, answer]).toMatchObject([400, { error: { code: 'BAD_PATH' } }]);
    expect((answer as { error: { message: string } }).error.message).toContain(message);
  }
  expect(control.spec('mn7').paths).toHaveLength(1);
});

test('sessions are found by prefix, address, key and ends of their paths', async () => {
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
  });
  for (const n of [7, 8]) {
    const payload = {
      prefixes: [`2001:db8:${n}::/64`, `192.0.2.${n}/32`],
      sendKey: n,
      receiveKey: 1000 + n,
      paths: [{ bid: 1, local: '203.0.113.1', remote: `198.51.100.${n}` }],
    };
    await server.inject({ method: 'PUT', url: `/v1/sessions/mn${n}`, payload });
  }
  const names = async (query: string): Promise<unknown> => {
    const response = await server.inject({ url: `/v1/sessions?${query}` });
    return response.statusCode === 200
      ? response.json<{ name: string }[]>().map(({ name }) => name)
      : response.json<{ error: { message: string } }>().error.message;
  };
  expect(await names('')).toEqual(['mn7', 'mn8']);
  expect(await names('prefix=2001:0db8:7::/64')).toEqual(['mn7']);
  expect(await names('prefix=2001:db8::/32')).toEqual([]);
  expect(await names('address=2001:db8:8::1:2')).toEqual(['mn8']);
  expect(await names('address=192.0.2.7')).toEqual(['mn7']);
  expect(await names('key=0x3f0')).toEqual(['mn8']);
  expect(await names('key=7')).toEqual(['mn7']);
  expect(await names('local=203.0.113.1')).toEqual(['mn7', 'mn8']);
  expect(await names('local=203.0.113.1&remote=198.51.100.8')).toEqual(['mn8']);
  expect(await names('key=x')).toContain('key=x: is not a GRE key');
  expect(await names('color=red')).toContain('is not one of prefix, address');
});

test.each([
  ['PUT', '/v1/sessions/mn1', { ...body, paths: [] }, 400, 'BAD_SESSION'],
  ['PUT', '/v1/sessions/mn1', 'nonsense', 400, 'BAD_SESSION'],
  ['PUT', '/v1/sessions/mn1/weights', { weights: { 1: -1 } }, 400, 'BAD_WEIGHT'],
  ['PUT', '/v1/sessions/mn1/weights', { weights: { 1: 1 } }, 404, 'UNKNOWN_SESSION'],
  ['DELETE', '/v1/sessions/mn1', undefined, 404, 'UNKNOWN_SESSION'],
  ['PUT', '/v1/sessions/mn1/paths/1', {}, 404, 'UNKNOWN_SESSION'],
  ['DELETE', '/v1/sessions/mn1/paths/1', undefined, 404, 'UNKNOWN_SESSION'],
  ['GET', '/v1/events', undefined, 404, 'NOT_FOUND'],
  ['GET', '/v2/status', undefined, 404, 'NOT_FOUND'],
] as const)('%s %s is refused', async (method, url, payload, status, code) => {
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
  });
  const headers = { 'content-type': 'application/json' };
  const response = await server.inject({
    method,
    url,
    ...(payload === undefined ? {} : { payload: JSON.stringify(payload), headers }),
  });
  expect(response.statusCode).toBe(status);
  expect(response.json()).toMatchObject({ error: { code } });
});

test('what only a MAG or an LMA can do is refused by name elsewhere', async () => {
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
  });
  for (const [method, url, owner] of [
    ['POST', '/v1/revoke', 'an LMA'],
    ['PUT', '/v1/interfaces/wan0', 'a MAG'],
    ['GET', '/v1/bindings/mn1', 'a MAG or LMA'],
  ] as const) {
    const answer = await server.inject({ method, url });
    expect(answer.statusCode).toBe(404);
    const message = `there is no ${method} ${url}: this instance is not ${owner}`;
    expect(answer.json()).toEqual({ error: { code: 'NOT_FOUND', message } });
  }
  expect((await server.inject({ url: '/v1/nonsense' })).json()).toEqual({
    error: { code: 'NOT_FOUND', message: 'there is no GET /v1/nonsense' },
  });
});

test('metrics on a TCP port: that and nothing else', async () => {
  const counts = {
    ...{ role: 'lma' as const, restartCounter: 3, unsent: 1, overflow: 2 },
    ...{ received: { PBU: 7 }, sent: { PBA: 6 }, refused: { 'not-trusted': 4 } },
    ...{ answered: { 0: 5, 180: 1 }, ignored: { 'stale-sequence': 8 } },
  };
  const signaling = { signaling: () => counts };
  const text = (): string => metricsText({ control: controlOf(new BenchNode('lma')), signaling });
  const address = { host: '127.0.0.1', port: await freePort() };
  const close = await listenMetrics(address, text);
  try {
    const base = `http://${address.host}:${address.port}`;
    const answer = await fetch(`${base}/metrics`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = (await answer.text()).split('\n');
    for (const line of [
      'tunloom_sessions 0',
      'tunloom_signaling_received_messages_total{message="PBU"} 7',
      'tunloom_signaling_acknowledgements_total{status="180"} 1',
      'tunloom_signaling_refused_messages_total{reason="not-trusted"} 4',
      'tunloom_signaling_ignored_messages_total{reason="stale-sequence"} 8',
      'tunloom_signaling_restart_counter 3',
    ]) {
      expect(lines).toContain(line);
    }
    expect((await fetch(`${base}/v1/status`)).status).toBe(404);
    expect((await fetch(`${base}/v1/reload`, { method: 'POST' })).status).toBe(404);
    await expect(listenMetrics(address, text)).rejects.toThrow(
      `metrics.listen: 127.0.0.1 port ${address.port}: EADDRINUSE`,
    );
  } finally {
    await close();
  }
});

test('connections on which nothing is asked neither keep a server from closing nor take all descriptors', async () => {
  const address = { host: '127.0.0.1', port: await freePort() };
  const close = await listenMetrics(address, () => 'text');
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
  });
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
  const silent = (to: number): Promise<Socket> =>
    new Promise((resolve) => {
      const socket: Socket = connect({ host: '127.0.0.1', port: to }, () => resolve(socket.resume()));
      socket.on('error', () => {});
    });
  const sockets = await Promise.all([
    silent(Number(port)),
    ...Array.from({ length: 40 }, () => silent(address.port)),
  ]);
  await expect.poll(() => sockets.filter(({ destroyed }) => destroyed).length).toBe(8);
  sockets[1]!.destroy();
  await expect.poll(async () => (await fetch(`http://127.0.0.1:${address.port}/metrics`)).status).toBe(200);
  // One that is never cut off would keep them for more than a test may last.
  await Promise.all([close(), closeServer(server)]);
  for (const socket of sockets) socket.destroy();
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

test('whatever is wrong with a request, the answer says so in one form', async () => {
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
  });
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
  const exchange = (request: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => socket.end(request));
      socket.on('data', (data) => (answer += data.toString()));
      socket.on('end', () => resolve(answer));
      socket.on('error', reject);
    });
  for (const request of [
    'nonsense\r\n\r\n',
    'GET /v1/sessions/%ff HTTP/1.1\r\nhost: x\r\n\r\n',
    `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    'PUT /v1/sessions/mn1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{',
  ]) {
    const [head, body] = (await exchange(request)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(body!)).toEqual({ error: { code: 'BAD_REQUEST', message: expect.any(String) } });
  }
  await server.close();
});

test('long names, and JSON that is announced but not there', async () => {
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
  });
  // As an NAI may be, after which an LMA names sessions.
  const absent = await server.inject({ url: `/v1/sessions/${'n'.repeat(240)}%40example.org` });
  expect(absent.json()).toMatchObject({ error: { code: 'UNKNOWN_SESSION' } });
  const url = '/v1/sessions/mn7';
  await server.inject({ method: 'PUT', url, payload: body });
  const headers = { 'content-type': 'application/json' };
  const removal = await server.inject({ method: 'DELETE', url, headers, payload: '' });
  expect(removal.json()).toEqual({});
});

test.each([
  ['203.0.113.1', 'paths[0].remote: 203.0.113.1 is the local address'],
  ['224.0.0.1', 'paths[0].remote: 224.0.0.1 is not the address of a single host'],
  ['255.255.255.255', 'paths[0].remote: 255.255.255.255 is not'],
  ['0.0.0.0', 'paths[0].remote: 0.0.0.0 is not'],
])('a path to %s is refused', async (remote, message) => {
  const server = buildControlServer({
    control: controlOf(new BenchNode('lma')),
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
  });
  const paths = [{ ...body.paths[0], remote }];
  const put = await server.inject({ method: 'PUT', url: '/v1/sessions/mn7', payload: { ...body, paths } });
  expect(put.statusCode).toBe(400);
  expect((put.json() as { error: { message: string } }).error.message).toContain(message);
});
