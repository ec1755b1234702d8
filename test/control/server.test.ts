/** The control socket's requests and errors, by injection, on a real session store without workers. */
import { expect, test } from 'vitest';
import { buildControlServer } from '../../src/control/server.ts';
import type { DataplaneControl } from '../../src/dataplane/status.ts';
import { BenchNode } from '../support/bench-node.ts';

function controlOf(node: BenchNode): DataplaneControl {
  const { sessions } = node;
  return {
    status: () => ({
      role: 'mag',
      tun: { name: 'tun0', mtu: 1400 },
      uptimeSeconds: 1,
      sessions: sessions.size,
      paths: sessions.pathCount,
      workers: [],
      buffers: { total: 1, free: 1 },
      drops: { ecn: 7 },
      resequencer: node.resequencer(),
    }),
    sessions: () => sessions.names().map((name) => sessions.status(name)),
    session: (name) => sessions.status(name),
    addSession: (session) => sessions.add(session),
    removeSession: (name) => sessions.remove(name),
    updateSession: (session) => sessions.update(session),
    setWeights: (name, weights) => sessions.setWeights(name, weights),
  };
}

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

test.each([
  ['PUT', '/v1/sessions/mn1', { ...body, paths: [] }, 400, 'BAD_SESSION'],
  ['PUT', '/v1/sessions/mn1', 'nonsense', 400, 'BAD_SESSION'],
  ['PUT', '/v1/sessions/mn1/weights', { weights: { 1: -1 } }, 400, 'BAD_WEIGHT'],
  ['PUT', '/v1/sessions/mn1/weights', { weights: { 1: 1 } }, 404, 'UNKNOWN_SESSION'],
  ['DELETE', '/v1/sessions/mn1', undefined, 404, 'UNKNOWN_SESSION'],
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
